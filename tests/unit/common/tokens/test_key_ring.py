"""The keys of a deployment: who signs, who is believed, and what is told to others."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.apps.app import App
from libs.common.config.secret import Secret
from libs.common.tokens.key_ring import (
    MAX_TOKEN,
    TYPE,
    BadChannelToken,
    KeyRing,
    NoSigningKey,
    payload_of,
)
from libs.common.tokens.keys import Algorithm
from libs.common.tokens.settings import TokenKey
from tests.support.tokens.keys import (
    ALGORITHMS,
    app_key,
    forged,
    pair,
    segment,
    settings,
    token_key,
)

APP = App(id="1", key="one", secrets=(Secret("s"),))
OWNER = App(id="2", key="two", secrets=(Secret("s"),), token_keys=(app_key(issuer="theirs"),))
RING = KeyRing(settings())
SIGNED = RING.sign(b'{"text": "of a payload"}')


def opened(text: str, *keys: TokenKey, app: App = APP) -> bytes:
    return KeyRing(settings(*keys)).opened(text, app)[0]


def refusal(text: str, *keys: TokenKey, app: App = APP) -> str:
    with pytest.raises(BadChannelToken) as raised:
        opened(text, *keys, app=app)
    return str(raised.value)


class TestRotation:
    """The first key with a private half signs, all verify."""

    def test_overlap(self) -> None:
        """In each step what was signed in the step before is still believed."""
        old, new = token_key("old"), token_key("new", number=1)
        published = (old, token_key("new", number=1, signs=False))
        switched = (new, token_key("old", signs=False))
        steps = [(old,), published, switched, (new,)]

        for before, after in pairwise(steps):
            text = KeyRing(settings(*before)).sign(b"{}")
            assert opened(text, *after) == b"{}"
            assert opened(KeyRing(settings(*after)).sign(b"{}"), *after) == b"{}"

    def test_who_signs(self) -> None:
        """Order decides, and public halves are passed over."""
        ring = KeyRing(settings(token_key("a", signs=False), token_key("b"), token_key("c")))

        header = ring.sign(b"{}").split(".")[0]

        assert payload_of(f"{header}.{header}.") == msgspec.json.encode(
            {"alg": "EdDSA", "kid": "b", "typ": TYPE}
        )

    def test_removed(self) -> None:
        """What a removed key signed is believed no more, at once."""
        assert "not known" in refusal(SIGNED, token_key("b"))

    def test_replaced(self) -> None:
        """Another key of the same name believes nothing of the first."""
        assert "signature" in refusal(SIGNED, token_key("a", number=1))

    @pytest.mark.parametrize("keys", [(), (token_key(signs=False),)])
    def test_nobody_signs(self, keys: tuple[TokenKey, ...]) -> None:
        ring = KeyRing(msgspec.structs.replace(settings(), keys=keys))

        with pytest.raises(NoSigningKey):
            ring.sign(b"{}")


class TestReplaced:
    """Other settings take effect in a ring that others hold, all or nothing."""

    def test_keys(self) -> None:
        """The next token is signed with the new key, and only what new keys verify is believed."""
        ring = KeyRing(settings(token_key("a")))
        before = ring.sign(b"{}")

        ring.replace(settings(token_key("b", number=1), token_key("a", signs=False)))
        after = ring.sign(b"{}")
        assert ring.opened(before, APP)
        assert ring.opened(after, APP)
        assert [key["kid"] for key in ring.jwks()] == ["b", "a"]

        ring.replace(settings(token_key("b", number=1)))
        assert ring.opened(after, APP)
        with pytest.raises(BadChannelToken, match="not known"):
            ring.opened(before, APP)

    def test_terms(self) -> None:
        ring = KeyRing(settings())
        text = ring.sign(b"{}")

        ring.replace(settings(issuer="new", ttl=5.0, max_ttl=6.0))

        assert (ring.issuer, ring.ttl, ring.max_ttl) == ("new", 5.0, 6.0)
        assert ring.opened(text, APP)[1] == "new"

    def test_dropped(self) -> None:
        """Those that are here no more are unknown until they are back; an app's own are apart."""
        ring = KeyRing(settings(token_key("a"), token_key("b", number=1)))
        keys = [pair("EdDSA", number)[0] for number in (0, 1, 9)]
        known = [[ring.knows(key, APP) for key in keys]]
        for left in (token_key("b", number=1), token_key("a")):
            ring.replace(settings(left))
            known.append([ring.knows(key, APP) for key in keys])

        assert known == [[True, True, False], [False, True, False], [True, False, False]]
        assert ring.knows(keys[2], OWNER)

    def test_same_name(self) -> None:
        """A key is another one though it has the name of one from before."""
        ring = KeyRing(settings(token_key("a")))
        before = ring.signing_key

        ring.replace(settings(token_key("a", number=1)))

        assert (ring.knows(before, APP), ring.knows(ring.signing_key, APP)) == (False, True)

    def test_nobody_signs_any_more(self) -> None:
        ring = KeyRing(settings())

        ring.replace(settings(token_key(signs=False)))

        with pytest.raises(NoSigningKey):
            ring.sign(b"{}")

    def test_nothing_at_all(self) -> None:
        """Settings with a key that cannot be used change nothing."""
        ring = KeyRing(settings(token_key("a")))
        text = ring.sign(b"{}")
        wrong = msgspec.structs.replace(settings(), issuer="new")
        msgspec.structs.force_setattr(wrong.keys[0], "private_key", Secret("nonsense"))

        with pytest.raises(ValueError, match="private key"):
            ring.replace(wrong)

        assert ring.issuer == "fanfare"
        assert ring.opened(text, APP)
        assert ring.opened(ring.sign(b"{}"), APP)


class TestApps:
    """Keys of an app's own issuer."""

    def test_own(self) -> None:
        """They count for that app, with the issuer that they are bound to."""
        text = forged(kid="own", number=9)

        payload, issuer, key = RING.opened(text, OWNER)

        assert (issuer, key) == ("theirs", pair("EdDSA", 9)[0])
        assert payload == payload_of(text)

    def test_elsewhere(self) -> None:
        """They count for no other app."""
        assert "not known" in refusal(forged(kid="own", number=9), app=APP)

    def test_same_kid(self) -> None:
        """Of two keys of one name that of the deployment counts, and the other signs nothing."""
        shadow = msgspec.structs.replace(OWNER, token_keys=(app_key("a"),))

        assert "signature" in refusal(forged(number=9), app=shadow)
        assert opened(SIGNED, app=shadow)


class TestHeader:
    """RFC 8725: what a token says of itself decides nothing."""

    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    def test_pinned(self, algorithm: Algorithm) -> None:
        """3.1: a key is used with its own algorithm, whatever a token names."""
        key = token_key(algorithm=algorithm)
        others = {"none", "None", "HS256", "RS512", "PS256", "", *ALGORITHMS} - {algorithm}

        assert opened(forged(algorithm=algorithm), key)
        for other in others:
            assert "another algorithm" in refusal(forged(algorithm=algorithm, alg=other), key)

    @pytest.mark.parametrize("typ", ["JWT", "at+jwt", "application/fanfare+jwt", ""])
    def test_type(self, typ: str) -> None:
        """3.11: a token that was made for something else is none."""
        assert "no channel token" in refusal(forged(typ=typ))

    @pytest.mark.parametrize("header", [{"typ": None}, {"kid": None}, {"alg": None}])
    def test_missing(self, header: dict[str, Any]) -> None:
        assert "malformed" in refusal(forged(**header))

    def test_critical(self) -> None:
        """RFC 7515, 4.1.11: an extension that must be understood is not."""
        assert "no channel token" in refusal(forged(crit=["b64"], b64=False))

    def test_own_key(self) -> None:
        """3.10: a key that a token brings along, or points to, is not looked at."""
        text = forged(kid="b", jwk={"kty": "OKP"}, jku="http://127.0.0.1/", x5u="http://127.0.0.1/")

        assert "not known" in refusal(text)

    @pytest.mark.parametrize("kid", ["", "A", "a ", "a\x00", "../a", "x" * 10_000])
    def test_kid(self, kid: str) -> None:
        assert "not known" in refusal(forged(kid=kid))


class TestSpelling:
    """A token has one spelling: base64 would allow several."""

    @given(st.data())
    def test_every_character_counts(self, data: st.DataObject) -> None:
        """A token of which any character was changed, added or left out is refused."""
        at = data.draw(st.integers(0, len(SIGNED) - 1))
        new = data.draw(st.one_of(st.sampled_from("AQgwxyz019-_+/=.~ \n"), st.characters()))
        rest = SIGNED[at + data.draw(st.integers(0, 1)) :]
        text = SIGNED[:at] + data.draw(st.sampled_from([new, ""])) + rest

        if text == SIGNED:
            return
        with pytest.raises(BadChannelToken):
            RING.opened(text, APP)

    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    def test_every_place(self, algorithm: Algorithm) -> None:
        """No place is left out, whichever key signs."""
        ring = KeyRing(settings(token_key(algorithm=algorithm)))
        text = ring.sign(b"{}")

        for at, character in enumerate(text):
            for other in {"A", "B", "_", "."} - {character}:
                with pytest.raises(BadChannelToken):
                    ring.opened(text[:at] + other + text[at + 1 :], APP)

    @given(st.text(max_size=200))
    def test_nonsense(self, text: str) -> None:
        """Nothing of it is quoted."""
        with pytest.raises(BadChannelToken) as raised:
            RING.opened(text, APP)

        assert str(raised.value) == "the token is malformed"

    @pytest.mark.parametrize("header", [b"[" * 10_000, b'{"a":' * 3000, b"\xff", b"null", b"[]"])
    def test_nonsense_inside(self, header: bytes) -> None:
        assert refusal(f"{segment(header).decode()}.e30.AA") == "the token is malformed"

    def test_too_long(self) -> None:
        """It is not even decoded."""
        assert str(MAX_TOKEN) in refusal("a" * (MAX_TOKEN + 1))


class TestPublished:
    """What others are told."""

    def test_members(self) -> None:
        """Public halves alone, whether a key signs here or not."""
        keys = [token_key(name, name) for name in ALGORITHMS]

        published = KeyRing(settings(*keys, token_key("last", signs=False))).jwks()

        assert [(key["kid"], key["alg"], key["use"]) for key in published] == [
            ("EdDSA", "EdDSA", "sig"),
            ("ES256", "ES256", "sig"),
            ("RS256", "RS256", "sig"),
            ("last", "EdDSA", "sig"),
        ]
        assert {name for key in published for name in key} == {
            *("kid", "alg", "use", "kty", "crv"),
            *("x", "y", "n", "e"),
        }

    def test_no_private_key_in_sight(self) -> None:
        """A ring is not told from its private keys."""
        assert pair("EdDSA")[1].splitlines()[1] not in repr(vars(RING))
