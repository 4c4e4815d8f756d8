"""Clients of Kafka as they are built, and what is said of them; no broker is needed."""

import logging
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from libs.common.config.address import Url
from libs.common.config.secret import Secret
from libs.common.errors import Misconfigured
from libs.common.eventlog.kafka.clients import KafkaClients, Link
from libs.common.eventlog.kafka.settings import KafkaSettings
from libs.common.outage import Outage

URL = Url("kafka://localhost:1")


class TestClients:
    """What cannot work is found at the start."""

    def test_bad_url(self) -> None:
        with pytest.raises(Misconfigured):
            KafkaClients(Url("http://localhost"), KafkaSettings())

    def test_missing_authority(self, tmp_path: Path) -> None:
        """A file that is not there is named as the setting that it is."""
        settings = KafkaSettings(tls=True, ca=str(tmp_path / "ca.pem"))

        with pytest.raises(Misconfigured, match=r"kafka\.ca"):
            KafkaClients(URL, settings)

    def test_garbage_for_a_certificate(self, tmp_path: Path) -> None:
        """A file that is no certificate is refused at the start too."""
        garbage = tmp_path / "garbage.pem"
        garbage.write_text("garbage")
        settings = KafkaSettings(tls=True, certificate=str(garbage), certificate_key=str(garbage))

        with pytest.raises(Misconfigured, match="certificate"):
            KafkaClients(URL, settings)

    @pytest.mark.parametrize("mechanism, warned", [("PLAIN", True), ("SCRAM-SHA-256", False)])
    def test_password_in_the_clear(self, mechanism: str, warned: bool) -> None:  # noqa: FBT001
        """A password that anybody on the way can read is worth a warning."""
        settings = KafkaSettings(
            sasl_mechanism=mechanism,  # type: ignore[arg-type]
            sasl_username="user",
            sasl_password=Secret("hunter2"),
        )

        with capture_logs() as logs:
            KafkaClients(URL, settings)

        assert [entry["event"] for entry in logs] == ["events.password_exposed"] * warned
        assert "hunter2" not in str(logs)


class TestLink:
    """Lost and found are said once each."""

    @pytest.fixture(autouse=True)
    def forgotten(self) -> None:
        """Let an outage end, so that nothing is remembered of tests before this one."""
        link = Link(Outage("events"), "producer")
        link.lost(OSError())
        link.found()

    def test_said_once(self) -> None:
        link = Link(Outage("events"), "producer")

        with capture_logs() as logs:
            link.found()
            for number in range(3):
                link.lost(OSError(f"attempt {number}"))
            last = str(link.error)
            link.found()
            link.found()

        assert [entry["event"] for entry in logs] == ["backend.lost", "backend.found"]
        assert {entry["backend"] for entry in logs} == {"events"}
        assert logs[0]["reason"] == "attempt 0"
        assert logs[0]["by"] == "producer"
        assert last == "attempt 2"
        assert link.error is None

    def test_complaint_of_the_library(self) -> None:
        """What aiokafka logged last is told with it, and appears nowhere else."""
        KafkaClients(URL, KafkaSettings())
        logging.getLogger("aiokafka.client").error("Unable connect to %s", "broker:1")

        with capture_logs() as logs:
            Link(Outage("events"), "producer").lost(OSError())

        assert logs[0]["reason"] == "it fails without a word; Unable connect to broker:1"
        assert not logging.getLogger("aiokafka").propagate
