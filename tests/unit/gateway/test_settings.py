"""Limits and timers of the gateway."""

import msgspec
import pytest

from services.gateway.settings import GatewaySettings


class TestGatewaySettings:
    """Valid from birth."""

    def test_defaults(self) -> None:
        """
        The defaults can be written down and read back.
        """
        assert msgspec.convert(msgspec.to_builtins(GatewaySettings()), GatewaySettings) == (
            GatewaySettings()
        )

    @pytest.mark.parametrize(
        "name,value",
        [
            ("activity_timeout", 0.5),
            ("pong_timeout", 0),
            ("max_unsent", 0),
            ("max_waiting", 0),
            ("linger", -1),
            ("max_connections", "many"),
            ("unknown", 1),
        ],
    )
    def test_refused(self, name: str, value: object) -> None:
        """
        What cannot work is refused, by its name.
        """
        with pytest.raises(msgspec.ValidationError, match=name):
            msgspec.convert({name: value}, GatewaySettings)

    def test_lease(self) -> None:
        """
        A lease outlives one failed renewal.
        """
        GatewaySettings(lease_ttl=10, lease_renew=5)

        with pytest.raises(ValueError, match="lease_renew is at most half of lease_ttl"):
            GatewaySettings(lease_ttl=10, lease_renew=5.1)
