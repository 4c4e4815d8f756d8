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

    @pytest.mark.parametrize(
        "name",
        [
            "x-api-key",
            "X-Api-Key",
            "sessionId",
            "session",
            "PHPSESSID",
            "set-cookie",
            "sig",
            "X-Amz-Signature",
            "proxy-authorization",
            "oauth",
            "privateKey",
            "aws_access_key_id",
            "passphrase",
            "_csrf",
            "id_token_hint",
        ],
    )
    def test_names_joined_otherwise(self, name: str) -> None:
        assert of(json.dumps({name: "opaque"})) == f'{{"{name}":"{MASK}"}}'

    @pytest.mark.parametrize(
        "pair",
        [
            {"name": "X-Api-Key", "value": "opaque"},
            {"key": "authorization", "value": "opaque"},
            ["cookie", "opaque"],
        ],
    )
    def test_pairs(self, pair: Any) -> None:
        """
        A name may stand beside its value, as in lists of headers.
        """
        assert "opaque" not in of(json.dumps({"headers": [pair]}))

    @pytest.mark.parametrize(
        "url, shows",
        [
            (
                "https://a/?token=X&access_token=Y&sig=Z",
                "https://a/?token=***&access_token=***&sig=***",
            ),
            ("https://a/?X-Amz-Signature=Y", "https://a/?X-Amz-Signature=***"),
            ("see https://a/b?c=X, or /d?e=Y#f", "see https://a/b?c=*** or /d?e=***#f"),
            (
                "https://a/#access_token=X&expires_in=3",
                "https://a/#access_token=***&expires_in=***",
            ),
            ("https://a/?X", "https://a/?***"),
            ("https://a/?X&b=Y", "https://a/?***&b=***"),
            ("wss://ann:X@a:1/b", "wss://***@a:1/b"),
            ("https://a/b/c", "https://a/b/c"),
        ],
    )
    def test_urls(self, url: str, shows: str) -> None:
        """
        Of a URL no value of its query shows, whatever its name, and no login.
        """
        assert of(json.dumps({"url": url})) == f'{{"url":"{shows}"}}'

    @pytest.mark.parametrize(
        "secret",
        [
            "sk_live_51H8xYzAbCdEfGh",
            "whsec_MfKQ9r8GKYqrTwjU",
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "xoxb-17653672481-19874698323",
            "AKIAIOSFODNN7EXAMPLE",
            "0123456789abcdef" * 4,
            "8" + "a" * 39,
        ],
    )
    def test_looks_like_a_key(self, secret: str) -> None:
        text = of(json.dumps({"data": f"see {secret}, please", secret: 1}))

        assert secret not in text
        assert f"see {MASK}, please" in text

    @pytest.mark.parametrize(
        "line",
        [
            "Authorization: Bearer opaque",
            "authorization: opaque",
            "token=opaque",
            "a=b, x-api-key=opaque",
            "it sent Bearer opaque1",
            '{"token":"opaque", and no end',
            "a=1;sessionid=opaque",
        ],
    )
    def test_lines(self, line: str) -> None:
        """
        Headers, forms and JSON that broke off are searched as texts.
        """
        assert "opaque" not in of(json.dumps({"data": line}))

    @pytest.mark.parametrize(
        "text",
        [
            "basic understanding of it: none",
            "Who? me & you; a = b",
            "4f8b1c9e-6a1d-4a2b-9a39-1c2d3e4f5a6b",
            "0af7651916cd43dd8448eb211c80319c",
            "App.Events.TheOrderOfACustomerWasShippedYesterday",
            "author: Ann",
        ],
    )
    def test_other_texts(self, text: str) -> None:
        assert of(json.dumps({"data": text})) == json.dumps({"data": text}, separators=(",", ":"))

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

    def test_marks_alone(self) -> None:
        """
        A million question marks are looked at once each: hours, if each were a query's begin.
        """
        text = of(json.dumps({"data": f"://{'?' * 1_000_000}="}))

        assert text.startswith('{"data":"://???')


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
