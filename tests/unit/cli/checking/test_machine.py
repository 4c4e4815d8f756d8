"""What a machine must have: a certificate in time."""

from pathlib import Path

import pytest

from libs.common.web.certificates import lifetime
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
        _, ends_at = lifetime(certificates.certificate)

        (remark,) = self.said(certificates, tmp_path, ends_at + seconds)

        assert f"{certificates.certificate} {said}" in remark.text
        assert remark.is_error is is_error

    def test_begin(self, certificates: Certificates, tmp_path: Path) -> None:
        begins_at, _ = lifetime(certificates.certificate)

        early, *_ = self.said(certificates, tmp_path, begins_at - 1)

        assert "is not good before 20" in early.text
        assert early.is_error

    def test_good(self, certificates: Certificates, tmp_path: Path) -> None:
        """Weeks before its end nothing is said."""
        _, ends_at = lifetime(certificates.certificate)

        told = self.said(certificates, tmp_path, ends_at - SOON - 1)

        assert not [remark for remark in told if "expires" in remark.text]
