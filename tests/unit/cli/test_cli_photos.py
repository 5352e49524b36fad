"""`facefleet identify`, `verify`, `detect`, `collections`, `persons` and `status` against the web room."""

import contextlib
import csv
import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from PIL import Image
from squares import BLACK, BLUE, GREEN, RED, photo

from facefleet.cli.drawing import Drawing

TOO_LONG = "a" * 300 + ".jpg"


@pytest.fixture
def album(stand_in, tmp_path):
    """Ada is red and Łukasz green; both are enrolled in the collection `staff`."""
    files = {
        "ada.png": photo(RED),
        "lukasz.png": photo(GREEN),
        "both.png": photo(BLUE, RED, BLACK, GREEN),
        "wall.png": photo(BLACK, BLACK),
        "broken.jpg": b"no photo",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    with httpx.Client(base_url=stand_in.url) as http:
        http.post("/v1/collections", json={"collection_id": "staff"}).raise_for_status()
        for person, name in (("Ada", "ada.png"), ("Łukasz", "lukasz.png")):
            image = {"image": files[name]}
            http.post("/v1/collections/staff/faces", params={"person": person}, files=image).raise_for_status()
    return tmp_path


def table(text):
    return list(csv.DictReader(io.StringIO(text), delimiter="\t"))


def test_identify_names_each_face_in_a_table(service, album):
    """A row a face: who, how sure, where; strangers are unknown."""
    ran = service("identify", "both.png", "-c", "staff")
    assert ran.returncode == 0
    rows = table(ran.stdout)
    assert [(row["photo"], row["face"], row["person"]) for row in rows] == [
        ("both.png", "1", "unknown"),
        ("both.png", "2", "Ada"),
        ("both.png", "3", "Łukasz"),
    ]
    assert rows[1]["similarity"] == "100.0"
    assert rows[1]["others"] == "Łukasz 0.0"
    assert rows[1]["box"] == "80x80+80+0"
    assert rows[0]["similarity"] == ""


def everything_of(terminal):
    """Read what was written to a terminal that nobody writes to any more; it may come in parts."""
    parts = []
    with contextlib.suppress(OSError):  # the end, on Linux
        while part := os.read(terminal, 10_000):
            parts.append(part)
    return b"".join(parts).decode()


@pytest.mark.parametrize("command", [["status"], ["status", "--json"], ["detect", "both.png"]])
def test_where_stdout_is_closed_nothing_is_printed(stand_in, album, command):
    """`facefleet status >&-` is for its exit status."""
    words = [sys.executable, "-m", "facefleet", *command, "--url", stand_in.url]
    closed = ["sh", "-c", 'exec "$@" >&-', "sh", *words]
    ran = subprocess.run(closed, cwd=album, stderr=subprocess.PIPE, text=True, check=False, timeout=150)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_on_a_terminal_the_table_is_for_people(stand_in, album):
    """Lines are drawn, names in brackets are no markup, and no name can send commands to the terminal."""
    name = "[red]\x1b[2J.png"
    (album / name).write_bytes(photo(RED))
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "facefleet", "identify", name, "-c", "staff", "--url", stand_in.url]
    subprocess.run(command, cwd=album, stdout=theirs, env=os.environ | {"COLUMNS": "100"}, check=True, timeout=150)
    os.close(theirs)
    shown = everything_of(ours)
    os.close(ours)
    assert "───" in shown
    assert "[red]\N{REPLACEMENT CHARACTER}[2J.png" in shown
    assert "Ada" in shown


def test_the_threshold_decides_who_is_named(service, tmp_path, album):
    """What is alike but not alike enough is unknown, with the nearest person beside it."""
    (tmp_path / "reddish.png").write_bytes(photo((200, 60, 0)))
    loose = table(service("identify", "reddish.png", "-c", "staff", "--threshold", "50").stdout)
    strict = table(service("identify", "reddish.png", "-c", "staff", "--threshold", "99").stdout)
    assert loose[0]["person"] == "Ada"
    assert strict[0]["person"] == "unknown"
    assert strict[0]["others"].startswith("Ada ")


def test_one_bad_photo_does_not_stop_the_others(service, album):
    """Every photo gets its row or its reason, in order, and the status says that something was refused."""
    ran = service("identify", "ada.png", "broken.jpg", "missing.png", "wall.png", "lukasz.png", "-c", "staff")
    assert ran.returncode == 1
    assert [row["person"] for row in table(ran.stdout)] == ["Ada", "no face", "Łukasz"]
    broken, missing = ran.stderr.strip().splitlines()
    assert broken.startswith("facefleet: broken.jpg: This is not a photo")
    assert missing.startswith("facefleet: missing.png: The file cannot be read")


def test_json_is_a_document_a_line_in_order(service, album):
    """What the service answered and which photo it is about; a refused photo has an error instead."""
    ran = service("identify", "ada.png", "broken.jpg", "wall.png", "-c", "staff", "--json")
    ada, broken, wall = map(json.loads, ran.stdout.splitlines())
    assert ran.returncode == 1
    assert ada["photo"] == "ada.png"
    assert ada["faces"][0]["person"] == "Ada"
    assert ada["image"] == {"width": 80, "height": 80}
    assert (broken["photo"], broken["error"]["code"]) == ("broken.jpg", "InvalidImage")
    assert wall["faces"] == []


@pytest.mark.parametrize("arguments", [["identify", "both.png", "-c", "staff"], ["detect", "both.png"]])
def test_a_photo_is_drawn_at_its_own_size(service, album, arguments):
    """`--draw` writes a picture that any program reads, with the marks on it."""
    ran = service(*arguments, "--draw", "out/named.jpg")
    assert ran.returncode == 0
    with Image.open(album / "out/named.jpg") as drawn:
        assert drawn.format == "JPEG"
        assert drawn.size == (320, 80)
        assert len(drawn.getcolors(10**6)) > 100  # the photo itself has four


def test_several_photos_are_drawn_into_a_folder(service, album):
    """Photos of the same name from two places do not overwrite each other; the refused one is left out."""
    (album / "b").mkdir()
    (album / "b" / "ada.webp").write_bytes(photo(RED, kind="WEBP"))
    ran = service("detect", "ada.png", "b/ada.webp", "broken.jpg", "--draw", "drawn")
    assert ran.returncode == 1
    assert sorted(file.name for file in (album / "drawn").iterdir()) == ["ada-2.jpg", "ada.jpg"]


def test_each_of_thousands_of_photos_has_a_drawing_of_its_own(tmp_path):
    """Everybody has a 1.jpg, and one a 1-2.jpg: names differ, and are found long before the tests' time limit."""
    photos = [Path(f"{person}/1.jpg") for person in range(5000)] + [Path("a/1-2.jpg"), Path("a/1-2-2.jpg")]
    outputs = Drawing.plan(tmp_path, photos).outputs
    assert len(set(outputs.values())) == len(outputs) == 5002
    assert outputs[photos[1]] == tmp_path / "1-2.jpg"


@pytest.mark.parametrize(
    ("photos", "out"),
    [(["ada.png"], "ada.png"), (["ada.png"], "ada.txt"), (["ada.png"], "ada"), (["ada.png", "both.png"], "broken.jpg")],
)
def test_a_drawing_that_cannot_be_is_refused_before_anything_is_sent(service, stand_in, album, photos, out):
    """No photo is overwritten by its own drawing, and an unknown format is no surprise at the end."""
    before = stand_in.answered
    ran = service("detect", *photos, "--draw", out)
    assert ran.returncode == 2
    assert "--draw" in ran.stderr
    assert stand_in.answered == before
    assert (album / "ada.png").read_bytes() == photo(RED)


def test_a_photo_is_not_overwritten_under_another_name(service, album):
    """A hard link is the same file."""
    (album / "same.png").hardlink_to(album / "ada.png")
    for photos in (["detect", "ada.png"], ["verify", "ada.png", "both.png"]):
        ran = service(*photos, "--draw", "same.png")
        assert ran.returncode == 2
        assert "would overwrite the photo same.png" in ran.stderr
    assert (album / "ada.png").read_bytes() == photo(RED)


def test_a_picture_that_its_format_cannot_hold_is_named_and_stops_no_other(service, album):
    """JPEG ends at 65,500 pixels a side, WebP at 16,383."""
    (album / "long.png").write_bytes(photo(RED, *[BLACK] * 4_100, side_px=16))
    ran = service("detect", "long.png", "ada.png", "--draw", "drawn")
    assert ran.returncode == 1
    assert ran.stderr.startswith("facefleet: long.png: ")
    assert [row["photo"] for row in table(ran.stdout)] == ["long.png", "ada.png"]
    assert [file.name for file in (album / "drawn").iterdir()] == ["ada.jpg"]
    ran = service("verify", "ada.png", "long.png", "--draw", "found.webp")
    assert ran.stderr.startswith("facefleet: long.png: ")


@pytest.mark.parametrize("arguments", [["identify", "-c", "staff"], ["verify", "ada.png"]])
def test_a_photo_from_a_pipe_is_drawn(service, album, arguments):
    """`identify <(convert …) --draw out.png`: what is read once is there no second time."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as pipe:
        pipe.write((album / "ada.png").read_bytes())
    ran = service(*arguments, f"/dev/fd/{reader}", "--draw", "out.png", pass_fds=[reader])
    os.close(reader)
    assert ran.returncode == 0, ran.stderr
    with Image.open(album / "out.png") as drawn:
        assert drawn.size == (80, 80)


def test_detect_finds_without_naming(service, album):
    """A row a face with box and confidence; no collection is needed."""
    rows = table(service("detect", "both.png", "wall.png").stdout)
    assert [(row["face"], row["box"]) for row in rows] == [
        ("1", "80x80+0+0"),
        ("2", "80x80+80+0"),
        ("3", "80x80+240+0"),
        ("0", "no face"),
    ]


@pytest.mark.parametrize(("other", "verdict"), [("both.png", "the same person"), ("lukasz.png", "not the same person")])
def test_verify_says_whether_two_photos_show_one_person(service, album, other, verdict):
    """A sentence for people, a document for programs; the verdict is no error, so the status is 0."""
    ran = service("verify", "ada.png", other)
    assert ran.returncode == 0
    assert ran.stdout.startswith(f"{verdict}: similarity ")
    document = json.loads(service("verify", "ada.png", other, "--json").stdout)
    assert document["same"] is (verdict == "the same person")
    assert document["target_photo"] == other


def test_verify_draws_the_target(service, album):
    """The faces of the second photo, the one that matches in its own colour."""
    service("verify", "ada.png", "both.png", "--draw", "found.png")
    with Image.open(album / "found.png") as drawn:
        assert drawn.size == (320, 80)


@pytest.mark.parametrize(("source", "status"), [("wall.png", 1), ("broken.jpg", 1), ("missing.jpg", 1)])
def test_verify_without_a_face_says_why(service, album, source, status):
    """One sentence, no verdict."""
    ran = service("verify", source, "ada.png")
    assert (ran.returncode, ran.stdout) == (status, "")
    assert ran.stderr.startswith("facefleet: ")
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize("photos", [("ada.png", "broken.jpg"), ("missing.jpg", "ada.png"), (".", "ada.png")])
def test_verify_says_which_of_the_two_cannot_be_read(service, album, photos):
    """Two photos were sent, so `the file` is not enough; the same from the service, to which they have no names."""
    told = service("verify", *photos).stderr
    assert "ada" not in told
    assert any(name in told for name in ("target", "missing.jpg", ".: This is a folder"))


@pytest.mark.parametrize(
    "arguments", [("identify", TOO_LONG), ("verify", "ada.png", TOO_LONG), ("detect", "ada.png", "--draw", TOO_LONG)]
)
def test_what_the_system_refuses_to_look_at_is_no_traceback(service, album, arguments):
    """A closed folder fares as this name does, but not where the tests run as root."""
    ran = service(*arguments)
    assert ran.returncode in {1, 2}
    assert "File name too long" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_an_unknown_collection_is_said_to_be_so(service, album):
    """The reason names it."""
    ran = service("identify", "ada.png", "-c", "nobody")
    assert ran.returncode == 1
    assert "nobody" in ran.stderr


def test_collections_are_listed_shown_and_deleted(service, album):
    """Deleting asks first; no answer is no."""
    assert table(service("collections").stdout)[0]["collection_id"] == "staff"
    assert json.loads(service("collections", "staff", "--json").stdout)["persons"] == 2
    refused = service("collections", "staff", "--delete", input="n\n")
    assert refused.returncode == 1
    assert "Delete the collection staff with 2 faces of 2 persons, for good?" in refused.stderr
    assert service("collections", "staff").returncode == 0
    assert service("collections", "staff", "--delete", input="y\n").returncode == 0
    assert service("collections", "staff").returncode == 1
    assert service("collections", "--delete").returncode == 2


def test_persons_are_listed_and_deleted(service, album):
    """`--yes` is for scripts."""
    assert [row["person"] for row in table(service("persons", "staff").stdout)] == ["Ada", "Łukasz"]
    ran = service("persons", "staff", "--delete", "Łukasz", "--yes")
    assert (ran.returncode, ran.stderr) == (0, "Deleted Łukasz with 1 face.\n")
    assert [one["person"] for one in json.loads(service("persons", "staff", "--json").stdout)] == ["Ada"]
    assert service("persons", "staff", "--delete", "Łukasz", "--yes").returncode == 1


def test_a_question_that_nobody_can_answer_deletes_nothing(service, album):
    """In a script without --yes the end of input is no consent."""
    assert service("persons", "staff", "--delete", "Ada", input="").returncode == 1
    assert "Ada" in service("persons", "staff").stdout


def test_status_shows_queue_and_fleet_in_one_table(service):
    """What an operator looks at first."""
    queue, *_, worker = table(service("status").stdout)  # nobody leads here, which is told after half a minute
    assert (queue["part"], queue["state"]) == ("queue", "0 waiting, 0 in work, 0 dead")
    assert (worker["part"], worker["state"], worker["work"]) == ("w-1", "running", "job-7")
    assert json.loads(service("status", "--json").stdout)["queue"]["visible"] == 0
