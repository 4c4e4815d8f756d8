"""Which tokens are ours to judge, and shown to nobody."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.config.secret import Secret
from libs.common.tokens.key_ring import TYPE
from services.auth.identity.bearer_tokens import Issuers
from services.auth.settings import Issuer
from tests.support.tokens.user_tokens import AUDIENCE, ISSUER, SECRET, token

SHARED = Issuer(issuer=ISSUER, audience=AUDIENCE, secret=Secret(SECRET))


class TestClaimed:
    """A text that says it is ours is nobody else's affair, however badly it is made."""

    def part(self, value: Any) -> str:
        text = value if isinstance(value, bytes) else json.dumps(value).encode()
        return base64.urlsafe_b64encode(text).decode().rstrip("=")

    def test_issuer(self) -> None:
        """A JWT of a known issuer, whatever is wrong with the rest."""
        head, payload = self.part({"alg": "RS256"}), self.part({"iss": ISSUER, "exp": "soon"})
        issuers = Issuers([SHARED])

        assert issuers.claimed_by(token())
        assert issuers.claimed_by(token(key="x" * 40))
        for text in (
            *(f"{head}.{payload}.", f"{head}.{payload}.!!", f"{head}.{payload}", f"x.{payload}.x"),
            *(f"{head}.{payload}=.x", f"{head}==.{payload}.x.y.z"),
        ):
            assert issuers.claimed_by(text)

    @pytest.mark.parametrize("kind", [TYPE, TYPE.upper(), f"application/{TYPE}"])
    def test_channel_token(self, kind: str) -> None:
        """A channel token, which has issuers of its own."""
        text = f"{self.part({'typ': kind})}.{self.part({'iss': 'fanfare'})}.x"

        assert Issuers([]).claimed_by(text)

    @pytest.mark.parametrize("payload", [b"{", b"\xff", b"[]", b'{"iss":'])
    def test_unreadable(self, payload: bytes) -> None:
        """What is signed like a JWT and cannot be read: a token of ours that was cut off."""
        assert Issuers([]).claimed_by(f"{self.part({'alg': 'HS256'})}.{self.part(payload)}.x")
        assert Issuers([]).claimed_by(self.part({"alg": "HS256"}))

    def test_others(self) -> None:
        """Tokens that mean something to an identity server alone, of another issuer's among them."""
        jwe = self.part({"alg": "dir", "enc": "A256GCM"})
        for text in (
            *("", "12|Xy9_-", "a.b.c", "...", "v2.local.x", self.part({"iss": ISSUER})),
            *(f"{jwe}..iv.text.tag", token(iss="other"), token(iss=None)),
            f"{self.part({'alg': 'HS256'})}.{self.part({'iss': [ISSUER]})}.x",
        ):
            assert not Issuers([SHARED]).claimed_by(text)

    @given(st.text())
    def test_any(self, text: str) -> None:
        assert Issuers([SHARED]).claimed_by(text) in {True, False}
