"""Pusher's signatures, against the vectors of the protocol's documentation."""

import hashlib
from collections.abc import Sequence
from urllib.parse import quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.apps.app import App
from libs.common.apps.signatures import (
    BadSignature,
    channel_text,
    check_digest,
    check_head,
    check_signature,
    check_token,
    parse_query,
    request_text,
    sign,
    token,
    user_text,
)
from libs.common.channels import BadSocketId
from libs.common.config.secret import Secret
from libs.common.errors import Denied, Invalid

KEY, SECRET = "278d425bdf160c739803", "7ad3773142a6692b25b8"
APP = App(id="3", key=KEY, secrets=(Secret(SECRET),))
ROTATED = App(id="3", key=KEY, secrets=(Secret("new"), Secret(SECRET)))

BODY = b'{"name":"foo","channels":["project-3"],"data":"{\\"some\\":\\"data\\"}"}'
BODY_MD5 = "ec365a775a4cd0599faeb73354201b6f"
EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"
AT = 1353088179
PATH = "/apps/3/events"
PARAMS = [
    ("auth_key", KEY),
    ("auth_timestamp", str(AT)),
    ("auth_version", "1.0"),
    ("body_md5", BODY_MD5),
]
WEBHOOK = '{"time_ms":1327078148132,"events":[{"name":"channel_occupied","channel":"my-channel"}]}'
SIGNATURE = "da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"


def encoded(params: Sequence[tuple[str, str]]) -> str:
    return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in params)


def signed(
    params: Sequence[tuple[str, str]], *, method: str = "POST", path: str = PATH, app: App = APP
) -> str:
    """Make the query string of a request, signed as SDKs do."""
    signature = sign(app.secrets[0].reveal(), request_text(method, path, params))
    return encoded([*params, ("auth_signature", signature)])


def check(
    raw_query: str,
    *,
    method: str = "POST",
    paths: Sequence[str] = (PATH,),
    body: bytes = BODY,
    now: float = AT,
) -> None:
    has_body = bool(body)
    digest = check_head(APP, method, paths, raw_query=raw_query, has_body=has_body, now=now)
    check_digest(digest, body)


class TestVectors:
    """docs/protocol.md, "Signatures"."""

    @pytest.mark.parametrize(
        "text,signature",
        [
            (
                channel_text("1234.1234", "private-foobar"),
                "58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4",
            ),
            (
                user_text("1234.1234", '{"id":"12345"}'),
                "4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba",
            ),
            (
                channel_text(
                    "1234.1234",
                    "presence-foobar",
                    '{"user_id":10,"user_info":{"name":"Mr. Channels"}}',
                ),
                "31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80",
            ),
            (
                WEBHOOK,
                "c19001ae3963ccb13bf618e5b16ba9848e7e74df0993aa0689168e341c6833cf",
            ),
            (request_text("POST", PATH, PARAMS), SIGNATURE),
        ],
        ids=["private", "user", "presence", "webhook", "request"],
    )
    def test_signature(self, text: str, signature: str) -> None:
        """
        Each text that the protocol signs gives the documented signature.
        """
        assert sign(SECRET, text) == signature
        check_signature(APP, signature, text)

    def test_body(self) -> None:
        """
        The documented digest is that of the documented body.
        """
        assert hashlib.md5(BODY, usedforsecurity=False).hexdigest() == BODY_MD5

    def test_request(self) -> None:
        """
        The documented request is accepted.
        """
        check(encoded([*PARAMS, ("auth_signature", SIGNATURE)]))


class TestTexts:
    """What is signed cannot be mistaken for something else."""

    @pytest.mark.parametrize("socket_id", ["", "1", "1.2:private-x", "1.2\n", "a.b", "1.2.3"])
    def test_bad_socket_id(self, socket_id: str) -> None:
        """
        A socket id with a separator in it would let one token stand for another.
        """
        with pytest.raises(BadSocketId):
            channel_text(socket_id, "private-x")
        with pytest.raises(BadSocketId):
            user_text(socket_id, "{}")

    def test_empty_channel_data(self) -> None:
        """
        Empty channel data is signed, absent channel data is not.
        """
        assert channel_text("1.2", "presence-x", "") == "1.2:presence-x:"
        assert channel_text("1.2", "presence-x") == "1.2:presence-x"


class TestToken:
    """Tokens that clients present."""

    def test_made_and_checked(self) -> None:
        """
        A token is the key and the signature of the first secret.
        """
        made = token(ROTATED, "1.2:private-x")

        assert made == f"{KEY}:{sign('new', '1.2:private-x')}"
        check_token(ROTATED, made, "1.2:private-x")

    def test_rotation(self) -> None:
        """
        A token of a secret that is being retired is good.
        """
        check_token(ROTATED, token(APP, "1.2:private-x"), "1.2:private-x")

    @pytest.mark.parametrize(
        "received",
        [
            "",
            ":",
            KEY,
            f"{KEY}:",
            f"{KEY}:{'0' * 64}",
            f"other:{sign(SECRET, 'text')}",
            sign(SECRET, "text"),
            f"{KEY}:{sign(SECRET, 'text').upper()}",
            f"{KEY}:{sign(SECRET, 'text')} ",
            f"{KEY}:é",
            "é:x",
            f"{KEY}:\ud800",
        ],
    )
    def test_bad(self, received: str) -> None:
        """
        Another key, another signature, or none at all is refused.
        """
        with pytest.raises(BadSignature):
            check_token(APP, received, "text")

    def test_none(self) -> None:
        """
        Where there is no token, that is what is said.
        """
        with pytest.raises(BadSignature, match=r"^a token is missing$"):
            check_token(APP, "", "text")

    def test_another_text(self) -> None:
        """
        A token is good for what it was made over, alone.
        """
        with pytest.raises(BadSignature):
            check_token(APP, token(APP, "1.2:private-x"), "1.2:private-y")


class TestRequestText:
    """docs/protocol.md, "HTTP query"."""

    def test_sorted_and_lower_case(self) -> None:
        """
        Names are lower-cased and sorted, values stay as they are, the signature is left out.
        """
        query = [("b", "2 &"), ("A", "É"), ("auth_Signature", "x"), ("c", "")]

        assert request_text("GET", "/apps/3", query) == "GET\n/apps/3\na=É&b=2 &&c="


class TestParseQuery:
    """A query string, as received."""

    @pytest.mark.parametrize(
        "raw,pairs",
        [
            ("", []),
            ("a=1&b=2", [("a", "1"), ("b", "2")]),
            ("a=1&a=2", [("a", "1"), ("a", "2")]),
            ("a=x%20y+z&b%3D=%26", [("a", "x y z"), ("b=", "&")]),
            ("a&b=&=c&&d==e", [("a", ""), ("b", ""), ("", "c"), ("d", "=e")]),
        ],
    )
    def test_pairs(self, raw: str, pairs: list[tuple[str, str]]) -> None:
        """
        It is decoded in order; nothing is dropped, however odd.
        """
        assert parse_query(raw) == pairs


ANY_TEXT = st.text(st.characters(), max_size=20)
NAMES = st.sampled_from([*(name for name, _ in PARAMS), "auth_signature", "AUTH_KEY", "info", ""])
VALUES = ANY_TEXT | st.sampled_from([*(value for _, value in PARAMS), SIGNATURE, EMPTY_MD5, "%ff"])


NEARLY_RIGHT = st.tuples(
    *(st.tuples(st.just(name), st.just(value) | VALUES) for name, value in PARAMS),
    st.tuples(st.just("auth_signature"), VALUES),
)


class TestAnything:
    """Whatever is sent: accepted or refused, never a crash."""

    @settings(max_examples=300)
    @given(
        raw_query=ANY_TEXT
        | (st.lists(st.tuples(NAMES | ANY_TEXT, VALUES), max_size=7) | NEARLY_RIGHT).map(
            lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)
        ),
        path=ANY_TEXT,
        body=st.binary(max_size=20) | st.just(BODY),
        now=st.floats(0, 4e9) | st.just(float(AT)),
    )
    def test_request(self, raw_query: str, path: str, body: bytes, now: float) -> None:
        """
        Without the secret no request is accepted, and each is refused with a reason.
        """
        with pytest.raises((Denied, Invalid)):
            check(raw_query, paths=[path, "/"], body=body, now=now)

    @settings(max_examples=200)
    @given(
        pairs=st.lists(st.tuples(ANY_TEXT.filter(lambda name: "_" not in name), ANY_TEXT)),
        path=ANY_TEXT,
    )
    def test_signed_request(self, pairs: list[tuple[str, str]], path: str) -> None:
        """
        With it, any request is accepted, whatever else it says.
        """
        pairs = [(_on_the_wire(name), _on_the_wire(value)) for name, value in pairs]

        check(signed([*PARAMS, *pairs], path=path), paths=["/other", path])

    @settings(max_examples=200)
    @given(received=ANY_TEXT, text=ANY_TEXT)
    def test_token(self, received: str, text: str) -> None:
        """
        No token is accepted that was not made with the secret.
        """
        with pytest.raises(BadSignature):
            check_token(APP, f"{KEY}:{received}", text)
        check_token(APP, token(APP, text), text)


def _on_the_wire(text: str) -> str:
    """Leave out what percent-encoding cannot say."""
    return text.encode(errors="ignore").decode()
