"""Logging: one structured line an event, for people by default, JSON for machines; never a photo or a template."""

import io
import logging
import sys
from contextlib import suppress
from typing import TextIO, cast

import structlog

# psycopg's pool reports each failed attempt to connect; the rooms say once that the database is away, and which waits.
_REPETITIVE = ("psycopg.pool",)


class Forgiving(io.TextIOBase):
    """A stream whose reader may be gone, or its disk full: what cannot be written is lost, and no request with it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write what can be written."""
        with suppress(OSError, ValueError):  # ValueError: it was closed
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Let go of what can be let go of."""
        with suppress(OSError, ValueError):  # ValueError: it was closed
            self._stream.flush()


def configure(*, level: str, json: bool) -> None:
    """Set up logging for this process, that of libraries included; it goes to stderr, so that stdout is for answers."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    render: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0, sort_keys=False)
    )
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", Forgiving(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render]
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in _REPETITIVE:
        logging.getLogger(name).setLevel(logging.ERROR)
