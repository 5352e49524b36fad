"""Collections and what they hold."""

import uuid

import pytest
from stand_in import MODEL, said

from facefleet.core.answers import EnrolAnswer


async def enrol(client, photo, person="Eileen", collection="default", salt=b""):
    url = f"/v1/collections/{collection}/faces"
    return await client.post(url, params={"person": person}, files={"image": ("p.jpg", photo + salt)})


async def every(client, url, **query):
    """Return all items of a listing, read in pages of two."""
    items, after = [], {}
    while True:
        page = (await client.get(url, params={"limit": 2, **query, **after})).json()
        assert len(page["items"]) <= 2
        items += page["items"]
        if page["next_after"] is None:
            return items
        after = {"after": page["next_after"]}


async def test_a_collection_is_made_read_and_deleted(client):
    """201 with its place, 200, 204, and then 404."""
    made = await client.post("/v1/collections", json={"collection_id": "staff", "tags": {"site": "Köln"}})
    assert made.status_code == 201
    place = made.headers["location"]
    assert place == "/v1/collections/staff"
    assert made.json()["created"].endswith("Z")
    expected = {"collection_id": "staff", "model_id": MODEL, "faces": 0, "persons": 0, "tags": {"site": "Köln"}}
    assert expected.items() <= made.json().items()
    assert (await client.get(place)).json() == made.json()
    assert (await client.delete(place)).status_code == 204
    assert "staff" in said(await client.get(place), 404, "NotFound")


async def test_a_name_that_is_taken_is_refused(client):
    """409."""
    said(await client.post("/v1/collections", json={"collection_id": "default"}), 409, "AlreadyExists")


@pytest.mark.parametrize("name", ["", "with space", "a/b", "ü", "x" * 256, ".", "..", "a\n", None, 7])
async def test_a_name_against_the_rule_is_refused(client, name):
    """Rekognition's rule, and no name that a URL cannot hold."""
    response = await client.post("/v1/collections", json={"collection_id": name})
    assert "collection_id" in said(response, 422, "InvalidRequest")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"collection_id":"a","tag":{}}', b'{"collection_id":"a","tags":{"k":"\\u0000"}}']
)
async def test_a_json_body_that_is_not_as_it_should_be_is_refused(client, body):
    """Whatever is wrong with it."""
    headers = {"content-type": "application/json"}
    detail = said(await client.post("/v1/collections", content=body, headers=headers), 422, "InvalidRequest")
    assert "JSON decode" not in detail


async def test_collections_are_listed_in_pages(client):
    """Ordered by name, continued by the last one seen."""
    for name in ("b", "a", "c"):
        await client.post("/v1/collections", json={"collection_id": name})
    assert [one["collection_id"] for one in await every(client, "/v1/collections")] == ["a", "b", "c", "default"]


async def test_a_listing_goes_on_after_a_collection_that_no_url_can_name(client, service):
    """Earlier versions let Rekognition's clients make some; the others must still be found."""
    for name in (".", ".."):
        await service.gallery.create_collection(name, model_id=MODEL, tags={})
    page = (await client.get("/v1/collections?limit=2")).json()
    assert page["next_after"] == ".."
    rest = (await client.get("/v1/collections", params={"after": ".."})).json()
    assert [one["collection_id"] for one in rest["items"]] == ["default"]


async def test_a_face_is_enrolled_once_per_photo(client, photo):
    """201 for a new one, 200 if that photo was enrolled before."""
    first, again = await enrol(client, photo), await enrol(client, photo)
    assert (first.status_code, again.status_code) == (201, 200)
    faces = [EnrolAnswer.model_validate_json(response.content).faces[0] for response in (first, again)]
    assert faces[0].face_id == faces[1].face_id
    assert (await client.get("/v1/collections/default")).json()["faces"] == 1


async def test_a_face_needs_a_name(client, photo):
    """Forgetting `person` must not enrol a nameless face."""
    response = await client.post("/v1/collections/default/faces", files={"image": ("p.jpg", photo)})
    assert "person is missing" in said(response, 422, "InvalidRequest")


@pytest.mark.parametrize(
    ("given", "kept"),
    [("  Eileen Collins \t", "Eileen Collins"), ("Jose\u0301", "José"), ("李小龍", "李小龍"), ("a/b: c?", "a/b: c?")],
)
async def test_names_are_kept_trimmed_and_composed(client, photo, given, kept):
    """The same name typed on another system is the same person."""
    await enrol(client, photo, person=given)
    (person,) = (await client.get("/v1/collections/default/persons")).json()["items"]
    assert (person["person"], person["faces"]) == (kept, 1)


@pytest.mark.parametrize("name", ["", "   ", "two\nlines", "nul\x00", "x" * 256, "\u2028", "Ada\u202ebob", "\u2066Ada"])
async def test_names_that_cannot_be_printed_on_a_line_are_refused(client, photo, name):
    """They would break logs, files and the course's contract, or be read as another name."""
    assert "person" in said(await enrol(client, photo, person=name), 422, "InvalidRequest")


@pytest.mark.parametrize("name", [".", "..", "../..", "a/..", "./a", "/", "a//b"])
async def test_no_person_is_called_what_a_url_takes_for_another_place(client, photo, name):
    """To delete the person `..` would be to delete their collection; one of that name is neither made nor deleted."""
    assert "person" in said(await enrol(client, photo, person=name), 422, "InvalidRequest")
    path = "/v1/collections/default/persons/" + name.replace("/", "%2F").replace(".", "%2E")
    said(await client.delete(path), 422, "InvalidRequest")


async def test_a_listing_goes_on_after_a_person_whom_only_rekognition_could_name(client):
    """There a user could be called `..` once; a listing whose page ends with them has a next page."""
    assert (await client.get("/v1/collections/default/persons", params={"after": ".."})).status_code == 200


async def test_enrolling_into_an_unknown_collection_names_it(client, photo, worker):
    """404."""
    await client.delete("/v1/collections/default")
    assert "default" in said(await enrol(client, photo), 404, "NotFound")


async def test_faces_are_listed_read_and_deleted_with_their_crops(client, photo, service):
    """By person if asked; a crop is a PNG; what is deleted is gone."""
    for n, person in enumerate(("Ada", "Bob", "Ada")):
        assert (await enrol(client, photo, person, salt=bytes([n]))).status_code == 201
    url = "/v1/collections/default/faces"
    assert len(await every(client, url)) == 3
    adas = await every(client, url, person="Ada")
    assert [face["person"] for face in adas] == ["Ada", "Ada"]
    face = adas[0]
    assert (await client.get(f"{url}/{face['face_id']}")).json() == face
    crop = await client.get(face["crop"])
    assert (crop.headers["content-type"], crop.content[:4]) == ("image/png", b"\x89PNG")
    assert (await client.delete(f"{url}/{face['face_id']}")).status_code == 204
    for gone in (f"{url}/{face['face_id']}", face["crop"]):
        said(await client.get(gone), 404, "NotFound")
    said(await client.delete(f"{url}/{face['face_id']}"), 404, "NotFound")
    assert len([key async for key in service.store.keys("crops/")]) == 2


async def test_a_template_is_never_shown(client, photo):
    """It is biometric, and of no use to anyone outside."""
    await enrol(client, photo)
    assert "template" not in (await client.get("/v1/collections/default/faces")).text


async def test_a_person_is_deleted_with_all_faces(client, photo):
    """Also one whose name has a slash in it."""
    for n in range(2):
        await enrol(client, photo, "Anne/Marie", salt=bytes([n]))
    response = await client.delete("/v1/collections/default/persons/Anne%2FMarie")
    assert (response.status_code, response.json()) == (200, {"deleted": 2})
    assert (await client.get("/v1/collections/default/faces")).json()["items"] == []
    said(await client.delete("/v1/collections/default/persons/Anne%2FMarie"), 404, "NotFound")


@pytest.mark.parametrize("path", ["", "/faces", "/persons", f"/faces/{uuid.uuid4()}", f"/faces/{uuid.uuid4()}/crop"])
async def test_whatever_is_asked_of_an_unknown_collection_names_it(client, path):
    """404 everywhere."""
    assert "nobodys" in said(await client.get(f"/v1/collections/nobodys{path}"), 404, "NotFound")


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "after=no-uuid", "page=2"])
async def test_a_listing_says_which_parameter_is_wrong(client, query):
    """Those that it does not know, too."""
    detail = said(await client.get(f"/v1/collections/default/faces?{query}"), 422, "InvalidRequest")
    assert query.split("=")[0] in detail
