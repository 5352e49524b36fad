"""The file that seals secrets and signs tokens."""

import threading

import pytest

from facefleet.adapters.key_file import KeyFile
from facefleet.errors import Unavailable


def test_what_was_sealed_is_opened_with_the_same_file(tmp_path):
    """Also by another process, which reads the file anew."""
    sealed = KeyFile(tmp_path / "key").seal("K", "the secret")
    assert b"secret" not in sealed
    assert KeyFile(tmp_path / "key").open("K", sealed) == "the secret"


def test_sealing_twice_gives_nothing_away(tmp_path):
    """The same secret looks different each time."""
    file = KeyFile(tmp_path / "key")
    assert file.seal("K", "s") != file.seal("K", "s")


def test_a_secret_is_bound_to_its_name_and_file(tmp_path):
    """Rows of a database cannot be swapped, changed, or read with another file."""
    file, other = KeyFile(tmp_path / "key"), KeyFile(tmp_path / "other")
    sealed = file.seal("K", "s")
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for vault, name, text in ((file, "L", sealed), (other, "K", sealed), (file, "K", changed), (file, "K", b"short")):
        with pytest.raises(Unavailable):
            vault.open(name, text)


def test_each_purpose_has_a_key_of_its_own(tmp_path):
    """The same for the same purpose, on every node that has the file."""
    file = KeyFile(tmp_path / "key")
    assert file.derive("a") == KeyFile(tmp_path / "key").derive("a") != file.derive("b")
    assert len(file.derive("a")) == 32


def test_only_the_owner_can_read_it(tmp_path):
    """It is made so, and refused otherwise."""
    path = tmp_path / "deep" / "key"
    KeyFile(path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    with pytest.raises(Unavailable, match="chmod 600"):
        KeyFile(path)


def test_a_damaged_file_is_not_replaced(tmp_path):
    """That would make every key worthless without a word."""
    path = tmp_path / "key"
    KeyFile(path)
    path.write_bytes(b"short")
    with pytest.raises(Unavailable, match="5 bytes"):
        KeyFile(path)


def test_nodes_that_start_at_once_agree(tmp_path):
    """One makes the file, all use it, and no draft is left behind."""
    derived = []
    threads = [threading.Thread(target=lambda: derived.append(KeyFile(tmp_path / "key").derive("x"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(derived) == 8
    assert len(set(derived)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
