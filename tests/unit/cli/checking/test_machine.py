"""What a machine must have: certificates in time, and descriptors."""

import time
from pathlib import Path

import pytest

from libs.common.web.certificates import lifetimes
from services.cli.checking import machine
from services.cli.checking.machine import DAY, SOON
from services.cli.checking.remarks import Remark
from tests.support.servers import Certificates
from tests.unit.cli.checking.test_check import server
from tests.unit.test_settings import APP, read


class TestCertificate:
    """A certificate is told of in time that ends soon, and one that is not good."""

    def said(self, certificates: Certificates, tmp_path: Path, now: float) -> list[Remark]:
        parts = server(certificates.certificate, certificates.key)
        return [*machine.of_certificate(read(tmp_path / "f.toml", APP, *parts), now)]

    @pytest.mark.parametrize(
        "seconds,said,is_error",
        [
            (-60.0, "expires on 20", False),
            (0.0, "expired on 20", True),
            (DAY, "expired on 20", True),
        ],
    )
    def test_end(
        self,
        certificates: Certificates,
        tmp_path: Path,
        seconds: float,
        said: str,
        *,
        is_error: bool,
    ) -> None:
        ends_at = lifetimes(certificates.certificate)[0].ends_at

        (remark,) = self.said(certificates, tmp_path, ends_at + seconds)

        assert f"{certificates.certificate} {said}" in remark.text
        assert remark.is_error is is_error

    def test_begin(self, certificates: Certificates, tmp_path: Path) -> None:
        begins_at = lifetimes(certificates.certificate)[0].begins_at

        early, *_ = self.said(certificates, tmp_path, begins_at - 1)

        assert "is not good before 20" in early.text
        assert early.is_error

    def test_good(self, certificates: Certificates, tmp_path: Path) -> None:
        """Weeks before its end nothing is said."""
        ends_at = lifetimes(certificates.certificate)[0].ends_at

        told = self.said(certificates, tmp_path, ends_at - SOON - 1)

        assert not [remark for remark in told if "expires" in remark.text]

    @pytest.mark.parametrize(
        "days,said,is_error",
        [(-1.0, "expired on 20", True), (3.0, "expires on 20", False), (60.0, "", False)],
    )
    def test_above(self, tmp_path: Path, days: float, said: str, *, is_error: bool) -> None:
        """One that signs the server's own is judged as well; clients have the authority's."""
        chain = Certificates.chain(tmp_path, days=days)

        told = [each for each in self.said(chain, tmp_path, time.time()) if "CN=" in each.text]

        assert [each.is_error for each in told] == [is_error] * bool(said)
        for each in told:
            assert f"CN=Fanfare test intermediate, which signs in {chain.certificate}, {said}" in (
                each.text
            )


class TestFiles:
    """Who promises no number of connections is told what few descriptors hold."""

    def said(self, tmp_path: Path, most: int, *services: str) -> list[Remark]:
        settings = read(tmp_path / "f.toml", APP, f"[gateway]\nmax_connections = {most}")
        return [*machine.of_files(settings, services or ("gateway",), hard=1024)]

    @pytest.mark.parametrize("most", [0, -1])
    def test_few(self, tmp_path: Path, most: int) -> None:
        (remark,) = self.said(tmp_path, most)

        assert "a process may open 1024 files, which some 824 clients use up" in remark.text
        assert not remark.is_error

    def test_bound(self, tmp_path: Path) -> None:
        """A bound that they hold is meant."""
        assert self.said(tmp_path, 800) == []

    def test_no_gateway(self, tmp_path: Path) -> None:
        assert self.said(tmp_path, 0, "auth") == []
