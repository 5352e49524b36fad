"""What commands print: tables for people, tab-separated lines for pipes, JSON for programs.

Names come from strangers' photos and folders, so control characters never reach the terminal.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import typer
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from facefleet.core.names import is_printable

_TIGHT = 2  # characters between two columns where a terminal is narrow
_LONG = 20  # characters that a long column is left at least


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    long: Sequence[str] = (),
    narrow: Iterable[Sequence[str]] | None = None,
) -> None:
    """Print to stdout: a table on a terminal; otherwise a header and one line a row, cells parted by tabs.

    Where a terminal is too narrow for the table, each row is a list: half a number is a wrong number.

    Args:
        long: columns that may take several lines where the terminal is narrow.
        narrow: shorter rows, shown where those do not fit; that is said.
    """
    shown = [[harmless(cell) for cell in row] for row in rows]
    if sys.stdout is None or not sys.stdout.isatty():  # None: it is closed, and what is printed is lost
        for row in (columns, *shown):
            typer.echo("\t".join(row))
        return
    console = Console()
    if narrow is not None and not _fits(columns, shown, long, console.width):
        say("The terminal is narrow: figures are shown without what they may be out by.")
        shown = [[harmless(cell) for cell in row] for row in narrow]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=not _fits(columns, shown, long, console.width))
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column not in long)
    for row in shown:
        table.add_row(*map(Text, row))  # Text: a name in [brackets] is no markup
    if _fits(columns, shown, long, console.width, between=_TIGHT):
        console.print(table)
        return
    for row in shown:
        listed = Table.grid(padding=(0, 2))
        for column, cell in zip(columns, row, strict=True):
            listed.add_row(Text(column, style="bold"), Text(cell, overflow="fold"))
        console.print(listed, "")


def _fits(
    columns: Sequence[str], rows: Sequence[Sequence[str]], long: Sequence[str], width: int, *, between: int = 3
) -> bool:
    """Return whether a table is no wider than so many characters, with so many between two columns."""
    widths = [max(map(cell_len, cells)) for cells in zip(columns, *rows, strict=True)]
    least = [min(one, _LONG) if column in long else one for column, one in zip(columns, widths, strict=True)]
    return sum(least) + between * (len(columns) - 1) + 2 <= width


def print_json(document: Any) -> None:
    """Print one JSON document on one line of stdout."""
    typer.echo(json.dumps(document, ensure_ascii=False))


def complain(sentence: str) -> None:
    """Print what went wrong on stderr."""
    say(f"facefleet: {sentence}")


def say(sentence: str) -> None:
    """Print a remark on stderr, so that stdout holds nothing but results; where nobody reads it, it is lost."""
    with suppress(OSError):
        typer.echo(harmless(sentence), err=True)


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return `1 photo`, `2 photos`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def harmless(text: str) -> str:
    """Return the text with what breaks or reorders a line, and broken bytes, replaced."""
    return "".join(one if is_printable(one) else "\N{REPLACEMENT CHARACTER}" for one in text)
