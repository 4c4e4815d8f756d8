"""Messages with half of a surrogate pair, which ``JSON.stringify`` writes where a text was cut."""

import msgspec
import pytest

from services.gateway.protocol import frames
from services.gateway.protocol.frames import Member


class TestHalfAnEmoji:
    """Half a surrogate pair passes in what nobody looks into, and is refused in what is compared."""

    HALF = r'{"t":"a\ud83d", "n":1}'

    def test_client_event(self) -> None:
        message = frames.parse(f'{{"event":"client-x","channel":"private-a","data":{self.HALF}}}')

        assert frames.client_data(message.data) == self.HALF

    def test_client_event_with_a_text(self) -> None:
        message = frames.parse(r'{"event":"client-x","channel":"private-a","data":"a\ud83d"}')

        assert frames.client_data(message.data) == "a\ud83d"

    def test_member(self) -> None:
        member = frames.parse_member(f'{{"user_id":"7","user_info":{self.HALF}}}')

        assert member == Member("7", self.HALF)
        assert (
            self.HALF.replace('"', '\\"').replace("\\u", "\\\\u")
            in frames.member_added("presence-a", member.user_id, member.info).decode()
        )

    @pytest.mark.parametrize(
        "data",
        [
            r'{"channel":"private-\ud83d"}',
            r'{"channel":"private-a","auth":"\ud83d"}',
            r'{"channel":"private-a","auth":"k:s","channel_data":"\ud83d"}',
            r'"{\"channel\":\"\ud83d\"}"',
        ],
    )
    def test_subscribe(self, data: str) -> None:
        with pytest.raises(frames.BadMessage) as caught:
            frames.parse_subscribe(msgspec.Raw(data.encode()))

        assert "truncated" not in str(caught.value)

    @pytest.mark.parametrize("text", [r'{"user_id":"\ud83d"}', r'{"user_id":"7'])
    def test_user_id(self, text: str) -> None:
        with pytest.raises(frames.BadMessage):
            frames.parse_member(text)

    def test_sign_in(self) -> None:
        with pytest.raises(frames.BadMessage):
            frames.parse_user(r'{"id":"\ud83d"}')
        assert frames.parse_user(f'{{"id":"7","user_info":{self.HALF}}}').info == self.HALF
