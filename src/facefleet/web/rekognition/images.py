"""`Image` members to bytes: JPEG or PNG, at least 80 pixels a side, 5 MiB as bytes and 15 MiB from a bucket."""

import base64
import binascii

from facefleet.errors import ImageTooLarge, InvalidImage, NotFound
from facefleet.vision.formats import READABLE, check_size, sniff
from facefleet.web.rekognition.call import Call
from facefleet.web.rekognition.members import Image, S3Object
from facefleet.web.rekognition.refusals import Refusal, invalid

MAX_BYTES = 5 * 2**20
MAX_S3_BYTES = 15 * 2**20
MIN_SIDE_PX = 80
_FORMATS = ("JPEG", "PNG")


async def photo(call: Call, image: Image, *, member: str = "image") -> bytes:
    """Return the bytes of a photo.

    Raises:
        Refusal: neither bytes nor an object, or both; or the photo breaks a rule.
    """
    if (image.bytes_ is None) == (image.s3_object is None):
        raise invalid(f"{member} must have exactly one of Bytes and S3Object.")
    if image.s3_object is None:
        assert image.bytes_ is not None
        data = _decoded(image.bytes_, member)
    else:
        data = await _fetched(call, image.s3_object)
    _check(data, max_pixels=call.service.settings.max_image_pixels)
    return data


def _decoded(text: str, member: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal("SerializationException", f"{member}.bytes is not base64.") from error
    if not data:
        raise invalid(f"Value at '{member}.bytes' failed to satisfy constraint: Member must have length greater than "
                      "or equal to 1")  # fmt: skip
    if len(data) > MAX_BYTES:
        raise Refusal(
            "ImageTooLargeException",
            f"The photo has {len(data):,} bytes; at most {MAX_BYTES:,} can be sent. An S3Object may have "
            f"{MAX_S3_BYTES:,}.",
        )
    return data


async def _fetched(call: Call, named: S3Object) -> bytes:
    if named.bucket is None or named.name is None:
        raise invalid("An S3Object needs Bucket and Name.")
    max_bytes = min(MAX_S3_BYTES, call.service.settings.max_image_bytes)
    try:
        return await call.buckets.read(named.bucket, named.name, version=named.version, max_bytes=max_bytes)
    except NotFound as error:
        raise Refusal(
            "InvalidS3ObjectException",
            "Unable to get object metadata from S3. Check object key, region and/or access permissions: no such "
            "object, or no bucket that this service reads.",
        ) from error


def _check(data: bytes, *, max_pixels: int) -> None:
    try:
        info = sniff(data)
        check_size(info.width, info.height, max_pixels=max_pixels)
    except ImageTooLarge as error:
        raise Refusal("ImageTooLargeException", error.detail) from error
    except InvalidImage as error:
        detail = error.detail.replace(READABLE, "JPEG or PNG")  # version 1 reads more
        raise Refusal("InvalidImageFormatException", f"Request has invalid image format. {detail}") from error
    if info.format not in _FORMATS:
        raise Refusal(
            "InvalidImageFormatException", f"Request has invalid image format: {info.format}; send JPEG or PNG."
        )
    if min(info.width, info.height) < MIN_SIDE_PX:
        raise invalid(
            f"The photo is {info.width} x {info.height} pixels; both sides must have at least {MIN_SIDE_PX} pixels."
        )
