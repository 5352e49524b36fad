"""Opening a bucket for `Objects`: credentials and region as boto3 finds them (environment, profile, instance role)."""

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, NoCredentialsError
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.store import S3Store

from facefleet.adapters.aws_errors import refusal

if TYPE_CHECKING:
    from obstore.store import S3Config

# Credentials of a role are renewed ten minutes before they end; asking again this often never uses ended ones.
_ASK_AGAIN = timedelta(minutes=5)


def open_bucket(url: str, *, region: str | None, kms_key: str | None) -> S3Store:
    """Return the store at `s3://bucket/prefix`; it encrypts every object, with the account's own key if one is given.

    Raises:
        AwsRefusal: there are no credentials, or no such AWS profile.
    """
    parts = urlsplit(url)
    resource = f"the bucket {parts.netloc}"
    try:
        session = boto3.session.Session(region_name=region)
        credentials = Boto3CredentialProvider(session, ttl=_ASK_AGAIN)
    except BotoCoreError as error:
        raise refusal(error, service="s3", operation="PutObject", resource=resource) from error
    except ValueError as error:
        raise refusal(NoCredentialsError(), service="s3", operation="PutObject", resource=resource) from error
    config: S3Config = {"server_side_encryption": "AES256"}
    if kms_key:
        config = {"server_side_encryption": "aws:kms", "sse_kms_key_id": kms_key}
    if session.region_name:
        config["region"] = session.region_name
    return S3Store(
        parts.netloc,
        prefix=parts.path.strip("/") or None,
        config=config,
        credential_provider=credentials,
        client_options={"allow_http": True},  # for an emulator: AWS's own addresses are https
    )
