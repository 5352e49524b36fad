"""The main job, as a user sees it: a photo in, names out."""

import json

import pytest

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def client(program):
    with program.client() as client:
        yield client


@pytest.fixture(scope="module")
def enrolled(client, astronaut):
    answer = client.post(
        "/v1/collections/default/faces", params={"person": "Eileen Collins"}, files={"image": astronaut}
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_photo_of_an_enrolled_person_is_named(client, enrolled, astronaut_again):
    """Another photo of the same person, a mirrored and darker one, gets the name with a high similarity."""
    answer = client.post("/v1/identify", files={"image": astronaut_again}).json()
    assert [face["person"] for face in answer["faces"]] == ["Eileen Collins"]
    (candidate, *_) = answer["faces"][0]["candidates"]
    assert candidate["face_id"] == enrolled["faces"][0]["face_id"]
    assert 90 <= candidate["similarity"] <= 100


def test_an_answer_says_where_the_face_is_and_where_the_time_went(client, enrolled, astronaut):
    """Box in pixels of the photo, and milliseconds by stage that add up to no more than the total."""
    answer = client.post("/v1/identify", files={"image": astronaut}).json()
    box, took_ms = answer["faces"][0]["box"], answer["took_ms"]
    assert answer["image"] == {"width": 512, "height": 512}
    assert 150 < box["left"] < box["left"] + box["width"] < 300
    assert 30 < box["top"] < box["top"] + box["height"] < 220
    stages = [took_ms[stage] for stage in ("queue", "decode", "detect", "embed", "search")]
    assert all(stage >= 0 for stage in stages)
    assert 0 < sum(stages) <= took_ms["total"] + 0.1


def test_the_same_photo_is_enrolled_once(client, enrolled, astronaut):
    """Enrolling again answers 200 with the face that is there."""
    answer = client.post(
        "/v1/collections/default/faces", params={"person": "Eileen Collins"}, files={"image": astronaut}
    )
    assert answer.status_code == 200
    assert answer.json()["faces"][0]["face_id"] == enrolled["faces"][0]["face_id"]
    assert len(client.get("/v1/collections/default/faces").json()["items"]) == 1


def test_two_photos_of_one_person_are_the_same(client, astronaut, astronaut_again):
    """Verification needs no collection."""
    answer = client.post("/v1/verify", files={"source": astronaut, "target": astronaut_again}).json()
    assert answer["same"] is True
    assert answer["similarity"] >= 90


def test_a_photo_without_a_face_is_an_answer_not_an_error(client, nobody):
    """Detection and identification answer with an empty list."""
    assert client.post("/v1/detect", files={"image": nobody}).json()["faces"] == []
    assert client.post("/v1/identify", files={"image": nobody}).json()["faces"] == []


@pytest.mark.parametrize(
    ("field", "photo", "label"),
    [
        ("myfile", "astronaut", "Eileen Collins"),
        ("inputFile", "astronaut", "test_00.a:Eileen Collins"),
        ("myfile", "nobody", "no face"),
        ("inputFile", "nobody", "test_00.a:no face"),
    ],
)
def test_the_course_clients_get_their_plain_text(client, enrolled, request, field, photo, label):
    """Field `myfile` answers the bare label, `inputFile` the stem and the label."""
    answer = client.post("/", files={field: ("test_00.a.jpg", request.getfixturevalue(photo), "image/jpeg")})
    assert (answer.status_code, answer.text) == (200, label)
    assert answer.headers["content-type"].startswith("text/plain")


def test_a_stranger_is_unknown(client, enrolled, shared):
    """Nobody gets the nearest name just because it is the nearest."""
    stranger = (shared / "lfw_dev" / "Aaron_Guiel").glob("*.jpg")
    answer = client.post("/", files={"myfile": next(stranger).read_bytes()})
    assert (answer.status_code, answer.text) == (200, "unknown")


def test_a_job_is_answered_later(client, enrolled, astronaut):
    """202 with a Location; waiting there gives the same document as asking directly."""
    accepted = client.post("/v1/jobs", params={"kind": "identify"}, files={"image": astronaut})
    assert accepted.status_code == 202
    job = client.get(accepted.headers["location"], params={"wait_s": 60}).json()
    assert job["state"] == "done"
    assert job["answer"]["faces"][0]["person"] == "Eileen Collins"


def test_the_stored_crop_of_a_face_is_a_picture(client, enrolled):
    """150 x 150, the aligned face."""
    face_id = enrolled["faces"][0]["face_id"]
    crop = client.get(f"/v1/collections/default/faces/{face_id}/crop")
    assert crop.headers["content-type"] == "image/png"
    assert crop.content.startswith(b"\x89PNG")


def test_a_deleted_face_leaves_no_trace(client, astronaut, program):
    """Row, crop and recognition are gone."""
    client.post("/v1/collections", json={"collection_id": "passing"})
    enrolled = client.post("/v1/collections/passing/faces", params={"person": "E"}, files={"image": astronaut}).json()
    face_id = enrolled["faces"][0]["face_id"]
    assert list(program.data.glob(f"store/crops/passing/{face_id}*"))
    assert client.delete(f"/v1/collections/passing/faces/{face_id}").is_success
    assert not list(program.data.glob(f"store/crops/passing/{face_id}*"))
    answer = client.post("/v1/identify", params={"collection": "passing"}, files={"image": astronaut}).json()
    assert answer["faces"][0]["candidates"] == []


def test_photo_and_answer_are_kept_under_the_job_id(client, astronaut, program):
    """With the default retention both can be looked up later; the client does not wait for its answer to be stored."""
    job_id = client.post("/v1/detect", files={"image": astronaut}).json()["job_id"]
    assert (program.data / "store" / "inputs" / job_id).read_bytes() == astronaut
    output = program.data / "store" / "outputs" / f"{job_id}.json"
    program.wait_until(output.exists, "the answer in the store")
    assert json.loads(output.read_bytes())["faces"]
