"""How a command ends."""

from enum import IntEnum

from facefleet.errors import DeadlineExceeded, FacefleetError, Unavailable


class ExitStatus(IntEnum):
    """The exit statuses of every command, as `docs/cli.md` lists them."""

    DONE = 0
    REFUSED = 1  # the service answered, and refused a photo or the request
    USAGE = 2  # the command line names what does not exist or contradicts itself; nothing was sent
    UNAVAILABLE = 3  # no service answers, or it is overloaded
    INTERRUPTED = 130  # Ctrl-C: 128 + SIGINT


class Failure(Exception):
    """Ends the command; `main` prints the sentence on stderr."""

    def __init__(self, sentence: str, status: ExitStatus = ExitStatus.USAGE) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.status = status


def ends_the_run(error: FacefleetError) -> bool:
    """Tell whether the next photo would fare no better: the service is away or overloaded, not late with this one."""
    return isinstance(error, Unavailable) and not isinstance(error, DeadlineExceeded)
