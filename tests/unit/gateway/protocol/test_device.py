"""Which device a client says that it is."""

import pytest

from services.gateway.protocol.device import device_in, device_of


class TestDeviceIn:
    """The field ``device`` of ``user_info``."""

    @pytest.mark.parametrize(
        "info, device",
        [
            ('{"name":"Ann","device":"phone"}', "phone"),
            ('{"name":"Ann"}', ""),
            ("null", ""),
            ('["device"]', ""),
            ('{"a":{"device":"phone"}}', ""),
            ('{"device":7}', ""),
            ('{"device":""}', ""),
            (f'{{"device":"{"x" * 65}"}}', ""),
            ('{"device":"a\\nb"}', ""),
            ('{"device":"\\ud83d"}', ""),
        ],
    )
    def test_text(self, info: str, device: str) -> None:
        assert device_in(info) == device

    def test_mapping(self) -> None:
        assert device_of({"device": "phone"}) == "phone"
        assert device_of({}) == device_of(None) == ""
