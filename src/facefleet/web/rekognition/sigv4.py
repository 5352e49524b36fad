"""AWS Signature Version 4: who sent this very request, within the last five minutes.

Source: "Signature Version 4 signing process", AWS General Reference. The caller proves to know a secret by an HMAC over
method, path, headers and body. Every header that we act on must be signed, or a request that was overheard could be
sent as another operation; others may be added by a proxy. Signatures are compared in constant time.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote

from facefleet.web.rekognition.refusals import Refusal

WINDOW_S = 300.0
SERVICE = "rekognition"

_ALGORITHM = "AWS4-HMAC-SHA256"
_FIELD = re.compile(r"(Credential|SignedHeaders|Signature)=([^,\s]+)")
_KEY_ID = re.compile(r"[A-Za-z0-9_]{1,128}")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_MUST_BE_SIGNED = ("host", "x-amz-date", "x-amz-target")


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedRequest:
    """What is signed.

    Attributes:
        headers: by lower-case name; several of one name joined by commas.
        query: as it stands in the request line, without `?`.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Authorization:
    """The header `Authorization`, taken apart."""

    access_key_id: str
    date: str
    region: str
    signed_headers: tuple[str, ...]
    signature: str

    @property
    def scope(self) -> str:
        """The credential scope without the key's id."""
        return f"{self.date}/{self.region}/{SERVICE}/aws4_request"


def parse(header: str) -> Authorization:
    """Take the header apart.

    Raises:
        Refusal: it is of another kind, or a part is missing or misshapen.
    """
    algorithm, _, rest = header.partition(" ")
    if algorithm != _ALGORITHM:
        raise _incomplete(f"Sign with {_ALGORITHM}.")
    fields = dict(_FIELD.findall(rest))
    try:
        access_key_id, date, region, service, terminator = fields["Credential"].split("/")
        signed_headers, signature = fields["SignedHeaders"], fields["Signature"]
    except (KeyError, ValueError) as error:
        raise _incomplete(
            "Authorization needs Credential=ID/DATE/REGION/SERVICE/aws4_request, SignedHeaders and Signature."
        ) from error
    if (service, terminator) != (SERVICE, "aws4_request"):
        raise Refusal("InvalidSignatureException", f"Credential should be scoped to the service {SERVICE!r}.")
    if not _KEY_ID.fullmatch(access_key_id) or not _SIGNATURE.fullmatch(signature):
        raise _incomplete("An access key id has letters and digits, a signature 64 hexadecimal digits.")
    return Authorization(
        access_key_id=access_key_id,
        date=date,
        region=region,
        signed_headers=tuple(signed_headers.split(";")),
        signature=signature,
    )


def verify(authorization: Authorization, secret: str, request: SignedRequest, *, now_s: float) -> None:
    """Return if this request was signed with this secret, just now.

    Raises:
        Refusal: it was not, or too long ago, or too little of it is signed.
    """
    timestamp = _timestamp(authorization, request.headers, now_s)
    _check_coverage(authorization, request.headers)
    digest = hashlib.sha256(_canonical(authorization, request).encode()).hexdigest()
    to_sign = f"{_ALGORITHM}\n{timestamp}\n{authorization.scope}\n{digest}"
    expected = hmac.new(_signing_key(authorization, secret), to_sign.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, authorization.signature):
        raise Refusal(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method, and that no proxy changes the Host header.",
        )


def _timestamp(authorization: Authorization, headers: Mapping[str, str], now_s: float) -> str:
    timestamp = headers.get("x-amz-date", "")
    try:
        at = datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise _incomplete("The header X-Amz-Date must hold the time as YYYYMMDD'T'HHMMSS'Z'.") from error
    if authorization.date != timestamp[:8]:
        raise Refusal("InvalidSignatureException", "The date in Credential is not that of X-Amz-Date.")
    age_s = now_s - at.timestamp()
    if abs(age_s) > WINDOW_S:
        which = "expired" if age_s > 0 else "not yet current"
        now = datetime.fromtimestamp(now_s, UTC).strftime("%Y%m%dT%H%M%SZ")
        raise Refusal(
            "InvalidSignatureException",
            f"Signature {which}: signed at {timestamp}, it is {now} here, and at most 5 minutes may lie between.",
        )
    return timestamp


def _check_coverage(authorization: Authorization, headers: Mapping[str, str]) -> None:
    signed = authorization.signed_headers
    missing = [name for name in signed if name not in headers]
    if missing or list(signed) != sorted(set(signed)):
        raise _incomplete("SignedHeaders must name headers that are there, sorted, each once.")
    unsigned = [name for name in _MUST_BE_SIGNED if name not in signed]
    if unsigned:
        raise Refusal("InvalidSignatureException", f"These headers must be signed too: {', '.join(unsigned)}.")


def _canonical(authorization: Authorization, request: SignedRequest) -> str:
    headers = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in authorization.signed_headers)
    pairs = (
        (quote(name, safe=""), quote(value, safe=""))
        for name, value in parse_qsl(request.query, keep_blank_values=True)
    )
    query = "&".join(f"{name}={value}" for name, value in sorted(pairs))
    return "\n".join(
        (
            request.method,
            request.path,
            query,
            headers,
            ";".join(authorization.signed_headers),
            hashlib.sha256(request.body).hexdigest(),
        )
    )


def _signing_key(authorization: Authorization, secret: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (authorization.date, authorization.region, SERVICE, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def _incomplete(message: str) -> Refusal:
    return Refusal("IncompleteSignatureException", message)
