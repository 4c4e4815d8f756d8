"""What the log shows of frames."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.debugging.frames import LONGEST, MASK, UNREADABLE, channel_of, read, shown

JWT = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"
SIGNATURE = "app-key:" + "0123456789abcdef" * 4


def of(frame: bytes | str) -> str:
    return shown(read(frame if isinstance(frame, bytes) else frame.encode()))


def subscribe(auth: str, **data: Any) -> dict[str, Any]:
    return {"event": "pusher:subscribe", "data": {"channel": "private-x", "auth": auth, **data}}


class TestSecrets:
    """No token and no signature is shown."""

    @pytest.mark.parametrize("auth", [JWT, SIGNATURE, "opaque"])
    def test_subscribe(self, auth: str) -> None:
        """
        Of a subscription all is shown but what permits it.
        """
        text = of(json.dumps(subscribe(auth, channel_data='{"user_id":"ann"}')))

        assert auth not in text
        assert "private-x" in text
        assert "ann" in text

    def test_as_text(self) -> None:
        """
        Data that is a text with JSON, as libraries send it, is searched too.
        """
        data = json.dumps({"auth": "opaque", "user_data": json.dumps({"id": "1", "token": "deep"})})
        text = of(json.dumps({"event": "pusher:signin", "data": data}))

        assert "opaque" not in text
        assert "deep" not in text
        assert "user_data" in text

    def test_spelt_otherwise(self) -> None:
        """
        An escape in the name hides nothing.
        """
        assert "opaque" not in of('{"data":{"\\u0061uth":"opaque"}}')

    @pytest.mark.parametrize(
        "name",
        ["auth", "Authorization", "access_token", "refreshToken", "client_secret", "password"],
    )
    def test_names(self, name: str) -> None:
        assert (
            of(json.dumps({"data": [{name: {"a": "opaque"}}]}))
            == f'{{"data":[{{"{name}":"{MASK}"}}]}}'
        )

    @pytest.mark.parametrize("name", ["author", "authored_at", "id", "key"])
    def test_other_names(self, name: str) -> None:
        assert of(json.dumps({name: "x"})) == f'{{"{name}":"x"}}'

    @pytest.mark.parametrize("secret", [JWT, SIGNATURE])
    def test_looks_like_one(self, secret: str) -> None:
        """
        What looks like a token or a signature is left out wherever it stands.
        """
        assert (
            of(json.dumps({"data": f"see {secret}, please"})) == f'{{"data":"see {MASK}, please"}}'
        )

    def test_deep(self) -> None:
        """
        What lies too deep to be searched is left out.
        """
        text = '{"auth":"opaque"}'
        for _ in range(30):
            text = f'{{"a":{text}}}'

        assert "opaque" not in of(text)

    @given(
        st.recursive(st.text(), lambda inner: st.dictionaries(st.text(), inner) | st.lists(inner))
    )
    def test_anything(self, data: Any) -> None:
        """
        Under whatever it stands, the value of ``auth`` does not show.
        """
        document = {"data": data, "more": json.dumps([data, {"auth": "0p4que!"}])}

        assert "0p4que!" not in shown(read(json.dumps(document).encode()), longest=10**6)


class TestShown:
    """The text."""

    @pytest.mark.parametrize("frame", [b"", b"{", b"\xff", b"[" * 100_000])
    def test_no_json(self, frame: bytes) -> None:
        """
        Nothing is shown of what cannot be searched.
        """
        assert of(frame) == UNREADABLE

    def test_long(self) -> None:
        """
        It is cut, and says by how much.
        """
        text = of(json.dumps({"data": "x" * 1000}))

        assert text.startswith('{"data":"xxx')
        assert text.endswith(f"… ({1000 + 11 - LONGEST} more)")


class TestChannel:
    """Which channel a frame is about."""

    @pytest.mark.parametrize(
        "document",
        [
            {"event": "client-x", "channel": "private-x"},
            subscribe("opaque"),
            {"event": "pusher:unsubscribe", "data": '{"channel":"private-x"}'},
        ],
    )
    def test_of(self, document: Any) -> None:
        assert channel_of(document) == "private-x"

    @pytest.mark.parametrize(
        "document", [None, [], {}, {"channel": 1}, {"data": "x"}, {"data": {"channel": None}}]
    )
    def test_none(self, document: Any) -> None:
        assert channel_of(document) == ""
