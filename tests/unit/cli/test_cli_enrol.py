"""`facefleet enrol` against the web room: what is enrolled, rejected, skipped, and how it ends."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from squares import BLACK, BLUE, GREEN, RED, SMALL_PX, photo

from facefleet.cli.enrol import _skipped
from facefleet.cli.sources import Source


@pytest.fixture
def people(tmp_path):
    """Two persons, and one photo of each kind that cannot be enrolled."""
    files = {
        "Ada Lovelace/1.png": photo(RED),
        "Ada Lovelace/old/2.webp": photo(RED, BLACK, kind="WEBP"),
        "Łukasz/1.png": photo(GREEN),
        "Łukasz/wall.png": photo(BLACK),
        "Łukasz/group.png": photo(RED, GREEN, BLUE),
        "Łukasz/tiny.png": photo(GREEN, side_px=SMALL_PX),
        "Łukasz/broken.jpg": b"no photo at all",
        "Łukasz/empty.png": b"",
        "Łukasz/notes.txt": b"x",
        "Łukasz/.DS_Store": b"x",
    }
    root = tmp_path / "PEOPLE"
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def test_a_folder_per_person_is_enrolled_and_each_rejected_photo_is_named(service, people):
    """The summary counts, names each rejected photo with its reason, and says what was skipped; status 1."""
    ran = service("enrol", "staff", people)
    assert ran.returncode == 1
    assert "staff: 3 enrolled, 0 already enrolled, 5 rejected; 8 of 8 photos of 2 persons" in ran.stdout
    rows = list(csv.DictReader(ran.stdout[ran.stdout.index("rejected\t") :].splitlines(), delimiter="\t"))
    assert {row["rejected"]: row["why"] for row in rows} == {
        "Łukasz/broken.jpg": "unreadable",
        "Łukasz/empty.png": "unreadable",
        "Łukasz/group.png": "several faces",
        "Łukasz/tiny.png": "too small",
        "Łukasz/wall.png": "no face",
    }
    assert all(row["what to do"].endswith(".") for row in rows)
    assert "Skipped 1 .txt file: no photo by its name." in ran.stdout
    assert "DS_Store" not in ran.stdout
    assert "Made the collection staff." in ran.stderr


def test_the_same_photos_are_enrolled_once(service, people):
    """A second run changes nothing and says so; what is rejected stays rejected."""
    service("enrol", "staff", people)
    ran = service("enrol", "staff", people)
    assert "0 enrolled, 3 already enrolled, 5 rejected" in ran.stdout
    assert "Made the collection" not in ran.stderr
    persons = json.loads(service("persons", "staff", "--json").stdout)
    assert [(one["person"], one["faces"]) for one in persons] == [("Ada Lovelace", 2), ("Łukasz", 1)]


def test_programs_get_one_json_document(service, people):
    """`--json` has every figure and every file of the summary, and nothing else is on stdout."""
    ran = service("enrol", "staff", people, "--json")
    document = json.loads(ran.stdout)
    assert ran.returncode == 1
    assert (document["collection"], document["created"], document["photos"]) == ("staff", True, 8)
    assert (document["enrolled"], document["already_enrolled"]) == (3, 0)
    assert [rejected["code"] for rejected in document["rejected"]] == [
        "InvalidImage",
        "InvalidImage",
        "SeveralFaces",
        "FaceTooSmall",
        "NoFace",
    ]
    assert document["rejected"][0]["file"] == str(people / "Łukasz/broken.jpg")
    assert document["skipped"] == [{"file": str(people / "Łukasz/notes.txt"), "reason": "no photo by its name"}]


def test_one_photo_is_enrolled_under_a_name(service, people):
    """Status 0 if nothing was rejected; the name is who is found afterwards."""
    ran = service("enrol", "staff", people / "Ada Lovelace/1.png", "--person", "Ada")
    assert ran.returncode == 0
    assert "1 enrolled" in ran.stdout
    assert "\tAda\t" in service("identify", people / "Łukasz/group.png", "-c", "staff").stdout


def test_a_csv_says_who_is_in_each_photo(service, people):
    """Files are found beside the CSV wherever the command runs."""
    (people / "people.csv").write_text("file,person\nAda Lovelace/1.png,Ada\nŁukasz/1.png,Łukasz\n")
    ran = service("enrol", "staff", people / "people.csv")
    assert ran.returncode == 0
    assert "2 enrolled" in ran.stdout


@pytest.mark.parametrize("wrong", ["nix", "PEOPLE/Łukasz/.DS_Store", "bad.csv", "empty"])
def test_what_cannot_be_enrolled_at_all_is_a_usage_error(service, stand_in, people, wrong):
    """Status 2, one sentence, and no collection was made."""
    (people.parent / "bad.csv").write_text("file,person\nno.jpg,Ada\n")
    (people.parent / "empty").mkdir()
    ran = service("enrol", "staff", wrong)
    assert ran.returncode == 2
    assert ran.stderr.startswith("facefleet: ")
    assert ran.stderr.count("\n") == 1
    assert httpx.get(f"{stand_in.url}/v1/collections").json()["items"] == []


def test_a_collection_with_an_impossible_name_is_refused(service, people):
    """The service's own rule is passed on in a sentence."""
    ran = service("enrol", "a b", people)
    assert ran.returncode == 1
    assert "collection_id" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("name", ["..", ".", ""])
def test_deleting_a_person_never_deletes_the_collection(service, stand_in, people, name):
    """Clients resolve `persons/..` to the collection itself; status 2, one sentence, and nothing is sent."""
    service("enrol", "staff", people)
    ran = service("persons", "staff", "--delete", name, "--yes")
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
    assert httpx.get(f"{stand_in.url}/v1/collections/staff").json()["persons"] == 2
    assert service("collections", "..", "--delete", "--yes").returncode == 2


def test_ctrl_c_stops_cleanly_and_says_how_far_it_got(stand_in, tmp_path):
    """Photos on the way are still counted, none are begun, and a second run does the rest."""
    folder = tmp_path / "Ada"
    folder.mkdir()
    for number in range(1, 61):
        (folder / f"{number}.png").write_bytes(photo((number * 4, 0, 0)))
    stand_in.delay_s = 0.1
    command = [
        sys.executable,
        "-m",
        "facefleet",
        "enrol",
        "c",
        str(tmp_path),
        "-j",
        "2",
        "--json",
        "--url",
        stand_in.url,
    ]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    while stand_in.answered < 3:
        time.sleep(0.02)
        assert running.poll() is None
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=120)
    assert running.returncode == 130
    enrolled = json.loads(out)["enrolled"]
    assert 3 <= enrolled < 60
    assert enrolled == stand_in.answered
    assert f"Stopped. {60 - enrolled} photos left; run the same command again to go on." in err
    assert "Traceback" not in err


def test_a_service_that_goes_away_ends_the_run(stand_in, tmp_path):
    """The rest is not reported as rejected: it was never looked at."""
    folder = tmp_path / "Ada"
    folder.mkdir()
    for number in range(1, 61):
        (folder / f"{number}.png").write_bytes(photo((number * 4, 0, 0)))
    stand_in.delay_s = 0.05
    command = [
        sys.executable,
        "-m",
        "facefleet",
        "enrol",
        "c",
        str(tmp_path),
        "-j",
        "2",
        "--json",
        "--url",
        stand_in.url,
    ]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    while stand_in.answered < 3:
        time.sleep(0.02)
        assert running.poll() is None
    stand_in.stop()
    out, err = running.communicate(timeout=120)
    assert running.returncode == 3
    assert json.loads(out)["rejected"] == []
    assert "photos left" in err
    assert "facefleet up" in err


def test_a_skipped_file_that_cannot_be_looked_at_is_counted_all_the_same():
    """The names in a folder may be readable and no more; a closed one fares as this name does, but not as root."""
    hidden = Path("a" * 300 + ".txt")
    source = Source(root=Path(), photos=(), skipped=((hidden, "no photo by its name"),))
    assert _skipped(source) == {("no photo by its name", ".txt file"): 1}
