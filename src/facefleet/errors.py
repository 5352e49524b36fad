"""Everything that can go wrong, split by what the caller should do.

    FacefleetError
    ├── InvalidInput              change the request; the same request never succeeds
    │   ├── InvalidImage          these bytes are not a photo that can be read
    │   │   └── ImageTooLarge     more bytes or pixels than allowed
    │   ├── NoFace                a face was needed and none was found
    │   ├── SeveralFaces          exactly one face was needed
    │   ├── FaceTooSmall          the face has too few pixels to be enrolled
    │   ├── WrongSettings         the program was told something it cannot do
    │   ├── NotFound              the named collection, face, person or job does not exist
    │   ├── AlreadyExists         the name is taken
    │   ├── LimitExceeded         there would be more than are allowed
    │   └── IncompatibleTemplates templates of different models were to be compared
    ├── Unavailable               try again after `retry_after_s`
    │   ├── Overloaded            the backlog is longer than what can be answered in time
    │   ├── DeadlineExceeded      no answer came in the time the client gave
    │   └── LeaseLost             another worker owns this job now; drop what was computed
    ├── Cancelled                 the client withdrew the job
    └── BrokenInvariant           ours: a bug, reported as such

HTTP status codes are the web room's affair. An error crosses the queue as `{"code", "detail"}` (`to_dict`) and is the
same class on the other side (`from_dict`).
"""

from typing import ClassVar


class FacefleetError(Exception):
    """Root of the tree; `detail` is a sentence for the person who made the request."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    def to_dict(self) -> dict[str, str]:
        """Return `{"code", "detail"}`, the form in which an error crosses the queue."""
        return {"code": type(self).__name__, "detail": self.detail}


class InvalidInput(FacefleetError):
    """The request can never succeed as it is."""


class InvalidImage(InvalidInput):
    """The bytes are not a photo that can be read."""


class ImageTooLarge(InvalidImage):
    """The photo has more bytes or pixels than the settings allow."""


class NoFace(InvalidInput):
    """A face was needed and none was found."""


class SeveralFaces(InvalidInput):
    """Exactly one face was needed and more were found."""


class FaceTooSmall(InvalidInput):
    """The face has too few pixels to be enrolled."""


class WrongSettings(InvalidInput):
    """The program was told something it cannot do."""


class NotFound(InvalidInput):
    """What the request names does not exist."""


class AlreadyExists(InvalidInput):
    """The name is taken."""


class LimitExceeded(InvalidInput):
    """There would be more of something than are allowed."""


class IncompatibleTemplates(InvalidInput):
    """Templates of different models cannot be compared."""


class Unavailable(FacefleetError):
    """Nothing is wrong with the request; it may succeed later."""

    retry_after_s: ClassVar[int] = 1


class Overloaded(Unavailable):
    """The backlog is longer than what can be answered in time."""

    retry_after_s: ClassVar[int] = 2


class DeadlineExceeded(Unavailable):
    """No answer came in the time the client gave."""


class LeaseLost(Unavailable):
    """Another worker owns the job now."""


class Cancelled(FacefleetError):
    """The client withdrew the job before it was answered."""


class BrokenInvariant(FacefleetError):
    """A bug of ours, never the caller's fault."""


def _subclasses(root: type[FacefleetError]) -> dict[str, type[FacefleetError]]:
    found = {root.__name__: root}
    for child in root.__subclasses__():
        found |= _subclasses(child)
    return found


def from_dict(error: dict[str, str]) -> FacefleetError:
    """Rebuild an error that crossed the queue; an unknown code becomes `BrokenInvariant`."""
    kind = _subclasses(FacefleetError).get(error["code"], BrokenInvariant)
    return kind(error["detail"])
