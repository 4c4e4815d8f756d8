"""How many frames a client may send."""

import pytest

from libs.common.apps.limits import Limits
from services.gateway.intake.allowance import UNLIMITED, allowance_of, is_signed

SUBSCRIBE = b'{"event":"pusher:subscribe","data":{"auth":"key:0f","channel":"private-a"}}'


def rate_and_burst(limits: Limits, frames: float = 100.0, burst: int = 400) -> tuple[int, int]:
    gap, span = allowance_of(limits, frames, burst)
    return round(1 / gap), round(span / gap)


class TestAllowance:
    """What is allowed, by the limits of the app and of the gateway."""

    def test_gateway(self) -> None:
        """An app that allows little gets what the gateway allows every client."""
        assert rate_and_burst(Limits(channels=10, client_events=1)) == (100, 400)

    def test_channels(self) -> None:
        """At once a client may subscribe to all its channels with a signature, and sign in."""
        assert rate_and_burst(Limits(channels=500, client_events=0)) == (100, 5 * 501)

    def test_client_events(self) -> None:
        """A client may send twice as many client events as its app lets pass, if each looks as if it were signed."""
        rate, burst = rate_and_burst(Limits(channels=10, client_events=50))

        assert rate == 2 * 5 * 50
        assert burst == 5 * 11 + rate

    @pytest.mark.parametrize("channels", [0, -1])
    def test_any_number_of_channels(self, channels: int) -> None:
        """Where an app has no limit, very many are reckoned with."""
        assert rate_and_burst(Limits(channels=channels, client_events=-1)) == (100, 5 * 1001)

    @pytest.mark.parametrize("frames", [0.0, -1.0])
    def test_lifted(self, frames: float) -> None:
        """The gateway's limit may be lifted."""
        assert allowance_of(Limits(), frames, 400) == UNLIMITED


class TestSigned:
    """Which texts have a signature."""

    @pytest.mark.parametrize(
        "text",
        [
            SUBSCRIBE,
            SUBSCRIBE.replace(b'"auth"', b'"auth" '),
            SUBSCRIBE.replace(b"auth", b"\\u0061uth"),
            SUBSCRIBE.replace(b"auth", b"aut\\u0068"),
            b'{"event":"pusher:signin","data":"{\\"auth\\":\\"key:0f\\",\\"user_data\\":\\"{}\\"}"}',
        ],
    )
    def test_signed(self, text: bytes) -> None:
        """However the name is written."""
        assert is_signed(text)

    @pytest.mark.parametrize(
        "text",
        [
            b'{"event":"pusher:ping","data":{}}',
            b'{"event":"pusher:subscribe","data":{"channel":"news"}}',
            b'{"event":"client-said","channel":"private-a","data":"my auth \\u2603"}',
        ],
    )
    def test_not_signed(self, text: bytes) -> None:
        """Other texts have none."""
        assert not is_signed(text)
