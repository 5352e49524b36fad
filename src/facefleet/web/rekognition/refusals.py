"""Errors as Rekognition words them.

botocore reads the code from the body's `__type`, some JavaScript clients from the header `x-amzn-errortype`: both are
sent (AWS JSON 1.1 protocol, Smithy 2.0 specification).
"""

from facefleet import errors

INTERNAL = "InternalServerError"


class Refusal(Exception):
    """A request that is answered with an error.

    Args:
        code: the name of the error's shape in the service's model.
        message: a sentence for the person who made the request.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def status(self) -> int:
        """HTTP status: everything but our own bugs is 400."""
        return 500 if self.code == INTERNAL else 400


# The nearest class of the error's ancestry decides. What may succeed later must have a code that SDKs retry.
_CODES: dict[type[errors.FacefleetError], str] = {
    errors.InvalidInput: "InvalidParameterException",
    errors.InvalidImage: "InvalidImageFormatException",
    errors.ImageTooLarge: "ImageTooLargeException",
    errors.NotFound: "ResourceNotFoundException",
    errors.AlreadyExists: "ResourceAlreadyExistsException",
    errors.LimitExceeded: "ServiceQuotaExceededException",
    errors.IncompatibleTemplates: "ConflictException",
    errors.Unavailable: "ThrottlingException",
    errors.Overloaded: "ProvisionedThroughputExceededException",
    errors.DeadlineExceeded: "ProvisionedThroughputExceededException",
    errors.Cancelled: "ThrottlingException",
    errors.FacefleetError: INTERNAL,
}


def refusal_of(error: errors.FacefleetError) -> Refusal:
    """Return how an error of ours is answered; the detail of a bug is not for the client."""
    code = next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)
    return internal() if code == INTERNAL else Refusal(code, error.detail)


def internal() -> Refusal:
    """Return the answer to a request that met a bug of ours; the log has the rest, under the request's id."""
    return Refusal(INTERNAL, "Something went wrong on our side; the log has it under this request's id.")


def invalid(message: str) -> Refusal:
    """Return the answer to a parameter that is not allowed."""
    return Refusal("InvalidParameterException", message)
