"""Signatures against an independent oracle: botocore signs, we verify."""

from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from facefleet.web.rekognition.refusals import Refusal
from facefleet.web.rekognition.sigv4 import SignedRequest, parse, verify

NOW = datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,10}", fullmatch=True)


def signed(body=b"", query=(), headers=None, secret=SECRET, at=NOW):
    """Let botocore sign a request at an instant, and return it as it comes out of the web server."""
    request = AWSRequest("POST", "http://host:1/", data=body, params=dict(query))
    request.headers["X-Amz-Target"] = "RekognitionService.ListCollections"
    for name, value in (headers or {}).items():
        request.headers[name] = value
    with patch("botocore.auth.get_current_datetime", lambda: at.replace(tzinfo=None)):
        SigV4Auth(Credentials("ID", secret), "rekognition", "eu-central-1").add_auth(request)
    sent = request.prepare()
    got = {name.lower(): value.strip() for name, value in sent.headers.items()} | {"host": "host:1"}
    text = {name: value.decode() if isinstance(value, bytes) else value for name, value in got.items()}
    return SignedRequest(
        method="POST", path="/", query=sent.url.partition("?")[2], headers=text, body=bytes(sent.body or b"")
    )


def check(request, secret=SECRET, now=NOW):
    verify(parse(request.headers["authorization"]), secret, request, now_s=now.timestamp())


@given(
    st.binary(max_size=200),
    st.dictionaries(PRINTABLE.filter(bool), PRINTABLE, max_size=3),
    st.dictionaries(NAMES.map("x-amz-meta-{}".format), PRINTABLE, max_size=3),
)
def test_whatever_botocore_signs_is_verified(body, query, headers):
    """Any body, any query, any printable header, runs of spaces included."""
    check(signed(body, query, headers))


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40))
def test_no_other_secret_will_do(secret):
    """The same request by somebody else."""
    if secret == SECRET:
        return
    with pytest.raises(Refusal, match="does not match"):
        check(signed(secret=secret))


def test_midnight_does_not_matter():
    """A request signed just before it arrives just after."""
    check(signed(at=NOW), now=datetime(2026, 3, 1, 0, 0, 2, tzinfo=UTC))


def test_the_date_of_the_key_is_that_of_the_request():
    """A signing key is made for a day; one that leaked is worthless the day after."""
    request = signed()
    header = request.headers["authorization"].replace("/20260228/", "/20260227/")
    with pytest.raises(Refusal, match="date in Credential"):
        verify(parse(header), SECRET, request, now_s=NOW.timestamp())
