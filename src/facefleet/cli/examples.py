"""Worked examples under a command's help."""

from textwrap import dedent, indent


def examples(text: str) -> str:
    """Return an epilog: the first paragraph as it is, examples a line each; then prose, wrapped to the terminal."""
    lines, _, prose = dedent(text).strip().partition("\n\n")
    shown = "\b\nExamples:\n" + indent(lines, "  ")  # click does not wrap a paragraph after a backspace
    return f"{shown}\n\n{prose}" if prose else shown
