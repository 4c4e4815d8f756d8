"""
The certificate that the public address shows, and its successors, without a restart.

The files are looked at every few seconds: whoever renews a certificate replaces them, or turns a
symbolic link, as Kubernetes does with mounted secrets.  A new certificate is loaded into a context
of its own, outside the event loop, and takes the old one's place in one step: new handshakes show
it, connections that are open stay as they are.  One that cannot be used is complained of once, and
the old one stays.
"""

import asyncio
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog
from cryptography import x509

from libs.common.errors import Misconfigured
from libs.common.telemetry.metrics.families import Metric, gauge

INTERVAL = 2.0  # Seconds between two looks; renewals come weeks before the old certificate ends.

EXPIRES = gauge(
    "fanfare_certificate_expiry_timestamp_seconds",
    "When the first certificate ends of those that the public address shows now, in UTC epoch "
    "seconds; there is none in a process that speaks plain HTTP.",
)

# OpenSSL's words for a key of the certificate's own kind, and of another kind, for which it then
# has no certificate.
_UNFIT = {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"}

log = structlog.get_logger()

Stamp = tuple[int, ...] | None  # Of a file: device, inode, size, time; None: it is not there.


class Certificate:
    """
    A certificate that may be replaced.

    Args:
        certificate: File with the server's own certificate and, after it, those between it and its
            authority; PEM.
        key: File with its private key, without a pass phrase; PEM.

    Attributes:
        context: For a listener.
        ends_at: When the first of those ends that are shown now, UTC epoch seconds; None: OpenSSL
            alone can read them.

    Raises:
        Misconfigured: The certificate cannot be used.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self._tried = self._seen = self._stamps()
        self._newest, self.ends_at = self._loaded()
        self.context = loaded(self._certificate, self._key)
        # Called in every handshake, also where a client names no server.  To load into a context
        # that is in use would not do: a file that fits no more leaves half of it changed.
        self.context.sni_callback = self._show_newest

    def _show_newest(self, connection: ssl.SSLObject, _name: str, _context: ssl.SSLContext) -> None:
        connection.context = self._newest

    async def keep(self) -> None:
        """Put new files in the place of the old until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL)
            await self.look()

    async def look(self) -> None:
        """
        Load the files if they have changed, and were the same when last looked at.

        Whoever writes two files writes one of them first, and between the two they do not fit.
        """
        stamps = await asyncio.to_thread(self._stamps)
        settled, self._seen = stamps == self._seen, stamps
        if not settled or stamps == self._tried:
            return
        self._tried = stamps
        try:
            self._newest, self.ends_at = await asyncio.to_thread(self._loaded)
        except Misconfigured as error:
            # The sentence says it all.
            log.error("certificate.refused", reason=str(error))  # noqa: TRY400
        else:
            log.info("certificate.replaced", file=str(self._certificate))

    def _loaded(self) -> tuple[ssl.SSLContext, float | None]:
        """Load the files, and read when what they have ends; None: OpenSSL alone can read it."""
        context = loaded(self._certificate, self._key)
        try:
            return context, min(each.ends_at for each in lifetimes(self._certificate))
        except (OSError, ValueError):
            return context, None

    def _stamps(self) -> tuple[Stamp, Stamp]:
        return _stamp(self._certificate), _stamp(self._key)


class CertificateMetrics:
    """
    What a process tells of its certificate.

    Args:
        certificate: What it shows; None: it speaks plain HTTP.
    """

    def __init__(self, certificate: Certificate | None) -> None:
        self._certificate = certificate

    def metrics(self) -> Iterator[Metric]:
        """See `Measured.metrics`."""
        yield EXPIRES.of(self._certificate.ends_at if self._certificate else None)


def loaded(certificate: Path, key: Path) -> ssl.SSLContext:
    """
    Make a context that shows a certificate.

    Raises:
        Misconfigured: A file cannot be read or used, or they do not fit each other.
    """
    _check("certificate", certificate, mark=b"CERTIFICATE-----", what="certificate")
    _check("certificate_key", key, mark=b"PRIVATE KEY-----", what="private key")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=lambda: _no_pass_phrase(key))
    except ssl.SSLError as error:
        raise Misconfigured(_wording(error, certificate, key)) from error
    except OSError as error:
        raise Misconfigured(f"server.certificate: {error.strerror or error}") from error
    return context


@dataclass(frozen=True, slots=True)
class Lifetime:
    """
    From when to when a certificate is good.

    Attributes:
        subject: Whose it is (RFC 4514).
        begins_at: UTC epoch seconds.
        ends_at: The same.
    """

    subject: str
    begins_at: float
    ends_at: float


def lifetimes(certificate: Path) -> list[Lifetime]:
    """
    Read when the certificates of a file are good: the server's own, and those above it.

    An authority's own, which it has signed itself, is none of them: clients have theirs.

    Args:
        certificate: A file that `loaded` takes.
    """
    own, *above = x509.load_pem_x509_certificates(certificate.read_bytes())
    return [_lifetime(own), *(_lifetime(each) for each in above if each.subject != each.issuer)]


def _lifetime(certificate: x509.Certificate) -> Lifetime:
    return Lifetime(
        certificate.subject.rfc4514_string(),
        certificate.not_valid_before_utc.timestamp(),
        certificate.not_valid_after_utc.timestamp(),
    )


def _check(setting: str, file: Path, *, mark: bytes, what: str) -> None:
    """Look into a file: OpenSSL does not say which of the two it means."""
    try:
        content = file.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise Misconfigured(f"server.{setting}: cannot read {file}: {reason}") from error
    if mark not in content:
        raise Misconfigured(f"server.{setting}: {file} holds no {what} as PEM")


def _no_pass_phrase(key: Path) -> str:
    """Refuse to answer OpenSSL, which would else ask on the terminal, and wait."""
    raise Misconfigured(f"server.certificate_key: {key} has a pass phrase; store it without one")


def _wording(error: ssl.SSLError, certificate: Path, key: Path) -> str:
    if error.reason in _UNFIT:
        return (
            f"server.certificate_key: {key} does not fit the first certificate in {certificate}, "
            "which must be the server's own"
        )
    return f"server.certificate: {certificate} with {key} cannot be used: {error.reason or error}"


def _stamp(file: Path) -> Stamp:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
