"""What is refused at the door, and what every answer carries."""

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stand_in import client_of, make_service, said

from facefleet.web import page

URL = "/v1/collections"
NEW = {"collection_id": "x"}


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "null"},
        {"origin": "http://["},
        {"origin": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_a_page_of_another_origin_may_change_nothing(client, service, headers):
    """A form on a foreign page must not enrol, delete or purge."""
    said(await client.post(URL, json=NEW, headers=headers), 403, "Forbidden")
    assert (await client.get("/v1/collections/x")).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://127.0.0.1:8000"},
        {"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-origin"},
        {"origin": "https://faces.example", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
    ],
)
async def test_our_own_page_and_programs_may(client, headers):
    """Programs send no such headers; browsers say that the page is ours, also behind a proxy that sets `Host`."""
    assert (await client.post(URL, json=NEW, headers=headers)).status_code == 201


async def test_the_foreign_form_gets_its_refusal_in_words(client, photo):
    """On `/`, as text."""
    response = await client.post("/", files={"myfile": ("p", photo)}, headers={"origin": "https://evil.example"})
    assert response.status_code == 403
    assert response.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "me.localhost", "10.0.0.7", ""])
async def test_a_service_on_this_machine_answers_to_its_addresses(service, host):
    """None of which anybody else could have pointed here."""
    async with client_of(service) as client:
        assert (await client.get("/healthz", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "user@evil.example",
        "[::1",
        "[",
        "2130706433",
        ":8000",
    ],
)
async def test_a_service_on_this_machine_answers_to_no_other_name(service, host):
    """DNS rebinding: a page whose own name points to 127.0.0.1 must not read faces."""
    async with client_of(service) as client:
        said(await client.get("/v1/collections", headers={"host": host}), 403, "Forbidden")


async def test_a_service_on_the_network_answers_to_any_name():
    """It cannot know all its names; a proxy in front does."""
    async with client_of(make_service(host="0.0.0.0"), host="faces.example") as client:
        assert (await client.get("/healthz")).status_code == 200


async def test_answers_are_neither_guessed_at_nor_kept(client):
    """No sniffing, and faces in no cache."""
    headers = (await client.get("/v1/collections")).headers
    assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_pages_load_nothing_from_elsewhere_and_run_no_inline_script(client, path):
    """And every file they name is there."""
    shown = await client.get(path)
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    policy = shown.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "://" not in shown.text
    for name in [part.split('"')[0] for tag in ('src="', 'href="') for part in shown.text.split(tag)[1:]]:
        assert (await client.get(name)).status_code == 200, name


async def test_no_page_comes_without_its_policy(client):
    """Framed by a foreign page, clicks meant for that one would enrol and delete here."""
    for file in (Path(page.__file__).parent / "static").iterdir():
        response = await client.get(f"/static/{file.name}")
        assert response.status_code == 200
        assert not response.headers["content-type"].startswith("text/html"), file.name


async def test_the_interface_is_described_with_its_answers_and_errors(client):
    """`/openapi.json` has the form fields, the answer and the problem of each recognition."""
    described = (await client.get("/openapi.json")).json()
    identify = described["paths"]["/v1/identify"]["post"]
    assert "image" in identify["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert identify["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/IdentifyAnswer")
    assert "application/problem+json" in identify["responses"]["default"]["content"]


async def test_what_is_not_there_and_what_is_not_taken_are_problems(client):
    """404 and 405 as well; 405 says what is taken."""
    said(await client.get("/v2/identify"), 404, "NotFound")
    response = await client.get("/v1/identify")
    said(response, 405, "MethodNotAllowed")
    assert response.headers["allow"] == "POST"


REQUESTS = [
    ("GET", "/v1/collections/{}"),
    ("DELETE", "/v1/collections/{}"),
    ("GET", "/v1/collections/{}/faces"),
    ("GET", "/v1/collections/default/faces/{}"),
    ("GET", "/v1/collections/default/faces/{}/crop"),
    ("DELETE", "/v1/collections/default/persons/{}"),
    ("GET", "/v1/collections?after={}"),
    ("GET", "/v1/collections/default/faces?person={}"),
    ("GET", "/v1/collections/default/faces?after={}"),
    ("GET", "/v1/collections/default/persons?after={}"),
    ("GET", "/v1/collections/default/persons?limit={}"),
    ("GET", "/v1/jobs/{}"),
    ("GET", "/v1/jobs/00000000-0000-0000-0000-000000000000?wait_s={}"),
    ("GET", "/v1/fleet/decisions?limit={}"),
    ("DELETE", "/v1/queue?confirm={}"),
    ("DELETE", "/v1/objects/{}"),
    ("POST", "/v1/identify?threshold={}"),
    ("POST", "/v1/identify?collection={}"),
    ("POST", "/v1/jobs?kind=enrol&person={}"),
    ("POST", "/v1/collections/{}/faces?person=x"),
]
HOSTILE = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["nan", "inf", "-1", "1e999", "%00", "..", "../..", "%2e%2e", "null", "'--", "😀", "\ud800", "%ff"]
    ),
    st.integers().map(str),
    st.floats().map(str),
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(request=st.sampled_from(REQUESTS), value=HOSTILE, form=st.binary(max_size=200))
async def test_no_input_is_our_fault(client, request, value, form):
    """Whatever is asked, the answer is not 500, and an error is a problem document (or text, on `/`)."""
    method, template = request
    url = template.format(quote(value, safe="%", errors="replace"))
    files = {"image": ("p", form)} if method == "POST" else None
    response = await client.request(method, url, files=files)
    assert response.status_code < 500, (url, response.text)
    if response.status_code >= 400 and url != "/":
        assert response.headers["content-type"] == "application/problem+json"
