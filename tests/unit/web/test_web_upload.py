"""The course's contract: a photo in a form, the bare label back."""

import httpx
import pytest
from stand_in import client_of, make_service, working

from facefleet.adapters.objects import Objects
from facefleet.core.jobs import Identify, Job
from facefleet.errors import NoFace
from facefleet.usecases.filing import file_by_name
from facefleet.web.upload import stem


async def test_myfile_gives_the_bare_label(client, photo):
    """As the load generators of 2021-22 read it."""
    response = await client.post("/", files={"myfile": ("test_00.jpg", photo)})
    assert (response.status_code, response.text) == (200, "Eileen")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


async def test_input_file_gives_stem_and_label(client, photo):
    """As the load generators of 2024 on split it."""
    response = await client.post("/", files={"inputFile": ("test_00.jpg", photo)})
    assert response.text == "test_00:Eileen"


async def test_nobody_is_called_unknown(client, worker, photo):
    """Not everybody is enrolled."""
    worker.person = None
    assert (await client.post("/", files={"myfile": ("p.jpg", photo)})).text == "unknown"


async def test_a_photo_without_a_face_says_so(client, worker, photo):
    """An empty label would be taken for a name."""
    worker.faces = 0
    assert (await client.post("/", files={"myfile": ("p.jpg", photo)})).text == "no face"


async def test_only_the_largest_face_is_searched_for(client, worker, photo):
    """The label is one person's."""
    await client.post("/", files={"myfile": ("p.jpg", photo)})
    assert worker.seen[0].task.largest_only


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("test_00.jpg", "test_00"),
        ("my holiday photo.jpg", "my holiday photo"),
        ("archive.tar.gz", "archive.tar"),
        ("noextension", "noextension"),
        (".jpg", ".jpg"),
        ("a:b:c.jpg", "a_b_c"),
        ("/etc/passwd.png", "passwd"),
        ("..\\..\\windows\\me.jpg", "me"),
        ("Jürgen Müller.jpg", "Jürgen Müller"),
        ("李小龍.jpg", "李小龍"),
        ("two\r\nX-Evil: 1.jpg", "twoX-Evil_ 1"),
        ("line\u2028separator.jpg", "lineseparator"),
        ("nul\x00byte.jpg", "nulbyte"),
        ("gpj\u202egnp.jpg", "gpjgnp"),
        ("", "photo"),
        ("/", "photo"),
        ("..", "photo"),
        (":", "_"),
    ],
)
def test_the_stem_of_any_file_name_fits_between_line_and_colon(filename, expected):
    """Clients split the answer at its one colon."""
    assert stem(filename) == expected


async def kept(store):
    keys = [key for prefix in ("inputs/", "outputs/") async for key in store.keys(prefix)]
    return {key: await store.get(key) for key in keys}


async def test_photo_and_label_are_called_by_the_file_name_if_so_set(photo):
    """Input key = file name, output key = stem, value = label; a second photo of that name gets its own answer."""
    service = make_service(key_naming="filename")
    async with working(service) as worker, client_of(service) as client:
        await client.post("/", files={"inputFile": ("../test_00.jpg", photo)})
        assert await kept(service.store) == {"inputs/test_00.jpg": photo, "outputs/test_00": b"Eileen"}
        worker.person = "Buzz"
        other = photo + b"\x00"
        assert (await client.post("/", files={"inputFile": ("test_00.jpg", other)})).text == "test_00:Buzz"
        assert await kept(service.store) == {"inputs/test_00.jpg": other, "outputs/test_00": b"Buzz"}


async def test_a_name_that_a_folder_cannot_have_is_changed_a_little(photo, tmp_path):
    """`photo#1` is there what is not yet a whole `photo`: the label was not kept, and the client told to try again."""
    store = Objects(tmp_path.as_uri())
    job = Job(job_id="j", task=Identify(image="inputs/j", collection="default"), created_s=0.0)
    await store.put("inputs/j", photo)
    await file_by_name(store, job, stem="photo#1", suffix=".jpg", label="Eileen")
    assert await kept(store) == {"inputs/photo#1.jpg": photo, "outputs/photo_1": b"Eileen"}


async def test_nothing_is_called_by_the_file_name_if_nothing_is_kept(photo):
    """Retention 0 keeps no photo under any name."""
    service = make_service(key_naming="filename", retention_days=0)
    async with working(service), client_of(service) as client:
        await client.post("/", files={"inputFile": ("test_00.jpg", photo)})
        assert await kept(service.store) == {}


async def test_a_person_with_a_colon_does_not_break_the_split(client, worker, photo):
    """Names are free text."""
    worker.person = "Dr: No"
    response = await client.post("/", files={"inputFile": ("p.jpg", photo)})
    assert response.text.split(":") == ["p", "Dr_ No"]


async def test_a_file_name_of_bytes_that_are_no_text_is_survived(client, photo):
    """Browsers of 2003 send Latin-1."""
    body = (
        b'--b\r\nContent-Disposition: form-data; name="inputFile"; filename="M\xfcller.jpg"\r\n\r\n'
        + photo
        + b"\r\n--b--\r\n"
    )
    response = await client.post("/", content=body, headers={"content-type": "multipart/form-data; boundary=b"})
    assert response.text == "M\ufffdller:Eileen"


def is_one_sentence(response: httpx.Response) -> bool:
    return (
        response.headers["content-type"] == "text/plain; charset=utf-8"
        and response.text.strip().count("\n") == 0
        and response.text.strip() != ""
    )


async def test_errors_are_one_sentence_and_never_200(client, worker, photo):
    """A 200 with an error in it would be counted as an answer."""
    worker.error = NoFace("Nobody.")
    wrong = [
        await client.post("/", files={"photo": ("p.jpg", photo)}),
        await client.post("/", files={"myfile": ("p.jpg", photo), "inputFile": ("p.jpg", photo)}),
        await client.post("/", files={"myfile": ("p.jpg", b"no photo")}),
        await client.post("/", files={"myfile": ("p.jpg", b"")}),
        await client.post("/", files={"myfile": ("p.jpg", b"\xff" * 300_000)}),
        await client.post("/", files={"myfile": ("p.jpg", photo)}),
        await client.post("/", data={"myfile": "p.jpg"}),
        await client.post("/"),
        await client.put("/"),
    ]
    assert [response.status_code for response in wrong] == [400, 400, 422, 422, 413, 422, 415, 415, 405]
    assert all(is_one_sentence(response) for response in wrong)


async def test_the_wrong_field_is_named_with_the_right_ones(client, photo):
    """Whoever reads it knows what to change."""
    text = (await client.post("/", files={"photo": ("p.jpg", photo)})).text
    assert all(name in text for name in ("`myfile`", "`inputFile`", "`photo`"))


async def test_who_sends_no_form_is_told_to_send_one_field(client):
    """Both at once would be refused."""
    text = (await client.post("/", content=b"photo")).text
    assert "`myfile` or `inputFile`" in text
    assert text.count("-F ") == 1


async def test_a_bug_is_one_sentence_too(photo):
    """A service without a default collection's worker, made to fail inside."""
    service = make_service()
    object.__setattr__(service, "intake", None)
    async with client_of(service) as client:
        response = await client.post("/", files={"myfile": ("p.jpg", photo)})
    assert response.status_code == 500
    assert is_one_sentence(response)
