"""What commands print: tables for people, tab-separated lines for pipes, JSON for programs.

Names come from strangers' photos and folders, so control characters never reach the terminal.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from facefleet.core.names import is_printable


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, long: Sequence[str] = ()) -> None:
    """Print to stdout: a table on a terminal; otherwise a header and one line a row, cells parted by tabs.

    Args:
        long: columns that may take several lines where the terminal is narrow.
    """
    shown = [[harmless(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in (columns, *shown):
            typer.echo("\t".join(row))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column not in long)
    for row in shown:
        table.add_row(*map(Text, row))  # Text: a name in [brackets] is no markup
    Console().print(table)


def print_json(document: Any) -> None:
    """Print one JSON document on one line of stdout."""
    typer.echo(json.dumps(document, ensure_ascii=False))


def complain(sentence: str) -> None:
    """Print what went wrong on stderr."""
    typer.echo(f"facefleet: {harmless(sentence)}", err=True)


def say(sentence: str) -> None:
    """Print a remark on stderr, so that stdout holds nothing but results."""
    typer.echo(harmless(sentence), err=True)


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return `1 photo`, `2 photos`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def harmless(text: str) -> str:
    """Return the text with what breaks or reorders a line, and broken bytes, replaced."""
    return "".join(one if is_printable(one) else "\N{REPLACEMENT CHARACTER}" for one in text)
