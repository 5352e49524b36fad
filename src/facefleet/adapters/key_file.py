"""`Vault` in a file: 32 random bytes that only the service's account can read.

What is sealed with it can be read on this machine alone, or wherever the file is copied to: several web nodes share
one file. A stolen database without the file gives away no secret. AES-GCM with the access key's id as associated data
binds a secret to its row, so that swapping rows is noticed (NIST SP 800-38D).
"""

import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from facefleet.errors import Unavailable

_KEY_BYTES = 32
_NONCE_BYTES = 12


class KeyFile:
    """Seals secrets and derives keys.

    Args:
        path: made, with permissions 0600, if it does not exist.

    Raises:
        Unavailable: it cannot be made or read, is damaged, or others than its owner may read it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            if not path.exists():
                _make(path)
            mode, root = path.stat().st_mode, path.read_bytes()
        except OSError as error:
            raise Unavailable(f"The key file {path} cannot be used: {error.strerror or error}.") from error
        if mode & 0o077:
            raise Unavailable(f"The key file {path} is open to others than its owner; close it with chmod 600 {path}.")
        if len(root) != _KEY_BYTES:
            raise Unavailable(f"The key file {path} has {len(root)} bytes instead of {_KEY_BYTES}; restore it.")
        self._root = root
        self._cipher = AESGCM(self.derive("secrets"))

    def seal(self, name: str, secret: str) -> bytes:
        """Encrypt a secret under its name."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret.encode(), name.encode())

    def open(self, name: str, sealed: bytes) -> str:
        """Decrypt what was sealed under this name.

        Raises:
            Unavailable: it was sealed with another key file or under another name.
        """
        nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, text, name.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise Unavailable(f"Access key {name} was made with another key file than {self._path}.") from error

    def derive(self, purpose: str) -> bytes:
        """Return 32 bytes for one purpose, always the same for the same file (HKDF, RFC 5869)."""
        return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=f"facefleet {purpose}".encode()).derive(
            self._root
        )


def _make(path: Path) -> None:
    """Write a fresh key whole or not at all; of two processes that try, one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()
