"""What AWS says, as one sentence each: what could not be done, to what, and what would let it be done.

The one place that reads botocore's exceptions. Everything is `Unavailable`: nothing is wrong with the client's request,
and it succeeds once the operator has mended the cause.
"""

from botocore import exceptions as aws
from botocore.exceptions import BotoCoreError, ClientError

from facefleet.errors import Unavailable

_NO_CREDENTIALS = (
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.CredentialRetrievalError,
)
_DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "403", "KmsAccessDenied"}
)
_WRONG_CREDENTIALS = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_ABSENT = frozenset(
    {
        "404",
        "AWS.SimpleQueueService.NonExistentQueue",
        "InvalidLaunchTemplateName.NotFoundException",
        "InvalidLaunchTemplateId.NotFound",
        "NoSuchBucket",
        "QueueDoesNotExist",
    }
)
_OTHER_REGION = frozenset(
    {"301", "AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException"}
)
QUOTA = frozenset(
    {
        "InstanceLimitExceeded",
        "MaxSpotInstanceCountExceeded",
        "OverLimit",
        "TooManyBuckets",
        "VcpuLimitExceeded",
        "ServiceQuotaExceededException",
    }
)
# IAM calls some operations by another name than the API does.
_PERMISSIONS = {
    "s3:HeadBucket": "s3:ListBucket",
    "s3:PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
    "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:SendMessageBatch": "sqs:SendMessage",
}


class AwsRefusal(Unavailable):
    """AWS answered with an error; `code` is its name for it."""

    def __init__(self, detail: str, code: str = "") -> None:
        super().__init__(detail)
        self.code = code


def refusal(error: BotoCoreError | ClientError, *, service: str, operation: str, resource: str) -> AwsRefusal:
    """Return what to raise for an exception of botocore.

    Args:
        service: `sqs`, `s3`, `ec2`.
        operation: as the API calls it, `ReceiveMessage`.
        resource: what was to be operated on, `the queue REQUESTS`.
    """
    what = f"{service}:{operation} on {resource}"
    if isinstance(error, ClientError):
        said = error.response.get("Error", {})
        code = said.get("Code", "unknown")
        return AwsRefusal(_sentence(what, f"{service}:{operation}", resource, code, said.get("Message", "")), code)
    if isinstance(error, aws.ProfileNotFound):
        profile = error.kwargs["profile"]
        return AwsRefusal(f"There is no AWS profile {profile} for {what}: correct AWS_PROFILE.")
    if isinstance(error, _NO_CREDENTIALS):
        return AwsRefusal(
            f"There are no usable AWS credentials for {what}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            "AWS_PROFILE, or run where there is an instance role."
        )
    if isinstance(error, aws.NoRegionError):
        return AwsRefusal(f"No AWS region is set for {what}: set AWS_REGION.")
    if isinstance(error, aws.ConnectionError | aws.HTTPClientError):
        return AwsRefusal(
            f"AWS cannot be reached for {what}: {error}. Check AWS_REGION, AWS_ENDPOINT_URL, the network."
        )
    return AwsRefusal(f"AWS did not do {what}: {error}")


def _sentence(what: str, action: str, resource: str, code: str, message: str) -> str:
    if code in _DENIED:
        return f"AWS refused {what}: the role lacks the permission {_PERMISSIONS.get(action, action)}."
    if code in _WRONG_CREDENTIALS:
        return f"AWS does not accept the credentials for {what} ({code}): renew or correct them."
    if code in _ABSENT:
        named = resource.removeprefix("the ")
        return f"AWS knows no {named} in this region (asked by {action}): check its name and AWS_REGION."
    if code in _OTHER_REGION:
        return f"AWS keeps {resource} in another region (asked by {action}): set AWS_REGION to it."
    if code in QUOTA:
        return f"AWS refused {what}: a quota of the account is used up ({code}). {message}".rstrip()
    return f"AWS refused {what} ({code}): {message or 'no reason given'}"
