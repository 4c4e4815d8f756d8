"""Devices of users, as the roster keeps them."""

import pytest

from libs.common.roster.device import LONGEST, OTHERS, Device, is_name, read


class TestDevice:
    """What is written of one is read again."""

    @pytest.mark.parametrize(
        "device, info",
        [
            (Device(), '{"activity":"active"}'),
            (Device("phone"), '{"device":"phone","activity":"active"}'),
            (Device('"Zoë"', is_away=True), '{"device":"\\"Zoë\\"","activity":"away"}'),
        ],
    )
    def test_info(self, device: Device, info: str) -> None:
        assert device.written() == info
        assert read(info) == device


class TestIsName:
    """Short texts that can be printed."""

    @pytest.mark.parametrize("text", ["phone", "Ann's tablet", "x" * LONGEST])
    def test_good(self, text: str) -> None:
        assert is_name(text)

    @pytest.mark.parametrize("text", ["", "x" * (LONGEST + 1), "a\nb", OTHERS, 7, None, ["phone"]])
    def test_bad(self, text: object) -> None:
        assert not is_name(text)
