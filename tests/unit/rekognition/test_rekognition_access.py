"""Who may call: signatures, scopes, collections; and what boto3 is told when it may not."""

import base64
import datetime as dt
import json
import urllib.error
import urllib.request
import uuid

import boto3
import pytest
from botocore import UNSIGNED
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from pydantic import ValidationError
from structlog.testing import capture_logs
from studio import Sitter, Studio, photo

from facefleet.config import Settings
from facefleet.core.keys import Scope
from facefleet.errors import NotFound

ADA = Sitter("Ada")
NO_FACE = "00000000-0000-0000-0000-000000000000"


def signed(studio, key, *, target="RekognitionService.ListCollections", body=b"{}", service="rekognition"):
    """Return the headers that botocore would send."""
    request = AWSRequest("POST", f"{studio.address}/", data=body)
    request.headers["X-Amz-Target"] = target
    request.headers["Content-Type"] = "application/x-amz-json-1.1"
    SigV4Auth(Credentials(*key), service, "eu-central-1").add_auth(request)
    return dict(request.headers)


def send(studio, headers, body=b"{}", path="/"):
    """Return status, error code and message of a request that was put together by hand."""
    request = urllib.request.Request(f"{studio.address}{path}", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=90) as response:
            return response.status, "", ""
    except urllib.error.HTTPError as error:
        said = json.loads(error.read())
        return error.code, said["__type"], said["Message"]


def test_a_signature_by_botocore_is_accepted(studio):
    """The baseline of the tests below, which each change one thing."""
    assert send(studio, signed(studio, studio.add_key())) == (200, "", "")


def test_without_a_signature_nothing_is_answered(studio, client_of):
    """MissingAuthenticationTokenException, though the service listens on this machine only."""
    client = client_of(signature_version=UNSIGNED)
    with pytest.raises(client.exceptions.ClientError, match="MissingAuthenticationToken"):
        client.list_collections()


def test_an_anonymous_service_answers_unsigned_requests(tmp_path):
    """With --anonymous, on this machine alone; a signature that is given must still be right."""
    with Studio(tmp_path, anonymous=True).open() as studio:
        client = boto3.client(
            "rekognition",
            endpoint_url=studio.address,
            region_name="eu-west-1",
            config=Config(signature_version=UNSIGNED),
        )
        assert client.create_collection(CollectionId="c")["CollectionArn"].startswith("arn:aws:rekognition:us-east-1:")
        assert send(studio, signed(studio, ("NOBODY", "x")))[1] == "UnrecognizedClientException"


def test_a_wrong_secret_is_refused(studio):
    """InvalidSignatureException."""
    name, _ = studio.add_key()
    status, code, _ = send(studio, signed(studio, (name, "another")))
    assert (status, code) == (400, "InvalidSignatureException")


def test_an_unknown_or_revoked_key_is_refused(studio):
    """UnrecognizedClientException, from the next request on."""
    key = studio.add_key()
    headers = signed(studio, key)
    assert send(studio, headers)[0] == 200
    studio.run(studio.keys.revoke(key[0]))
    assert send(studio, headers)[1] == "UnrecognizedClientException"
    with pytest.raises(NotFound):
        studio.run(studio.keys.key(key[0]))


@pytest.mark.parametrize(("ahead_s", "accepted"), [(0, True), (295, True), (305, False), (-295, True), (-305, False)])
def test_clocks_may_differ_by_five_minutes(studio, ahead_s, accepted):
    """Either way, so that a request that was overheard is soon worthless."""
    headers = signed(studio, studio.add_key())
    studio.clock.ahead_s = ahead_s
    try:
        status, code, message = send(studio, headers)
    finally:
        studio.clock.ahead_s = 0.0
    assert status == (200 if accepted else 400)
    if not accepted:
        assert code == "InvalidSignatureException"
        assert message.startswith("Signature expired" if ahead_s > 0 else "Signature not yet current")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Amz-Target", "RekognitionService.DeleteCollection"),
        ("X-Amz-Date", "20200101T000000Z"),
        ("Host", "localhost:1"),
        ("Content-Type", "text/plain"),
    ],
)
def test_no_signed_header_can_be_changed(studio, name, value):
    """An overheard request cannot become another one."""
    headers = signed(studio, studio.add_key()) | {name: value}
    assert send(studio, headers)[1] == "InvalidSignatureException"


def test_a_proxy_may_add_headers(studio):
    """Those that we do not act on need no signature."""
    added = {"X-Amz-Cf-Id": "from-a-proxy", "X-Amzn-Trace-Id": "Root=1", "X-Forwarded-For": "10.0.0.1"}
    assert send(studio, signed(studio, studio.add_key()) | added)[0] == 200


def test_neither_body_nor_query_can_be_changed(studio):
    """Both are signed."""
    headers = signed(studio, studio.add_key())
    assert send(studio, headers, b'{"MaxResults": 1}')[1] == "InvalidSignatureException"
    assert send(studio, headers, path="/?a=b")[1] == "InvalidSignatureException"


def test_a_signature_for_another_service_is_refused(studio):
    """The credential scope names rekognition."""
    assert send(studio, signed(studio, studio.add_key(), service="s3"))[1] == "InvalidSignatureException"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic dXNlcjpwYXNz",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=a/20260101/r/rekognition/aws4_request, SignedHeaders=host, Signature=zz",
        "AWS4-HMAC-SHA256 SignedHeaders=host, Signature=" + 64 * "0",
        "AWS4-HMAC-SHA256 Credential=\xfc'/20260101/r/rekognition/aws4_request, SignedHeaders=host, Signature="
        + 64 * "0",
    ],
)
def test_a_misshapen_authorization_says_what_is_missing(studio, header):
    """IncompleteSignatureException, never a 500."""
    headers = signed(studio, studio.add_key()) | {"Authorization": header}
    status, code, _ = send(studio, headers)
    assert (status, code) == (400, "IncompleteSignatureException")


@pytest.mark.parametrize(
    "signed_headers", ["host", "host;x-amz-date", "x-amz-target;host", "host;host", "host;nowhere", ""]
)
def test_the_operation_must_be_signed(studio, signed_headers):
    """Too few headers, unsorted ones, and ones that are not there."""
    headers = signed(studio, studio.add_key())
    parts = headers["Authorization"].split("SignedHeaders=")
    headers["Authorization"] = f"{parts[0]}SignedHeaders={signed_headers}, {parts[1].split(', ')[1]}"
    assert send(studio, headers)[1] in ("InvalidSignatureException", "IncompleteSignatureException")


def test_a_key_made_with_another_key_file_says_so(studio, tmp_path):
    """The service cannot read its secret: try again elsewhere, not forbidden."""
    other = Studio(tmp_path)
    name, secret = studio.add_key()
    key = studio.run(studio.keys.key(name))
    studio.run(studio.keys.revoke(name))
    sealed = other.vault.seal(name, secret)
    other._loop.close()
    studio.run(studio.keys.add(type(key)(access_key_id=name, grant=key.grant, created_s=1.0, sealed_secret=sealed)))
    assert send(studio, signed(studio, (name, secret)))[1] == "ThrottlingException"


ENROLLING = {
    "index_faces": {"Image": {"Bytes": photo(ADA)}},
    "delete_faces": {"FaceIds": [NO_FACE]},
    "create_user": {"UserId": "u"},
    "delete_user": {"UserId": "u"},
    "associate_faces": {"UserId": "u", "FaceIds": [NO_FACE]},
    "disassociate_faces": {"UserId": "u", "FaceIds": [NO_FACE]},
}
READING = {
    "describe_collection": {},
    "list_faces": {},
    "list_users": {},
    "search_faces": {"FaceId": NO_FACE},
    "search_faces_by_image": {"Image": {"Bytes": photo(ADA)}},
    "search_users": {"FaceId": NO_FACE},
    "search_users_by_image": {"Image": {"Bytes": photo(ADA)}},
}


def is_denied(client, operation, **members):
    try:
        getattr(client, operation)(**members)
    except client.exceptions.AccessDeniedException:
        return True
    except client.exceptions.ClientError:
        return False  # allowed, and something else was wrong
    return False


@pytest.mark.parametrize("scope", list(Scope))
def test_a_key_may_do_what_its_scope_says(studio, client_of, collection, scope):
    """read < enrol < admin, in the collection that the key names and in none besides."""
    client = client_of(studio.add_key(scope, collection))
    arn = f"arn:aws:rekognition:eu-central-1:000000000000:collection/{collection}"
    for operation, members in READING.items():
        assert not is_denied(client, operation, CollectionId=collection, **members)
        assert is_denied(client, operation, CollectionId="another", **members)
    for operation, members in ENROLLING.items():
        assert is_denied(client, operation, CollectionId=collection, **members) == (scope is Scope.READ)
        assert is_denied(client, operation, CollectionId="another", **members)
    assert not is_denied(client, "list_tags_for_resource", ResourceArn=arn)
    for operation, members in {"tag_resource": {"Tags": {}}, "untag_resource": {"TagKeys": []}}.items():
        assert is_denied(client, operation, ResourceArn=arn, **members) == (scope is not Scope.ADMIN)
    assert not is_denied(client, "detect_faces", Image={"Bytes": photo(ADA)})
    assert is_denied(client, "create_collection", CollectionId="another")
    assert is_denied(client, "delete_collection", CollectionId=collection) == (scope is not Scope.ADMIN)


def test_a_key_sees_its_own_collections_only(studio, client_of, collection, rekognition):
    """Also in the listing."""
    client = client_of(studio.add_key(Scope.READ, collection))
    listed = [name for page in client.get_paginator("list_collections").paginate() for name in page["CollectionIds"]]
    assert listed == [collection]
    assert rekognition.describe_collection(CollectionId=collection)["FaceCount"] == 0


@pytest.mark.parametrize(
    "target",
    [
        "RekognitionService.DetectLabels",
        "RekognitionService.StartFaceDetection",
        "RekognitionService.Nonsense",
        "DynamoDB_20120810.PutItem",
        "ListCollections",
        "",
    ],
)
def test_what_a_face_service_does_not_do_is_said_clearly(studio, target):
    """UnknownOperationException with the list of what there is."""
    status, code, message = send(studio, signed(studio, studio.add_key(), target=target))
    assert (status, code) == (400, "UnknownOperationException")
    assert "SearchFacesByImage" in message


def test_boto3_sees_an_unsupported_operation_as_an_error_of_its_own(rekognition):
    """No retries, no parsing error."""
    with pytest.raises(rekognition.exceptions.ClientError, match="DetectLabels") as caught:
        rekognition.detect_labels(Image={"Bytes": photo(ADA)})
    assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 0


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"1", b'"text"', b"\xff", b'{"MaxResults": "1"}', b'{"MaxResults": 1.5}']
)
def test_a_body_that_is_no_request_is_refused(studio, body):
    """SerializationException, as AWS calls it."""
    headers = signed(studio, studio.add_key(), body=body)
    assert send(studio, headers, body)[:2] == (400, "SerializationException")


def test_no_body_is_an_empty_request(studio):
    """Some clients send none where no member is required."""
    assert send(studio, signed(studio, studio.add_key(), body=b""), b"")[0] == 200


def test_unknown_and_null_members_are_ignored(studio):
    """A newer client may know members that are not here; null means absent."""
    body = b'{"MaxResults": null, "FromTheFuture": {"x": 1}}'
    assert send(studio, signed(studio, studio.add_key(), body=body), body)[0] == 200


def test_a_missing_member_is_named(studio):
    """In AWS's words."""
    headers = signed(studio, studio.add_key(), target="RekognitionService.DescribeCollection")
    _, code, message = send(studio, headers)
    assert code == "InvalidParameterException"
    assert "Value at 'collectionId' failed to satisfy constraint: Member must not be null" in message


def test_an_overfull_queue_makes_boto3_wait_and_try_again(studio, client_of):
    """ProvisionedThroughputExceededException is retried by itself, and told to the caller if it lasts."""
    client = client_of()
    retried = []

    def unfill(**_):
        retried.append(True)
        studio.overfill(0)

    client.meta.events.register("request-created.rekognition.DetectFaces", lambda **_: retried.append(True))
    studio.overfill(10_000)
    try:
        with pytest.raises(client.exceptions.ProvisionedThroughputExceededException):
            client.detect_faces(Image={"Bytes": photo(ADA)})
        assert len(retried) == 2
        client.meta.events.register("needs-retry.rekognition.DetectFaces", unfill)
        assert len(client.detect_faces(Image={"Bytes": photo(ADA)})["FaceDetails"]) == 1
    finally:
        studio.overfill(0)


def test_a_client_that_hangs_up_withdraws_its_request(studio, client_of):
    """Nobody works for nobody; the service goes on."""
    hasty = client_of(read_timeout=0.001, retries={"total_max_attempts": 1})
    studio.engine.delay_s = 1.0  # else the answer may be there before the client looks for it
    try:
        with pytest.raises(Exception, match=r"(?i)timed? ?out"):
            hasty.detect_faces(Image={"Bytes": photo(ADA)})
    finally:
        studio.engine.delay_s = 0.0
    assert len(client_of().detect_faces(Image={"Bytes": photo(ADA)})["FaceDetails"]) == 1


def test_the_course_upload_is_still_there(studio):
    """The same `POST /` without X-Amz-Target is version 1's."""
    request = urllib.request.Request(f"{studio.address}/", b"", {"Content-Type": "multipart/form-data; boundary=x"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=90)
    assert caught.value.headers["content-type"].startswith("text/plain")


def test_a_paging_token_is_good_for_one_listing_and_a_day(rekognition, studio, refused):
    """InvalidPaginationTokenException for one that is made up, changed, of another listing, or old."""
    names = [f"paging-{uuid.uuid4()}" for _ in range(2)]
    for name in names:
        rekognition.create_collection(CollectionId=name)
        for user in ("a", "b"):
            rekognition.create_user(CollectionId=name, UserId=user)
    token = rekognition.list_users(CollectionId=names[0], MaxResults=1)["NextToken"]
    assert len(token) <= 255
    assert "a" not in token or len(token) > 20  # opaque: no name in clear
    code = "InvalidPaginationTokenException"
    assert refused("list_users", CollectionId=names[1], NextToken=token) == code
    assert refused("list_collections", NextToken=token) == code
    assert refused("list_faces", CollectionId=names[0], NextToken=token) == code
    for broken in (
        "",
        "x",
        "ümlaut",
        token[:-1],
        token + "A",
        "A" * 255,
        token[:5] + ("B" if token[5] == "A" else "A") + token[6:],
    ):
        assert refused("list_users", CollectionId=names[0], NextToken=broken) == code
    (user,) = rekognition.list_users(CollectionId=names[0], NextToken=token)["Users"]
    assert user["UserId"] == "b"
    tokens = studio.tokens()
    assert tokens.read(f"users/{names[0]}", token) == "a"
    studio.clock.ahead_s = 86_401
    try:
        with pytest.raises(Exception, match="pagination token"):
            tokens.read(f"users/{names[0]}", token)
    finally:
        studio.clock.ahead_s = 0.0
    for name in names:
        rekognition.delete_collection(CollectionId=name)


def test_a_paging_token_names_no_collection(studio):
    """A key that is for one collection is given tokens which end at others."""
    token = studio.tokens().make("collections", "somebody-elses")
    assert b"somebody" not in base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    assert studio.tokens().read("collections", token) == "somebody-elses"


def test_timestamps_are_numbers(rekognition, collection):
    """Epoch seconds on the wire; boto3 makes dates of them."""
    created = rekognition.describe_collection(CollectionId=collection)["CreationTimestamp"]
    assert isinstance(created, dt.datetime)


def test_anonymous_is_for_this_machine_alone(tmp_path):
    """A service that others can reach does not start that way."""
    for host in ("127.0.0.1", "::1", "localhost"):
        assert Settings(data=tmp_path, host=host, anonymous=True).anonymous
    for host in ("0.0.0.0", "192.168.1.2", "::", "example.org"):
        with pytest.raises(ValidationError, match="this machine alone"):
            Settings(data=tmp_path, host=host, anonymous=True)


def test_a_web_page_cannot_use_an_anonymous_service(tmp_path):
    """Another origin's script is refused at the door, as for version 1."""
    with Studio(tmp_path, anonymous=True).open() as studio:
        headers = {"X-Amz-Target": "RekognitionService.ListCollections", "Origin": "https://evil.example"}
        request = urllib.request.Request(f"{studio.address}/", b"{}", headers)
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=90)
        assert caught.value.code == 403


def test_operations_are_counted_by_name(studio, rekognition):
    """The metrics show which operation took how long; a made-up name adds no row."""
    rekognition.list_collections()
    send(studio, signed(studio, studio.add_key(), target="RekognitionService.MadeUp"))
    metrics = urllib.request.urlopen(f"{studio.address}/metrics", timeout=90).read().decode()
    assert 'route="RekognitionService.ListCollections",status="200"' in metrics
    assert "MadeUp" not in metrics


def test_a_bug_is_logged_under_the_id_that_the_client_got(studio, client_of):
    """Nothing else of the request is: no body, no photo, no key."""
    client = client_of(retries={"total_max_attempts": 1})
    broken = studio.service.gallery.collections
    studio.service.gallery.collections = None  # a bug of ours
    try:
        with capture_logs() as logged, pytest.raises(client.exceptions.InternalServerError) as caught:
            client.list_collections()
    finally:
        studio.service.gallery.collections = broken
    request_id = caught.value.response["ResponseMetadata"]["RequestId"]
    assert logged == [{"event": "request failed", "request_id": request_id, "exc_info": True, "log_level": "error"}]
