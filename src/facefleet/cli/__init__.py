"""The command line: `facefleet COMMAND`.

Commands that talk to a running service are small and start fast; what runs the service is imported when it is run.
Foreseeable errors end in one sentence on stderr and one of the statuses of `exits.py`, never in a traceback.
"""

import errno
import io
import sys
from typing import Annotated, NoReturn

import typer

from facefleet import __version__
from facefleet.cli import deploy, enrol, evaluate, fleet, galleries, keys, photos, serve, simulate, status, tables
from facefleet.cli.examples import examples
from facefleet.cli.exits import ExitStatus, Failure
from facefleet.errors import FacefleetError, Unavailable, WrongSettings

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})

app = typer.Typer(
    name="facefleet",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: it can be searched, piped and copied
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples("""
        facefleet up                                    # the whole service, on this machine
        facefleet enrol default PEOPLE/                 # a folder per person, their photos in it
        facefleet identify party.jpg --draw named.jpg   # who is in it

        `facefleet COMMAND --help` shows more.
    """),
)
for command in (serve.up, serve.web, serve.worker, serve.controller):
    app.command()(command)
for group in (enrol, photos, galleries, keys, status, fleet, evaluate, simulate, deploy):
    app.add_typer(group.commands)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"facefleet {__version__}")
        raise typer.Exit


@app.callback()
def facefleet(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Face recognition as a service on an elastic fleet."""
    del version


def main() -> NoReturn:
    """Run the command that `sys.argv` names, and exit with its status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file's name may be no text
    try:
        app()
    except Failure as failure:
        _end(failure.sentence, failure.status)
    except Unavailable as error:
        _end(error.detail, ExitStatus.UNAVAILABLE)
    except WrongSettings as error:
        _end(error.detail, ExitStatus.USAGE)
    except FacefleetError as error:
        _end(error.detail, ExitStatus.REFUSED)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        _end("There is no room left for the answer: what was written is not all of it.", ExitStatus.UNAVAILABLE)
    sys.exit(ExitStatus.DONE)


def _end(sentence: str, status: ExitStatus) -> NoReturn:
    tables.complain(sentence)
    sys.exit(status)
