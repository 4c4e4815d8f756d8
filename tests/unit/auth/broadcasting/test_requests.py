"""Bodies of the auth endpoints."""

from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.channels import BadSocketId
from services.auth.bodies import FORM, JSON, MAX_FIELDS, BadBody, UnknownMediaType
from services.auth.broadcasting.requests import MOST_CHANNELS, Fields, parse


class TestParse:
    """docs/protocol.md, "Client-side auth endpoints"."""

    @pytest.mark.parametrize("media_type", [FORM, ""])
    def test_form(self, media_type: str) -> None:
        """pusher-js posts a form."""
        body = b"socket_id=1.2&channel_name=private-a%3Db.c%40d&extra=1"

        assert parse(body, media_type) == Fields("1.2", "private-a=b.c@d")

    def test_json(self) -> None:
        """Custom authorizers post JSON."""
        body = b'{"socket_id":"1.2","channel_name":"private-x","extra":{"a":[1]}}'

        assert parse(body, JSON) == Fields("1.2", "private-x")

    def test_sign_in(self) -> None:
        """A sign-in names no channel."""
        assert parse(b"socket_id=1.2", FORM) == Fields("1.2", "")

    @pytest.mark.parametrize(
        "body,media_type",
        [
            (b"socket_id=1.2&channel_name[]=private-a&channel_name[]=b&extra[]=1", FORM),
            (b"socket_id=1.2&channel_name%5B%5D=private-a&channel_name%5B%5D=b", FORM),
            (b'{"socket_id":"1.2","channels":["private-a","b"]}', JSON),
        ],
    )
    def test_several(self, body: bytes, media_type: str) -> None:
        """One request may ask for several channels."""
        assert parse(body, media_type) == Fields("1.2", channels=("private-a", "b"))

    def test_most(self) -> None:
        """A form takes as many channels as JSON does."""
        names = [f"private-{number}" for number in range(MOST_CHANNELS)]
        form = "&".join(["socket_id=1.2", *(f"channel_name[]={name}" for name in names)])

        assert parse(form.encode(), FORM).channels == tuple(names)

    def test_not_several(self) -> None:
        """Only JSON has lists by this name."""
        assert parse(b"socket_id=1.2&channels=private-a", FORM) == Fields("1.2")

    @pytest.mark.parametrize(
        "body,media_type",
        [
            (b"", FORM),
            (b"socket_id=1.2&channel_name=a&channel_name[]=b", FORM),
            (b"socket_id=1.2" + b"&channel_name[]=a" * (MOST_CHANNELS + 1), FORM),
            (b'{"socket_id":"1.2","channels":[]}', JSON),
            (b'{"socket_id":"1.2","channels":[1]}', JSON),
            (b'{"socket_id":"1.2","channels":"private-a"}', JSON),
            (b'{"socket_id":"1.2","channel_name":"a","channels":["b"]}', JSON),
            (b'{"socket_id":"1.2","channels":[' + b'"a",' * MOST_CHANNELS + b'"a"]}', JSON),
            (b"channel_name=private-x", FORM),
            (b"socket_id=\xff", FORM),
            (b"&".join([b"a=1"] * (MAX_FIELDS + 1)), FORM),
            (b"", JSON),
            (b"[]", JSON),
            (b"{}", JSON),
            (b'{"socket_id":1.2}', JSON),
            (b'{"socket_id":"1.2","channel_name":["private-x"]}', JSON),
            (b'{"socket_id":"\xff"}', JSON),
            (b'{"a":' + b"[" * 5000, JSON),
            (b"socket_id=1.2", JSON),
        ],
    )
    def test_bad_body(self, body: bytes, media_type: str) -> None:
        with pytest.raises(BadBody):
            parse(body, media_type)

    @pytest.mark.parametrize("media_type", ["text/plain", "multipart/form-data", "application/xml"])
    def test_unknown_media_type(self, media_type: str) -> None:
        with pytest.raises(UnknownMediaType):
            parse(b"socket_id=1.2", media_type)

    def test_says_which_field(self) -> None:
        with pytest.raises(BadBody, match="socket_id"):
            parse(b"channel_name=private-x", FORM)

    @pytest.mark.parametrize("socket_id", ["", "1", "1.2 ", "1.2:presence-x", "1.2\n", "a.b"])
    def test_socket_id(self, socket_id: str) -> None:
        """What could smuggle a separator into what is signed is refused, however it is posted."""
        with pytest.raises(BadSocketId):
            parse(urlencode({"socket_id": socket_id, "channel_name": "private-x"}).encode(), FORM)
        with pytest.raises(BadSocketId):
            parse(msgspec.json.encode({"socket_id": socket_id, "channels": ["private-x"]}), JSON)

    @given(st.binary(max_size=300), st.sampled_from([FORM, JSON, ""]))
    def test_any_bytes(self, body: bytes, media_type: str) -> None:
        """Whatever is posted is read, or refused as the peer's fault."""
        try:
            fields = parse(body, media_type)
        except (BadBody, BadSocketId):
            return
        assert isinstance(fields.socket_id, str)
