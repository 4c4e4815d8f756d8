"""
A certificate authority for a day, and a server certificate for loopback that it has signed.

For tests of TLS: the names are 127.0.0.1, ::1 and localhost, so clients can verify them in full.
"""

import datetime as dt
import ipaddress
import shutil
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LIFETIME = dt.timedelta(days=1)
CLOCK_TOLERANCE = dt.timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Certificates:
    """
    PEM files in one directory.

    Attributes:
        ca: The authority's certificate: what clients trust.
        certificate: The server's certificate.
        key: The server's private key, PKCS 8, without a pass phrase.
    """

    ca: Path
    certificate: Path
    key: Path

    @classmethod
    def at(cls, directory: Path) -> "Certificates":
        """Name the files that `issue` writes into a directory."""
        return cls(directory / "ca.pem", directory / "server.pem", directory / "server.key")

    @classmethod
    def chain(cls, directory: Path, *, days: float) -> "Certificates":
        """Make a server certificate that another signs, good for so many days, below the authority."""
        ca_key, above_key, own_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        ca, now = _authority(ca_key), dt.datetime.now(dt.UTC)
        above = (
            x509.CertificateBuilder()
            .subject_name(_name("Fanfare test intermediate"))
            .issuer_name(ca.subject)
            .public_key(above_key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=90))
            .not_valid_after(now + dt.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(ca_key, hashes.SHA256())
        )
        files = cls.at(directory)
        files.ca.write_bytes(_pem(ca))
        files.certificate.write_bytes(
            b"".join(map(_pem, (_server(own_key, above, above_key), above, ca)))
        )
        files.key.write_bytes(_pem_key(own_key))
        return files

    @classmethod
    def issue(cls, directory: Path) -> "Certificates":
        """Make an authority, let it sign a server certificate, and write the files; the directory may be new."""
        directory.mkdir(exist_ok=True)
        ca_key = ec.generate_private_key(ec.SECP256R1())
        server_key = ec.generate_private_key(ec.SECP256R1())
        ca = _authority(ca_key)
        files = cls.at(directory)
        files.ca.write_bytes(_pem(ca))
        files.certificate.write_bytes(_pem(_server(server_key, ca, ca_key)))
        files.key.write_bytes(_pem_key(server_key))
        files.key.chmod(0o600)
        return files

    def mount(self, directory: Path) -> Path:
        """Copy the certificate and its key as secrets are mounted, and return the path of ``tls.crt``."""
        directory.mkdir(exist_ok=True)
        shutil.copy(self.key, directory / "tls.key")
        return Path(shutil.copy(self.certificate, directory / "tls.crt"))

    def client_context(self) -> ssl.SSLContext:
        """Return what a Python client needs to trust the authority, and only it."""
        return ssl.create_default_context(cafile=self.ca)


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = _name("Fanfare test authority")
    return (
        _builder(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _server(
    key: ec.EllipticCurvePrivateKey, ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    names = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.IPAddress(ipaddress.ip_address("::1")),
    ]
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    return (
        _builder(_name("localhost"), ca.subject, key.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(issuer, critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_TOLERANCE)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
