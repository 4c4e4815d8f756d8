"""Keys that verify users' tokens."""

from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from libs.common.config.secret import Secret
from libs.common.errors import Misconfigured
from services.auth.identity.verifying_keys import VerifyingKey, fits, prepared_key
from services.auth.settings import Issuer

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
WEAK_KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - to be refused
SECRET = "s" * 32
TEXT = b"header.payload"


def pem(key: Any) -> str:
    """Return the public half of a key."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return str(key.public_key().public_bytes(serialization.Encoding.PEM, form).decode())


def signature(key: Any, algorithm: str) -> bytes:
    """Sign the text."""
    known = jwt.PyJWS().get_algorithm_by_name(algorithm)
    return known.sign(TEXT, known.prepare_key(key))


SHARED = Issuer(issuer="us", audience="a", secret=Secret(SECRET))
PUBLIC = Issuer(issuer="idp", audience="a", algorithms=("RS256",), key=pem(RSA_KEY))
CURVE = Issuer(issuer="idp", audience="a", algorithms=("ES256",), key=pem(EC_KEY))


class TestSignature:
    """RFC 8725, 3.1: a key verifies by the algorithms that it is for, and by no others."""

    @pytest.mark.parametrize(
        "issuer,key,algorithm",
        [(SHARED, SECRET, "HS256"), (PUBLIC, RSA_KEY, "RS256"), (CURVE, EC_KEY, "ES256")],
    )
    def test_good(self, issuer: Issuer, key: Any, algorithm: str) -> None:
        good, signed = prepared_key(issuer), signature(key, algorithm)

        assert good.has_signed(TEXT, signed, algorithm=algorithm)
        assert not good.has_signed(TEXT + b"x", signed, algorithm=algorithm)
        assert not good.has_signed(TEXT, signed[:-1] + bytes([signed[-1] ^ 1]), algorithm=algorithm)
        assert not good.has_signed(TEXT, b"", algorithm=algorithm)

    @pytest.mark.parametrize(
        "issuer,key,algorithm",
        [
            (SHARED, SECRET, "HS512"),
            (PUBLIC, RSA_KEY, "PS256"),
            (PUBLIC, RSA_KEY, "RS512"),
            (PUBLIC, "public", "HS256"),
            (CURVE, RSA_KEY, "RS256"),
        ],
    )
    def test_other_algorithm(self, issuer: Issuer, key: Any, algorithm: str) -> None:
        """Not even where the signature would be right."""
        assert not prepared_key(issuer).has_signed(
            TEXT, signature(key, algorithm), algorithm=algorithm
        )

    @pytest.mark.parametrize("algorithm", ["none", "", "hs256"])
    def test_no_algorithm(self, algorithm: str) -> None:
        assert not prepared_key(SHARED).has_signed(TEXT, b"", algorithm=algorithm)

    def test_for_nothing(self) -> None:
        """A key that fits no algorithm verifies nothing."""
        useless = VerifyingKey(None, frozenset(), SECRET.encode())

        assert not useless.has_signed(TEXT, signature(SECRET, "HS256"), algorithm="HS256")

    def test_nothing_shown(self) -> None:
        """A shared secret stands in no log by mistake."""
        assert SECRET not in repr(prepared_key(SHARED))


class TestPrepared:
    """What an operator gets wrong is found at the start."""

    def test_key_of_another_kind(self) -> None:
        issuer = msgspec.structs.replace(PUBLIC, key=pem(EC_KEY))

        with pytest.raises(Misconfigured, match=r"idp.*RS256"):
            prepared_key(issuer)

    def test_no_key(self) -> None:
        issuer = msgspec.structs.replace(PUBLIC, key="nothing")

        with pytest.raises(Misconfigured):
            prepared_key(issuer)

    def test_key_that_fits_not_all(self) -> None:
        issuer = msgspec.structs.replace(PUBLIC, algorithms=("RS256", "ES256"))

        with pytest.raises(Misconfigured):
            prepared_key(issuer)

    def test_public_key_as_secret(self) -> None:
        issuer = msgspec.structs.replace(SHARED, secret=Secret(pem(RSA_KEY)))

        with pytest.raises(Misconfigured) as caught:
            prepared_key(issuer)

        assert "BEGIN" not in str(caught.value)

    def test_strong_enough(self) -> None:
        """A secret serves those of its issuer's algorithms that it is long enough for (RFC 7518, 3.2)."""
        issuer = msgspec.structs.replace(SHARED, algorithms=("HS256", "HS384", "HS512"))

        assert prepared_key(issuer).algorithms == {"HS256"}


class TestFits:
    """A key's kind and strength decide."""

    @pytest.mark.parametrize(
        "algorithm,key,is_fit",
        [
            ("RS256", RSA_KEY.public_key(), True),
            ("PS256", RSA_KEY.public_key(), True),
            ("ES256", EC_KEY.public_key(), True),
            ("HS256", b"s" * 32, True),
            ("RS256", WEAK_KEY.public_key(), False),
            ("RS256", EC_KEY.public_key(), False),
            ("ES384", EC_KEY.public_key(), False),
            ("ES256", RSA_KEY.public_key(), False),
            ("EdDSA", EC_KEY.public_key(), False),
            ("HS256", RSA_KEY.public_key(), False),
            ("HS256", b"s" * 31, False),
            ("RS256", None, False),
        ],
    )
    def test_key(self, algorithm: str, key: Any, *, is_fit: bool) -> None:
        assert fits(algorithm, key) == is_fit
