"""The certificate of the public address: files that cannot work, and when files that changed are loaded."""

import datetime as dt
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from structlog.testing import capture_logs

from libs.common.errors import Misconfigured
from libs.common.web.certificates import Certificate, lifetimes, loaded
from tests.support.servers import Certificates
from tests.support.servers import certificates as issuing


@pytest.fixture
def files(certificates: Certificates, tmp_path: Path) -> Certificates:
    """Return copies of a test's own."""
    return Certificates(
        *(
            Path(shutil.copy(file, tmp_path))
            for file in (certificates.ca, certificates.certificate, certificates.key)
        )
    )


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Return others, which fit each other and nothing else."""
    return Certificates.issue(tmp_path_factory.mktemp("others"))


def complaint(files: Certificates) -> str:
    with pytest.raises(Misconfigured) as raised:
        loaded(files.certificate, files.key)
    return str(raised.value)


class TestLoaded:
    """What cannot work is said before anybody connects, with the setting that is meant."""

    def test_pair(self, files: Certificates) -> None:
        """
        What fits is loaded, and nothing older than TLS 1.2 is spoken.
        """
        assert loaded(files.certificate, files.key).minimum_version.name == "TLSv1_2"

    def test_one_file(self, files: Certificates) -> None:
        """
        Both may stand in one file.
        """
        both = files.certificate
        both.write_bytes(files.key.read_bytes() + both.read_bytes())

        assert loaded(both, both)

    def test_absent(self, files: Certificates) -> None:
        files.certificate.unlink()

        assert complaint(files) == (
            f"server.certificate: cannot read {files.certificate}: No such file or directory"
        )

    def test_key_absent(self, files: Certificates) -> None:
        files.key.unlink()

        assert complaint(files).startswith(f"server.certificate_key: cannot read {files.key}: ")

    def test_directory(self, files: Certificates) -> None:
        files.key.unlink()
        files.key.mkdir()

        assert complaint(files).endswith("Is a directory")

    @pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff\x00", b"-----BEGIN CERT"])
    def test_no_certificate(self, files: Certificates, content: bytes) -> None:
        files.certificate.write_bytes(content)

        assert complaint(files) == (
            f"server.certificate: {files.certificate} holds no certificate as PEM"
        )

    def test_exchanged(self, files: Certificates) -> None:
        """
        The two files in each other's place are named.
        """
        assert complaint(Certificates(files.ca, files.key, files.certificate)) == (
            f"server.certificate: {files.key} holds no certificate as PEM"
        )

    def test_no_key(self, files: Certificates) -> None:
        files.key.write_bytes(files.certificate.read_bytes())

        assert complaint(files) == (
            f"server.certificate_key: {files.key} holds no private key as PEM"
        )

    def test_another_key(self, files: Certificates, others: Certificates) -> None:
        shutil.copy(others.key, files.key)

        assert complaint(files).startswith(f"server.certificate_key: {files.key} does not fit")

    def test_key_of_another_kind(self, files: Certificates) -> None:
        """
        A key that the certificate's kind has nothing to do with is named as one that does not fit.
        """
        files.key.write_bytes(
            ed25519.Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )

        assert complaint(files).startswith(f"server.certificate_key: {files.key} does not fit")

    def test_chain_in_wrong_order(self, files: Certificates) -> None:
        """
        The server's own certificate must be the first.
        """
        files.certificate.write_bytes(files.ca.read_bytes() + files.certificate.read_bytes())

        assert "must be the server's own" in complaint(files)

    @pytest.mark.parametrize("broken", ["certificate", "key"])
    def test_broken(self, files: Certificates, broken: str) -> None:
        """
        What only begins like PEM is refused in words.
        """
        file: Path = getattr(files, broken)
        lines = file.read_text().splitlines()
        file.write_text("\n".join([lines[0], "AAAA", lines[-1]]))

        assert complaint(files).startswith("server.certificate")
        assert str(file) in complaint(files)

    def test_pass_phrase(self, files: Certificates) -> None:
        """
        A key with a pass phrase is refused; nobody is asked for it.
        """
        key = serialization.load_pem_private_key(files.key.read_bytes(), None)
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"hush"),
            )
        )

        assert complaint(files) == (
            f"server.certificate_key: {files.key} has a pass phrase; store it without one"
        )

    def test_nothing_secret(self, files: Certificates, others: Certificates) -> None:
        """
        What a key holds is never said.
        """
        shutil.copy(others.key, files.key)
        secret = others.key.read_text().splitlines()[1]

        assert secret not in complaint(files)


class TestLook:
    """Files that changed are loaded once they have settled, and complained of once."""

    async def looks(self, certificate: Certificate, times: int = 4) -> Sequence[Any]:
        """Look several times, and return what was logged."""
        with capture_logs() as logs:
            for _ in range(times):
                await certificate.look()
        return [line["event"] for line in logs]

    async def test_unchanged(self, files: Certificates) -> None:
        """
        What did not change is left alone.
        """
        assert await self.looks(Certificate(files.certificate, files.key)) == []

    async def test_replaced(self, files: Certificates, others: Certificates) -> None:
        """
        New files are loaded, once.
        """
        certificate = Certificate(files.certificate, files.key)
        shutil.copy(others.certificate, files.certificate)
        shutil.copy(others.key, files.key)

        assert await self.looks(certificate) == ["certificate.replaced"]

    async def test_same_size_and_time(self, files: Certificates) -> None:
        """
        A file that took another's place is noticed, also with the same size and time.
        """
        certificate = Certificate(files.certificate, files.key)
        before = files.key.stat()
        renewed = files.key.with_suffix(".new")
        shutil.copy(files.key, renewed)
        os.utime(renewed, ns=(before.st_atime_ns, before.st_mtime_ns))
        renewed.replace(files.key)

        assert await self.looks(certificate) == ["certificate.replaced"]

    async def test_symbolic_link(
        self, files: Certificates, others: Certificates, tmp_path: Path
    ) -> None:
        """
        A link that points elsewhere is noticed: Kubernetes turns the one of the directory.
        """
        link = tmp_path / "..data"
        link.symlink_to(files.certificate.parent)
        certificate = Certificate(link / files.certificate.name, link / files.key.name)
        turned = tmp_path / "..new"
        turned.symlink_to(others.certificate.parent)
        turned.replace(link)

        assert await self.looks(certificate) == ["certificate.replaced"]

    async def test_between_two_files(self, files: Certificates, others: Certificates) -> None:
        """
        Who looks between the writing of the one and of the other complains of nothing.
        """
        certificate = Certificate(files.certificate, files.key)
        shutil.copy(others.certificate, files.certificate)
        assert await self.looks(certificate, times=1) == []

        shutil.copy(others.key, files.key)

        assert await self.looks(certificate) == ["certificate.replaced"]

    async def test_broken(self, files: Certificates, others: Certificates) -> None:
        """
        A change that cannot be used is complained of once; the next one that can be is used.
        """
        certificate = Certificate(files.certificate, files.key)
        shutil.copy(others.certificate, files.certificate)
        with capture_logs() as logs:
            await certificate.look()
            await certificate.look()
        (line,) = logs
        assert (line["event"], line["log_level"]) == ("certificate.refused", "error")
        assert line["reason"].startswith("server.certificate_key: ")
        assert await self.looks(certificate) == []

        shutil.copy(others.key, files.key)

        assert await self.looks(certificate) == ["certificate.replaced"]

    async def test_away(self, files: Certificates, others: Certificates) -> None:
        """
        So it is with a file that is away, and comes again.
        """
        certificate = Certificate(files.certificate, files.key)
        files.key.unlink()
        assert await self.looks(certificate) == ["certificate.refused"]

        shutil.copy(others.certificate, files.certificate)
        shutil.copy(others.key, files.key)

        assert await self.looks(certificate) == ["certificate.replaced"]


class TestEndsAt:
    """When the certificate ends that is shown now, whatever stands in the files."""

    async def test_ends(
        self, files: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        The end of the new one is told once it is shown; until then, and while it is refused, that of the old.
        """
        monkeypatch.setattr(issuing, "LIFETIME", dt.timedelta(days=400))
        (tmp_path / "renewed").mkdir()
        renewed = Certificates.issue(tmp_path / "renewed")
        certificate = Certificate(files.certificate, files.key)
        old, new = (lifetimes(each.certificate)[0].ends_at for each in (files, renewed))
        assert certificate.ends_at == old

        shutil.copy(renewed.certificate, files.certificate)
        for _ in range(2):
            await certificate.look()
        assert certificate.ends_at == old

        shutil.copy(renewed.key, files.key)
        for _ in range(2):
            await certificate.look()
        assert certificate.ends_at == new
