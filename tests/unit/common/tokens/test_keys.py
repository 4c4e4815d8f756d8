"""Keys: read in any form, and refused when they are another sort than they must be."""

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import get_default_algorithms

from libs.common.tokens.keys import (
    Algorithm,
    BadKey,
    is_signed,
    jwk_of,
    private_key,
    public_key,
    sign,
    thumbprint,
)
from tests.support.tokens.keys import ALGORITHMS, pair

# On secp112r1, which no library here calculates with.
UNKNOWN_CURVE = """-----BEGIN PUBLIC KEY-----
MDIwEAYHKoZIzj0CAQYFK4EEAAYDHgAEz/F1Er1lC5odjbNpatuArPhlVWsEqzEJ
CMwi3g==
-----END PUBLIC KEY-----
"""
EVERY = pytest.mark.parametrize("algorithm", ALGORITHMS)


def as_jwk(pem: str, algorithm: Algorithm) -> str:
    calculator = get_default_algorithms()[algorithm]
    return json.dumps(calculator.to_jwk(calculator.prepare_key(pem), as_dict=True))


class TestForms:
    """PEM and JWK are the same key."""

    def test_all_algorithms(self) -> None:
        """None is a shared secret's."""
        assert set(get_args(Algorithm)) == set(ALGORITHMS)

    @EVERY
    def test_same(self, algorithm: Algorithm) -> None:
        public, private = pair(algorithm)

        known = jwk_of(public_key(public, algorithm), algorithm)
        assert jwk_of(public_key(as_jwk(public, algorithm), algorithm), algorithm) == known
        assert jwk_of(private_key(private, algorithm), algorithm) == known
        assert jwk_of(private_key(as_jwk(private, algorithm), algorithm), algorithm) == known

    @EVERY
    def test_nothing_private(self, algorithm: Algorithm) -> None:
        """What is told of a private key is its public part."""
        _, private = pair(algorithm)

        jwk = jwk_of(private_key(private, algorithm), algorithm)

        assert not jwk.keys() & {"d", "p", "q", "dp", "dq", "qi"}

    def test_thumbprint(self) -> None:
        """RFC 8037, appendix A.3, has this example."""
        jwk = {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        }

        assert thumbprint(jwk) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


class TestSignatures:
    """What a private key signs its public key verifies, and no other."""

    @EVERY
    def test_round_trip(self, algorithm: Algorithm) -> None:
        public, private = pair(algorithm)

        signature = sign(b"text", private_key(private, algorithm), algorithm)

        key = public_key(public, algorithm)
        other = public_key(pair(algorithm, 1)[0], algorithm)
        assert is_signed(b"text", signature, key=key, algorithm=algorithm)
        assert not is_signed(b"texT", signature, key=key, algorithm=algorithm)
        assert not is_signed(b"text", signature, key=other, algorithm=algorithm)

    @EVERY
    @given(signature=st.binary(max_size=300))
    def test_nonsense(self, algorithm: Algorithm, signature: bytes) -> None:
        """A signature of any length is no error, and no signature."""
        key = public_key(pair(algorithm)[0], algorithm)

        assert not is_signed(b"text", signature, key=key, algorithm=algorithm)


class TestRefused:
    """What is another sort of key."""

    @pytest.mark.parametrize("sort", ["EdDSA", "Ed448", "ES256", "P-384", "RS256", "RSA-1024"])
    @EVERY
    def test_other_algorithm(self, algorithm: Algorithm, sort: str) -> None:
        """Another curve, another algorithm, and an RSA key that is too short."""
        public, private = pair(sort)
        if sort == algorithm:
            return

        with pytest.raises(BadKey, match=f"expected a public key for {algorithm}"):
            public_key(public, algorithm)
        with pytest.raises(BadKey, match=f"expected a private key for {algorithm}"):
            private_key(private, algorithm)

    @EVERY
    def test_other_half(self, algorithm: Algorithm) -> None:
        """A private key is never taken for a public one, which would be shown."""
        public, private = pair(algorithm)

        for text in (private, as_jwk(private, algorithm)):
            with pytest.raises(BadKey):
                public_key(text, algorithm)
        for text in (public, as_jwk(public, algorithm)):
            with pytest.raises(BadKey):
                private_key(text, algorithm)

    @EVERY
    @pytest.mark.parametrize(
        "text",
        [
            "",
            "{",
            "{}",
            '{"kty": "oct", "k": "c2VjcmV0"}',
            '{"kty": "OKP", "crv": "Ed25519"}',
            '{"kty": "OKP", "crv": "Ed25519", "x": 5}',
            '{"kty": "OKP", "crv": "Ed25519", "x": "AA"}',
            '{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}',
            '{"kty": "EC", "crv": "P-256", "x": 1, "y": null}',
            '{"kty": "RSA", "n": "AA"}',
            '{"kty": "RSA", "n": [], "e": {}}',
            "[" * 5000,
            '{"a":' * 5000,
            "-----BEGIN PUBLIC KEY-----",
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
            "ssh-rsa AAAA",
            "a-shared-secret-of-thirty-two-bytes-or-more",
            "\x00\ud800",
            UNKNOWN_CURVE,
        ],
    )
    def test_nonsense(self, algorithm: Algorithm, text: str) -> None:
        with pytest.raises(BadKey):
            public_key(text, algorithm)
        with pytest.raises(BadKey):
            private_key(text, algorithm)
