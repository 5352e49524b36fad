"""The certificates by which the fleet's machines know the embedded database, made where it lives.

An authority of this installation alone, made once, signs the database's certificate: for the address it listens on,
for a year, and anew when four months of that are left or the address changes. Clients are given the authority's, so
they notice nothing of a renewal. Who deletes the folder starts over, with a new authority.
"""

import datetime as dt
import os
import ssl
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from facefleet.adapters.embedded_negotiation import ALPN
from facefleet.core.addresses import Address
from facefleet.errors import Unavailable

_AUTHORITY_YEARS = 20
_DAYS = 365
_RENEW_DAYS = 120
_DAY = dt.timedelta(days=1)


class EmbeddedCertificate:
    """The certificate for one address.

    Args:
        folder: where keys and certificates lie, 0600 in a folder of 0700; made if it is not there.
        address: that clients connect to.
        now_s: Unix time.
    """

    def __init__(self, folder: Path, address: Address, *, now_s: Callable[[], float]) -> None:
        self._authority = folder / "authority.pem"
        self._server = folder / "server.pem"
        self._name = x509.IPAddress(address)
        self._now_s = now_s
        self._context: ssl.SSLContext | None = None
        self._renew: dt.datetime | None = None

    def authority(self) -> str:
        """Return the authority's certificate as PEM, for clients.

        Raises:
            Unavailable: its file cannot be written or read, or is damaged.
        """
        _, certificate = self._pair(self._authority) or self._found()
        return certificate.public_bytes(Encoding.PEM).decode()

    def context(self) -> ssl.SSLContext:
        """Return what a server greets a client with; the certificate in it has months to live.

        Raises:
            Unavailable: see `authority`.
        """
        if self._context is None or self._renew is None or self._now() >= self._renew:
            certificate = self._current() or self._issue()
            self._renew = certificate.not_valid_after_utc - _RENEW_DAYS * _DAY
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            context.set_alpn_protocols([ALPN])
            context.load_cert_chain(self._server)
            self._context = context
        return self._context

    def _current(self) -> x509.Certificate | None:
        """Return the certificate on file, if it may be used: ours, for this address, and with time left."""
        pair = self._pair(self._server)
        authority = self._pair(self._authority)
        if pair is None or authority is None:
            return None
        certificate = pair[1]
        named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        late = self._now() >= certificate.not_valid_after_utc - _RENEW_DAYS * _DAY
        if late or certificate.issuer != authority[1].subject or list(named) != [self._name]:
            return None
        return certificate

    def _found(self) -> tuple[EllipticCurvePrivateKey, x509.Certificate]:
        """Make the authority."""
        key = generate_private_key(SECP256R1())
        # The serial number in its name tells one authority from the next.
        serial = x509.random_serial_number()
        name = _named(f"facefleet authority {serial:x}")
        certificate = (
            self._builder(name, name, key, days=_AUTHORITY_YEARS * 365)
            .serial_number(serial)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, SHA256())
        )
        _keep(self._authority, key, certificate)
        return key, certificate

    def _issue(self) -> x509.Certificate:
        """Make a certificate for the database."""
        signer, authority = self._pair(self._authority) or self._found()
        key = generate_private_key(SECP256R1())
        certificate = (
            self._builder(_named("facefleet database"), authority.subject, key, days=_DAYS)
            .serial_number(x509.random_serial_number())
            .add_extension(x509.SubjectAlternativeName([self._name]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(signer, SHA256())
        )
        _keep(self._server, key, certificate)
        return certificate

    def _builder(
        self, subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, *, days: int
    ) -> x509.CertificateBuilder:
        now = self._now()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .not_valid_before(now - _DAY)  # clocks differ
            .not_valid_after(now + days * _DAY)
        )

    def _now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self._now_s(), dt.UTC)

    def _pair(self, file: Path) -> tuple[EllipticCurvePrivateKey, x509.Certificate] | None:
        """Read a key and its certificate, None if there is no such file."""
        try:
            text = file.read_bytes()
            key = load_pem_private_key(text, password=None)
            assert isinstance(key, EllipticCurvePrivateKey)
            return key, x509.load_pem_x509_certificate(text)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(f"{file} cannot be read: {error.strerror}.") from error
        except (ValueError, AssertionError) as error:
            raise Unavailable(f"{file} is damaged: delete {file.parent}, and all is made anew.") from error


def keep_private(file: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all.

    Raises:
        Unavailable: it cannot be written.
    """
    draft = file.with_name(f"{file.name}.new")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        draft.replace(file)
    except OSError as error:
        raise Unavailable(f"{file} cannot be written: {error.strerror}.") from error


def _keep(file: Path, key: EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    keep_private(file, (secret + certificate.public_bytes(Encoding.PEM)).decode())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
