"""Which photos `facefleet enrol` finds, and whose they are."""

import errno
import os
import unicodedata
from pathlib import Path

import pytest

from facefleet.cli import sources
from facefleet.cli.exits import ExitStatus, Failure


def touch(root: Path, *names: str) -> Path:
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"photo")
    return root


def found(source: sources.Source) -> list[tuple[str, str]]:
    return [(source.shown(photo.file), photo.person) for photo in source.photos]


def refusal(path: Path, person: str | None = None) -> str:
    with pytest.raises(Failure) as caught:
        sources.read(path, person)
    assert caught.value.status == ExitStatus.USAGE
    return caught.value.sentence


def test_a_folder_per_person_is_read_in_depth(tmp_path):
    """The first folder names the person, however deep the photo lies."""
    touch(tmp_path, "Ada/1.jpg", "Ada/2019/summer/2.PNG", "Bob/me.heic")
    assert found(sources.read(tmp_path, None)) == [
        ("Ada/1.jpg", "Ada"),
        ("Ada/2019/summer/2.PNG", "Ada"),
        ("Bob/me.heic", "Bob"),
    ]


def test_hidden_files_are_passed_over_in_silence_and_other_files_are_reported(tmp_path):
    """.DS_Store is nobody's business; notes.txt and a photo that lies beside the folders are said to be skipped."""
    touch(tmp_path, "Ada/1.jpg", "Ada/.DS_Store", "Ada/.cache/2.jpg", ".git/3.jpg", "Ada/notes.txt", "group.jpg")
    source = sources.read(tmp_path, None)
    assert found(source) == [("Ada/1.jpg", "Ada")]
    assert {(source.shown(file), reason) for file, reason in source.skipped} == {
        ("Ada/notes.txt", "no photo by its name"),
        ("group.jpg", "not in a person's folder"),
    }


def test_folders_that_are_not_gone_into_are_reported(tmp_path, monkeypatch):
    """Photos behind a link, which may lead back up, or behind a closed door are not left out in silence."""
    people = touch(tmp_path, "people/Ada/1.jpg", "people/Ada/closed/2.jpg", "elsewhere/3.jpg") / "people"
    (people / "Ada/link").symlink_to(tmp_path / "elsewhere")
    (people / "Ada/up").symlink_to(people)
    closed, scandir = people / "Ada/closed", os.scandir

    def refusing(path):  # root, as whom tests may run, can read everything
        if Path(path) == closed:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    source = sources.read(people, None)
    assert found(source) == [("Ada/1.jpg", "Ada")]
    assert {(source.shown(file), reason) for file, reason in source.skipped} == {
        ("Ada/closed", "not readable"),
        ("Ada/link", "a link"),
        ("Ada/up", "a link"),
    }


def test_what_is_no_file_is_not_waited_for(tmp_path):
    """A pipe that nobody writes to would be read for ever; a link to nowhere is said to be unreadable, as a photo."""
    touch(tmp_path, "Ada/1.jpg")
    os.mkfifo(tmp_path / "Ada/2.jpg")
    (tmp_path / "Ada/3.jpg").symlink_to("/dev/zero")
    (tmp_path / "Ada/4.jpg").symlink_to(tmp_path / "gone.jpg")
    source = sources.read(tmp_path, None)
    assert found(source) == [("Ada/1.jpg", "Ada"), ("Ada/4.jpg", "Ada")]
    assert [reason for _, reason in source.skipped] == ["a pipe, socket or device"] * 2


@pytest.mark.parametrize("path", ["a" * 300, "a" * 300 + "/b.csv"])
def test_what_the_system_refuses_to_look_at_is_a_usage_error(tmp_path, path):
    """No traceback for a name that is too long or a folder that is closed."""
    assert "cannot be read" in refusal(tmp_path / path)


def test_a_name_is_the_same_however_the_file_system_spells_it(tmp_path):
    """A folder named on macOS (NFD) gives the same person as one typed on a keyboard (NFC)."""
    touch(tmp_path, unicodedata.normalize("NFD", "Zoë") + "/1.jpg")
    assert found(sources.read(tmp_path, None))[0][1] == unicodedata.normalize("NFC", "Zoë")


@pytest.mark.parametrize("name", ["山田\u3000太郎", "O'Brien, Zoë", "Nguyễn\u00a0Du", "عمر‌زاده"])
def test_names_of_any_script_are_names(tmp_path, name):
    """Wide and unbreakable spaces, joiners and punctuation belong to names."""
    touch(tmp_path, f"{name}/1.jpg")
    assert found(sources.read(tmp_path, None))[0][1] == unicodedata.normalize("NFC", name)


def test_a_folder_whose_name_is_no_text_is_refused(tmp_path):
    """Bytes that are not UTF-8 cannot become a person's name."""
    (tmp_path / os.fsdecode(b"Zo\xeb")).mkdir()
    assert "not a name" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["..", ".", "a/..", "/", "Ada\u202ebob", "\u2066Ada"])
def test_a_name_that_means_another_place_or_reads_as_another_name_is_refused(tmp_path, name):
    """Whoever is enrolled as `..` could not be deleted without their collection."""
    assert "--person is not a name" in refusal(touch(tmp_path, "1.jpg"), name)


def test_a_folder_of_one_persons_photos_is_named_by_the_option(tmp_path):
    """With --person a folder is all theirs."""
    touch(tmp_path, "1.jpg", "old/2.jpg")
    assert found(sources.read(tmp_path, "Ada")) == [("1.jpg", "Ada"), ("old/2.jpg", "Ada")]


def test_one_photo_needs_a_person(tmp_path):
    """A single photo says nothing of whom it shows."""
    photo = touch(tmp_path, "1.jpg") / "1.jpg"
    assert found(sources.read(photo, " Ada ")) == [("1.jpg", "Ada")]
    assert "--person" in refusal(photo)
    assert "--person" in refusal(photo, "  ")


def test_a_csv_names_files_relative_to_itself(tmp_path):
    """Quoting, a byte order mark, more columns and any order of columns are all right."""
    touch(tmp_path, "in/a,b.jpg", "in/c")
    table = tmp_path / "in" / "people.csv"
    table.write_bytes('\ufeffperson,note,file\nAda,x,"a,b.jpg"\nBob,, c \n'.encode())
    assert found(sources.read(table, None)) == [("a,b.jpg", "Ada"), ("c", "Bob")]


@pytest.mark.parametrize(
    ("text", "line", "about"),
    [
        ("", 1, "file and person"),
        ("a.jpg,Ada\n", 1, "file and person"),
        ("file,person\na.jpg,Ada\na.jpg,\n", 3, "person is missing"),
        ("file,person\n,Ada\n", 2, "file is missing"),
        ("file,person\na.jpg\n", 2, "person is missing"),
        ("file,person\na.jpg,Ada\nno.jpg,Ada\n", 3, "no.jpg"),
        ('file,person\na.jpg,"Ada\n', 2, "unexpected end"),
        ("file,person\na.jpg,A\x07da\n", 2, "not a name"),
    ],
)
def test_a_bad_csv_is_refused_with_the_line(tmp_path, text, line, about):
    """Nothing is sent before the whole table makes sense, and the message says where to look."""
    touch(tmp_path, "a.jpg")
    table = tmp_path / "people.csv"
    table.write_text(text)
    sentence = refusal(table)
    assert f"line {line}" in sentence
    assert about in sentence


def test_a_csv_in_another_encoding_is_said_to_be_so(tmp_path):
    """Latin-1 from an old spreadsheet program."""
    table = tmp_path / "people.csv"
    table.write_bytes("file,person\na.jpg,Zoë\n".encode("latin-1"))
    assert "UTF-8" in refusal(table)


def test_what_is_not_there_or_empty_is_a_usage_error(tmp_path):
    """No folder, no photos in it, photos without a folder per person, a CSV with --person."""
    assert "no file or folder" in refusal(tmp_path / "nix")
    assert "no photos" in refusal(tmp_path)
    assert "no photos" in refusal(tmp_path, "Ada")
    touch(tmp_path, "a.jpg")
    assert "folder per person" in refusal(tmp_path)
    (tmp_path / "people.csv").write_text("file,person\na.jpg,Ada\n")
    assert "--person" in refusal(tmp_path / "people.csv", "Ada")
