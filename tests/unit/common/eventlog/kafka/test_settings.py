"""The grammar of Kafka's URL, and what its settings must agree on."""

from typing import Any

import pytest

from libs.common.config.secret import Secret
from libs.common.errors import Misconfigured
from libs.common.eventlog.kafka.settings import KafkaSettings, servers


class TestUrl:
    """``kafka://host[:port],host[:port]``."""

    @pytest.mark.parametrize(
        "url, expected",
        [
            ("kafka://one", ["one:9092"]),
            ("kafka://one:1,two:2", ["one:1", "two:2"]),
            ("kafka://one:1, two", ["one:1", "two:9092"]),
            ("kafka://[::1]:1,[::1]", ["[::1]:1", "[::1]:9092"]),
        ],
    )
    def test_good(self, url: str, expected: list[str]) -> None:
        assert servers(url) == expected

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "one:9092",
            "redis://one",
            "kafka://",
            "kafka://:9092",
            "kafka://one,",
            "kafka://one:",
            "kafka://one:0",
            "kafka://one:65536",
            "kafka://one:port",
            "kafka://one:٣",
            "kafka://::1",
            "kafka://[]:9092",
            "kafka://one/topic",
            "kafka://one?tls=true",
            "kafka://one#",
        ],
    )
    def test_bad(self, url: str) -> None:
        with pytest.raises(Misconfigured, match="Kafka URL"):
            servers(url)

    def test_password(self) -> None:
        """A password has no place in the URL, and is not repeated by the error."""
        with pytest.raises(Misconfigured, match="sasl_password") as refusal:
            servers("kafka://user:hunter2@one")

        assert "hunter2" not in str(refusal.value)


class TestSettings:
    """Settings that cannot work together say so."""

    def test_defaults(self) -> None:
        assert KafkaSettings().session_timeout == 20

    @pytest.mark.parametrize(
        "settings, named",
        [
            ({"sasl_mechanism": "PLAIN"}, "sasl_username"),
            ({"sasl_mechanism": "PLAIN", "sasl_username": "user"}, "sasl_password"),
            ({"sasl_username": "user", "sasl_password": Secret("x")}, "sasl_mechanism"),
            ({"ca": "ca.pem"}, "tls"),
            ({"certificate": "c.pem", "certificate_key": "k.pem"}, "tls"),
            ({"tls": True, "certificate": "c.pem"}, "certificate_key"),
            ({"tls": True, "certificate_key": "k.pem"}, "certificate"),
            ({"session_timeout": 8.9}, "heartbeat_interval"),
            ({"release_timeout": 9.0}, "rebalance_timeout"),
            ({"request_timeout": 12.0}, "request_timeout"),
        ],
    )
    def test_contradictions(self, settings: dict[str, Any], named: str) -> None:
        with pytest.raises(ValueError, match=named):
            KafkaSettings(**settings)

    def test_secret_stays_secret(self) -> None:
        """The password is not shown with the settings."""
        settings = KafkaSettings(
            sasl_mechanism="PLAIN", sasl_username="user", sasl_password=Secret("hunter2")
        )

        assert "hunter2" not in repr(settings)
