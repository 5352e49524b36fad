"""Photos as they arrive: every form that is not as it should be says what would be right."""

import asyncio

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from stand_in import client_of, make_service, said

from facefleet.web.photos import Uploads


async def post(client, body, content_type='multipart/form-data; boundary="b"', path="/v1/detect"):
    return await client.post(path, content=body, headers={"content-type": content_type})


async def test_a_wrong_field_is_named_with_the_right_one(client, photo):
    """Whoever reads it knows what to change."""
    response = await client.post("/v1/detect", files={"photo": ("p.jpg", photo)})
    detail = said(response, 400, "InvalidInput")
    assert "`image`" in detail
    assert "`photo`" in detail


async def test_a_missing_second_photo_is_named(client, photo):
    """Verifying takes two."""
    response = await client.post("/v1/verify", files={"source": ("p.jpg", photo)})
    assert "`source` and `target`" in said(response, 400, "InvalidInput")


async def test_an_unknown_field_is_refused(client, photo):
    """A threshold in the form, where nobody reads it, must not be ignored in silence."""
    response = await client.post("/v1/detect", files={"image": ("p.jpg", photo)}, data={"threshold": "99"})
    assert "`threshold`" in said(response, 400, "InvalidInput")


async def test_one_field_given_twice_is_refused(client, photo):
    """One photo a request."""
    response = await client.post("/v1/detect", files=[("image", ("a.jpg", photo)), ("image", ("b.jpg", photo))])
    said(response, 400, "InvalidInput")


async def test_a_form_without_fields_is_refused(client):
    """It is well-formed, and empty."""
    assert "without fields" in said(await post(client, b"--b--\r\n"), 400, "InvalidInput")


async def test_a_body_that_is_no_form_is_refused_with_an_example(client, photo):
    """The bare photo in the body is what people try first."""
    response = await post(client, photo, "image/jpeg")
    detail = said(response, 415, "UnsupportedMediaType")
    assert "curl -F image=@photo.jpg" in detail
    assert "image/jpeg" in detail


async def test_no_body_at_all_is_refused(client):
    """Not even a content type."""
    said(await client.post("/v1/detect"), 415, "UnsupportedMediaType")


async def test_a_form_without_its_boundary_is_refused(client):
    """RFC 2046 requires one."""
    said(await post(client, b"x", "multipart/form-data"), 415, "UnsupportedMediaType")


async def test_a_form_that_ends_in_the_middle_is_refused(client):
    """A photo cut short by the network must not be taken for a whole one."""
    body = b'--b\r\nContent-Disposition: form-data; name="image"; filename="p"\r\n\r\nhalf'
    assert "ends in the middle" in said(await post(client, body), 400, "InvalidInput")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"--b\r\n\r\n\r\n--b--",
        b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\n" + b"X" * 5000 + b": y\r\n\r\nx\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="\xff\x00"\r\n\r\nx\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n' * 50 + b"--b--\r\n",
    ],
    ids=["empty", "nonsense", "no headers", "no name", "long header", "name of bytes", "many fields"],
)
async def test_a_damaged_form_is_refused(client, body):
    """Whatever the bytes, the sender is told that the form is wrong."""
    said(await post(client, body), 400, "InvalidInput")


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(head=st.binary(max_size=80), rest=st.binary(max_size=80), cut=st.integers(0, 200))
@example(head=b"Content-Disposition: form-data; name=\"image\"; filename*=utf-8''%ff", rest=b"", cut=200)
@example(head=b'Content-Disposition: form-data; name="image"; filename="\\', rest=b"\r\n--b--", cut=200)
@example(head=b"Content-Disposition: ;;;===", rest=b"\r\n--b--", cut=200)
async def test_no_form_is_our_fault(client, head, rest, cut):
    """Whatever the bytes of a form, they are refused and nothing breaks."""
    body = (b"--b\r\n" + head + b"\r\n\r\n" + rest + b"\r\n--b--\r\n")[:cut]
    assert (await post(client, body)).status_code in (400, 422)


async def test_a_form_is_known_whatever_the_case_of_its_type(client, photo):
    """RFC 9110, 8.3.1: media types are compared without it; a photo is longer than what is no form may be."""
    body = b'--b\r\nContent-Disposition: form-data; name="image"; filename="p"\r\n\r\n' + photo + b"\r\n--b--\r\n"
    assert len(body) > 2**16
    assert (await post(client, body, "Multipart/Form-Data; boundary=b")).status_code == 200


async def test_a_boundary_of_any_length_is_survived(client):
    """RFC 2046 allows 70 characters."""
    said(await post(client, b"x", f"multipart/form-data; boundary={'b' * 5000}"), 400, "InvalidInput")


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xd8\xff"], ids=["empty", "text", "torn JPEG"])
async def test_what_is_no_photo_is_refused_before_it_is_stored(client, service, data):
    """422, and the store stays empty."""
    said(await client.post("/v1/detect", files={"image": ("p.jpg", data)}), 422, "InvalidImage")
    assert [key async for key in service.store.keys("")] == []


async def test_a_photo_of_too_many_bytes_is_refused_while_it_arrives(client):
    """The rest of it is not read."""
    sent = 0

    async def endless():
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="image"; filename="p"\r\n\r\n'
        while sent < 10_000_000:
            sent += 50_000
            yield b"x" * 50_000

    detail = said(await post(client, endless()), 413, "ImageTooLarge")
    assert "200,000" in detail
    assert sent <= 300_000


async def test_a_field_nobody_asked_for_cannot_fill_the_memory(client):
    """The limit of the whole body holds for what is thrown away, too."""
    sent = 0

    async def endless():
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="other"\r\n\r\n'
        while sent < 10_000_000:
            sent += 50_000
            yield b"x" * 50_000

    said(await post(client, endless()), 413, "ContentTooLarge")
    assert sent <= 1_000_000


async def test_a_body_that_says_it_is_too_long_is_not_read(client):
    """Content-Length alone is enough."""
    reads = 0

    async def body():
        nonlocal reads
        reads += 1
        yield b"x"

    headers = {"content-type": "multipart/form-data; boundary=b", "content-length": str(10**9)}
    said(await client.post("/v1/detect", content=body(), headers=headers), 413, "ContentTooLarge")


async def test_a_long_json_body_is_refused(client):
    """JSON here is never long."""
    said(await client.post("/v1/collections", json={"collection_id": "x" * 100_000}), 413, "ContentTooLarge")


@pytest.mark.parametrize(
    ("path", "kind", "begun"),
    [
        ("/v1/detect", "multipart/form-data; boundary=b", b"--b\r\n"),
        ("/v1/collections", "application/json", b'{"collection_id":'),
    ],
)
async def test_a_sender_that_stops_sending_is_let_go(path, kind, begun):
    """408 after the time for a request, so that idle senders do not pile up."""
    service = make_service(request_timeout_s=0.05)
    stopped = asyncio.Event()

    async def stalling():
        yield begun
        await stopped.wait()

    async with client_of(service) as client, asyncio.timeout(20):
        response = await client.post(path, content=stalling(), headers={"content-type": kind})
        said(response, 408, "RequestTimeout")


async def test_uploads_in_progress_are_bounded_together_and_free_their_room(client, photo):
    """What one photo took is there for the next one."""
    room = client._transport.app.state.room
    object.__setattr__(room, "uploads", Uploads(max_image_bytes=200_000, max_bytes=len(photo) + 500))
    for _ in range(3):
        assert (await client.post("/v1/detect", files={"image": ("p.jpg", photo)})).status_code == 200
    response = await client.post("/v1/verify", files={"source": ("p.jpg", photo), "target": ("q.jpg", photo)})
    said(response, 503, "Overloaded")
    assert (await client.post("/v1/detect", files={"image": ("p.jpg", photo)})).status_code == 200
