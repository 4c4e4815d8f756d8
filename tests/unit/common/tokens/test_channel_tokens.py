"""Channel tokens: issued, verified, and what they permit."""

import hmac
import string
from typing import Any

import jwt
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.apps.app import App
from libs.common.apps.signatures import token as pusher_token
from libs.common.config.secret import Secret
from libs.common.tokens.channel_tokens import (
    LEEWAY,
    MAX_PATTERN,
    MAX_PATTERNS,
    ChannelToken,
    LongLife,
    LongToken,
    StaleToken,
    TokenRequest,
    hint,
    issue,
    looks_like_token,
    new_jti,
    permits,
    verify,
)
from libs.common.tokens.key_ring import TYPE, BadChannelToken, KeyRing, NoSigningKey
from libs.common.tokens.keys import Algorithm
from tests.support.tokens.keys import (
    ALGORITHMS,
    NOW,
    app_key,
    forged,
    pair,
    payload,
    segment,
    settings,
    token_key,
)

ONE = App(id="1", key="one", secrets=(Secret("s"),))
TWO = App(id="2", key="two", secrets=(Secret("s"),))
RING = KeyRing(settings())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = string.ascii_letters + string.digits + "_-=@,.;"
GRANTS = st.builds(
    TokenRequest,
    user=st.text(st.characters(codec="utf-8"), min_size=1, max_size=128).filter(str.isprintable),
    user_info=st.dictionaries(st.text(), JSON, max_size=3),
    claims=st.dictionaries(st.text(), JSON, max_size=3),
    channels=st.lists(st.text(NAMES + "*", min_size=1, max_size=30), max_size=5).map(tuple),
    ttl=st.none() | st.floats(1, 86_400),
)


def grant(**others: Any) -> TokenRequest:
    return msgspec.convert({"user": "7"} | others, TokenRequest)


def refusal(text: str, *, app: App = ONE, now: float = NOW, ring: KeyRing = RING) -> str:
    with pytest.raises(BadChannelToken) as raised:
        verify(text, ring, app=app, now=now)
    return str(raised.value)


def holding(*channels: str) -> ChannelToken:
    return verify(forged(payload(channels=channels)), RING, app=ONE, now=NOW)


class TestIssue:
    """What is issued is believed, until it expires."""

    @given(asked=GRANTS, now=st.floats(0, 4e9), sort=st.sampled_from(ALGORITHMS))
    def test_round_trip(self, asked: TokenRequest, now: float, sort: Algorithm) -> None:
        """A token says what was asked for, and is good from its first instant on."""
        ring = KeyRing(settings(token_key(algorithm=sort)))

        text, issued = issue(asked, ring, app_id="1", now=now, jti=new_jti())
        read = verify(text, ring, app=ONE, now=now)

        assert read == issued
        assert (read.app, read.user, read.channels) == ("1", asked.user, asked.channels)
        assert (read.user_info, read.claims) == (asked.user_info, asked.claims)
        assert now - 0.002 <= read.issued_at <= now
        assert read.expires_at - read.issued_at <= (asked.ttl or ring.ttl)
        with pytest.raises(StaleToken):
            verify(text, ring, app=ONE, now=read.expires_at)

    @given(ttl=st.floats(1, 1e7), now=st.floats(0, 4e9))
    def test_longest(self, ttl: float, now: float) -> None:
        """A token of the longest time that the settings allow is good, whatever that is."""
        ring = KeyRing(settings(ttl=ttl, max_ttl=ttl))

        text, _ = issue(grant(), ring, app_id="1", now=now, jti="j")

        assert verify(text, ring, app=ONE, now=now)

    def test_usual_time(self) -> None:
        _, token = issue(grant(), RING, app_id="1", now=NOW, jti="j")

        assert token.expires_at == NOW + 3600

    def test_too_long_a_time(self) -> None:
        with pytest.raises(LongLife, match="86400"):
            issue(grant(ttl=86_401), RING, app_id="1", now=NOW, jti="j")

    def test_largest(self) -> None:
        """A hundred patterns of two hundred characters fit."""
        patterns = tuple(f"{number:0{MAX_PATTERN}}" for number in range(MAX_PATTERNS))

        text, _ = issue(grant(channels=patterns), RING, app_id="1", now=NOW, jti="j")

        assert verify(text, RING, app=ONE, now=NOW).channels == patterns

    def test_too_large(self) -> None:
        with pytest.raises(LongToken):
            issue(grant(claims={"x": "y" * 24_000}), RING, app_id="1", now=NOW, jti="j")

    def test_nobody_signs(self) -> None:
        ring = KeyRing(settings(token_key(signs=False)))

        with pytest.raises(NoSigningKey):
            issue(grant(), ring, app_id="1", now=NOW, jti="j")

    def test_names(self) -> None:
        """A name has 128 random bits, so that nobody guesses it."""
        names = {new_jti() for _ in range(100)}

        assert len(names) == 100
        assert {len(name) for name in names} == {22}

    @pytest.mark.parametrize(
        "fields",
        [
            {"user": ""},
            {"user": 7},
            {"user": "x" * 129},
            {"user": "a\nb"},
            {"user_info": []},
            {"claims": None},
            {"channels": "private-a"},
            {"channels": [""]},
            {"channels": ["private a"]},
            {"channels": ["#server-to-user-7"]},
            {"channels": ["private-?"]},
            {"channels": ["x" * (MAX_PATTERN + 1)]},
            {"channels": ["x"] * (MAX_PATTERNS + 1)},
            {"ttl": 0},
            {"ttl": -1},
            {"ttl": "60"},
            {"time_to_live": 60},
        ],
    )
    def test_what_cannot_be_asked_for(self, fields: dict[str, Any]) -> None:
        with pytest.raises(msgspec.ValidationError):
            grant(**fields)

    def test_other_libraries(self) -> None:
        """What is issued is an ordinary JWT."""
        text, token = issue(grant(), RING, app_id="1", now=NOW, jti="j")

        said = jwt.decode(
            text,
            pair("EdDSA")[0],
            algorithms=["EdDSA"],
            audience="1",
            issuer="fanfare",
            options={"verify_exp": False},
        )

        assert jwt.get_unverified_header(text)["typ"] == TYPE
        assert said["exp"] == token.expires_at
        assert isinstance(said["exp"], int)


class TestVerify:
    """Whatever is not as it must be is refused, in words that quote nothing."""

    @pytest.mark.parametrize(
        "others,expected",
        [
            ({"iss": "other"}, "another issuer"),
            ({"aud": "2"}, "another app"),
            ({"aud": []}, "another app"),
            ({"aud": ["2", "11"]}, "another app"),
            ({"exp": NOW}, "expired"),
            ({"exp": NOW - 1}, "expired"),
            ({"exp": NOW + 86_401}, "more than 86400 seconds"),
            ({"exp": NOW + 60, "iat": NOW - 86_400}, "more than 86400 seconds"),
            ({"iat": NOW + LEEWAY + 1}, "in the future"),
            ({"nbf": NOW + LEEWAY + 1}, "not valid yet"),
            ({"exp": "soon"}, "$.exp"),
            ({"sub": 7}, "$.sub"),
            ({"sub": ""}, "$.sub"),
            ({"sub": "x" * 129}, "$.sub"),
            ({"sub": "a\x00b"}, "printed"),
            ({"jti": ""}, "$.jti"),
            ({"jti": "x" * 129}, "$.jti"),
            ({"channels": ["x"] * 101}, "$.channels"),
            ({"channels": ["x" * 201]}, "$.channels"),
            ({"channels": ["a b"]}, "pattern"),
            ({"channels": "*"}, "$.channels"),
            ({"user_info": "Ann"}, "$.user_info"),
            ({"claims": [1]}, "$.claims"),
        ],
    )
    def test_claims(self, others: dict[str, Any], expected: str) -> None:
        """A token that is signed well is still looked at."""
        assert expected in refusal(forged(payload(**others)))

    @pytest.mark.parametrize("name", ["iss", "aud", "sub", "jti", "iat", "exp"])
    def test_required(self, name: str) -> None:
        assert f"missing required field `{name}`" in refusal(forged(payload(**{name: None})))

    @pytest.mark.parametrize(
        "text", [b"", b"[]", b"null", b"\xff", b"[" * 5000, b'{"claims":' + b'{"a":' * 4000]
    )
    def test_no_claims(self, text: bytes) -> None:
        assert "claims" in refusal(forged(text))

    @pytest.mark.parametrize("instant", ["1e999", "-1e999", "9" * 400, "-" + "9" * 400])
    @pytest.mark.parametrize("name", ["iat", "exp", "nbf"])
    def test_no_instant(self, name: str, instant: str) -> None:
        """A number beyond all bounds lets no token live longer."""
        said = payload(**{name: 4711}) | {"exp": NOW + 60, "iat": NOW}
        text = msgspec.json.encode(said | {name: 4711}).replace(b"4711", instant.encode())
        if name == "nbf" and instant.startswith("-"):
            return  # Good since ever.

        refusal(forged(text))

    def test_clocks(self) -> None:
        """An issuer's clock may be ahead by as much as half a minute."""
        text = forged(payload(iat=NOW + LEEWAY, nbf=NOW + LEEWAY))

        assert verify(text, RING, app=ONE, now=NOW)

    def test_several_audiences(self) -> None:
        """RFC 7519, 4.1.3: a list is as good as a text."""
        assert verify(forged(payload(aud=["9", "1"])), RING, app=ONE, now=NOW).app == "1"

    def test_other_claims(self) -> None:
        """RFC 7519, 4: claims that are not understood are ignored."""
        assert verify(forged(payload(scope="all")), RING, app=ONE, now=NOW).claims == {}

    def test_unsigned(self) -> None:
        """RFC 8725, 2.1: "none" is no algorithm."""
        text = jwt.encode(payload(), "", "none", headers={"kid": "a", "typ": TYPE})

        assert "another algorithm" in refusal(text)

    def test_public_key_as_secret(self) -> None:
        """RFC 8725, 2.1: who knows the public key signs nothing with it."""
        header = {"alg": "HS256", "kid": "a", "typ": TYPE}
        signed = b".".join(segment(msgspec.json.encode(part)) for part in (header, payload()))
        signature = hmac.digest(pair("RS256")[0].encode(), signed, "sha256")
        text = (signed + b"." + segment(signature)).decode()
        ring = KeyRing(settings(token_key(algorithm="RS256")))

        assert "another algorithm" in refusal(text, ring=ring)

    def test_app_issuer(self) -> None:
        """A token of an app's own issuer says who that is, and is good for that app alone."""
        app = msgspec.structs.replace(ONE, token_keys=(app_key(issuer="https://login.example"),))
        text = forged(payload(iss="https://login.example"), kid="own", number=9)

        assert verify(text, RING, app=app, now=NOW).issuer == "https://login.example"
        assert "another issuer" in refusal(forged(kid="own", number=9), app=app)
        assert "not known" in refusal(text, app=ONE)
        other = msgspec.structs.replace(app, id="2")
        assert "another app" in refusal(text, app=other)

    def test_other_app(self) -> None:
        """A token of the deployment is good for the app that it names."""
        assert "another app" in refusal(forged(), app=TWO)

    @given(sub=st.text(min_size=4), jti=st.text(min_size=4), channel=st.text(min_size=4))
    def test_quotes_nothing(self, sub: str, jti: str, channel: str) -> None:
        """Reasons are told to peers and to the log."""
        marked = [f"<{text}>" for text in (sub, jti, channel)]
        claims = payload(sub=marked[0], jti=marked[1], channels=[marked[2]], exp=NOW)
        try:
            text = forged(claims)
        except UnicodeEncodeError:
            return

        reason = refusal(text)

        assert not any(value in reason for value in marked)


class TestHint:
    """What a token says of itself, as far as one can tell."""

    def test_unverified(self) -> None:
        """No key is asked."""
        said = hint(forged(payload(jti="name", exp=5), number=3, kid="unheard of"))

        assert said == (("1",), "name", 5.0)

    @pytest.mark.parametrize("text", ["", "a.b.c", "key:signature", forged(payload(jti=None))])
    def test_no_token(self, text: str) -> None:
        assert hint(text) is None


class TestLooks:
    """Which of the two ways to prove a right a client uses."""

    @given(asked=GRANTS)
    def test_token(self, asked: TokenRequest) -> None:
        assert looks_like_token(issue(asked, RING, app_id="1", now=NOW, jti="j")[0])

    @given(key=st.text(min_size=1), text=st.text(st.characters(codec="utf-8")))
    def test_signature(self, key: str, text: str) -> None:
        """Pusher's, whatever an app's key may be."""
        app = msgspec.structs.replace(ONE, key=key)

        assert not looks_like_token(pusher_token(app, text))


class TestPermits:
    """A token names channels, and patterns of them."""

    @pytest.mark.parametrize(
        "pattern,channel",
        [
            ("private-a", "private-a"),
            ("private-company.5.*", "private-company.5.orders"),
            ("private-company.5.*", "private-company.5.orders.7"),
            ("private-company.5.*", "private-company.5."),
            ("private-*.orders", "private-5.orders"),
            ("private-*.5.*", "private-company.5.orders"),
            ("*", "presence-room"),
            ("**", "presence-room"),
            ("a*a", "aa"),
        ],
    )
    def test_named(self, pattern: str, channel: str) -> None:
        assert permits(holding("x", pattern, "y"), channel)

    @pytest.mark.parametrize(
        "pattern,channel",
        [
            ("private-a", "private-b"),
            ("private-a", "private-A"),
            ("private-a", "private-a.b"),
            ("private-a.b", "private-aXb"),
            ("private-company.5.*", "private-company.5"),
            ("private-company.5.*", "private-company.55.orders"),
            ("private-company.5.*", "presence-company.5.orders"),
            ("a*a", "a"),
            ("a*ab*b", "aab"),
            ("a*b", "abc"),
            ("*", "#server-to-user-7"),
            ("*server-to-user-*", "#server-to-user-7"),
        ],
    )
    def test_not_named(self, pattern: str, channel: str) -> None:
        assert not permits(holding("x", pattern, "y"), channel)

    def test_nothing(self) -> None:
        """A token without channels is good for a sign-in."""
        assert not permits(holding(), "private-a")
