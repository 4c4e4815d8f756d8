"""The public keys that an issuer publishes."""

import base64
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from services.auth.identity.bearer_tokens import BadToken, Header
from services.auth.identity.jwk_sets import MAX_KEYS, KeySet, parse
from services.auth.identity.provider import ProviderReply, ProviderUnavailable
from tests.support.fakes.identity_server import (
    EC_KEY,
    ED_KEY,
    OTHER_RSA_KEY,
    RSA_KEY,
    jwk,
    jwks,
    private_jwk,
)

ALL = ("RS256", "PS256", "ES256", "ES384", "EdDSA")
OCT = {"kty": "oct", "k": base64.urlsafe_b64encode(b"s" * 32).decode(), "kid": "k1"}
WEAK = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - it is to be refused
P384 = ec.generate_private_key(ec.SECP384R1())


def read(*keys: Any, algorithms: tuple[str, ...] = ALL) -> KeySet:
    return parse(ProviderReply(200, jwks(*keys)), algorithms)


def reason(reply: ProviderReply) -> str:
    with pytest.raises(ProviderUnavailable) as caught:
        parse(reply, ALL)
    return caught.value.reason


class TestKinds:
    """RFC 7518, 3.1: what a key may verify depends on its kind, and on nothing that a token says."""

    @pytest.mark.parametrize(
        "key,algorithms",
        [
            (RSA_KEY, {"RS256", "PS256"}),
            (EC_KEY, {"ES256"}),
            (P384, {"ES384"}),
            (ED_KEY, {"EdDSA"}),
        ],
    )
    def test_fitting(self, key: Any, algorithms: set[str]) -> None:
        (found,) = read(jwk(key)).keys

        assert found.kid == "k1"
        assert found.algorithms == algorithms

    def test_issuers_algorithms(self) -> None:
        """What the issuer's settings do not name a key cannot verify."""
        (found,) = read(jwk(RSA_KEY), jwk(EC_KEY), algorithms=("PS256",)).keys

        assert found.algorithms == {"PS256"}

    def test_declared(self) -> None:
        """A key that names its algorithm is for no other."""
        (found,) = read(jwk(RSA_KEY, alg="RS256")).keys

        assert found.algorithms == {"RS256"}

    @pytest.mark.parametrize(
        "unfit",
        [
            OCT,
            OCT | {"alg": "RS256"},
            private_jwk(RSA_KEY),
            private_jwk(EC_KEY),
            jwk(WEAK),
            jwk(RSA_KEY, use="enc"),
            jwk(RSA_KEY, use=None),
            jwk(RSA_KEY, key_ops=["encrypt"]),
            jwk(RSA_KEY, key_ops="verify"),
            jwk(RSA_KEY, alg="RSA-OAEP"),
            jwk(RSA_KEY, alg="ES256"),
            jwk(RSA_KEY, alg="HS256"),
            jwk(RSA_KEY, alg=["RS256"]),
            jwk(RSA_KEY) | {"kid": 7},
            jwk(RSA_KEY, n=7),
            jwk(RSA_KEY, e="é"),
            jwk(EC_KEY, crv="P-384"),
            jwk(EC_KEY, x=jwk(EC_KEY)["y"]),
            jwk(ED_KEY, x=""),
            jwk(RSA_KEY, kty=["RSA"]) | {"kty": "RSA2"},
            {"kty": "RSA"},
            {},
            None,
            "k1",
        ],
    )
    def test_left_out(self, unfit: Any) -> None:
        """RFC 7517, 5: a key that cannot be used is ignored, and the others are not."""
        assert [key.kid for key in read(unfit, jwk(OTHER_RSA_KEY, "good")).keys] == ["good"]

    @pytest.mark.parametrize("fields", [{"use": "sig"}, {"key_ops": ["verify"]}, {"x5t": "x"}])
    def test_taken(self, fields: dict[str, Any]) -> None:
        assert len(read(jwk(RSA_KEY, **fields)).keys) == 1

    def test_huge_modulus(self) -> None:
        """A modulus that would keep the loop busy for every token is not used."""
        modulus = base64.urlsafe_b64encode(b"\xff" * 2048).decode().rstrip("=")

        assert [key.kid for key in read(jwk(RSA_KEY, n=modulus), jwk(EC_KEY, "ec")).keys] == ["ec"]

    def test_bound(self) -> None:
        """A set is read up to a number of keys."""
        keys = read(*[jwk(EC_KEY, str(number)) for number in range(MAX_KEYS + 5)]).keys

        assert len(keys) == MAX_KEYS


class TestSet:
    """What is no set of keys that can be used is a failure of the server."""

    @pytest.mark.parametrize("status", [201, 204, 301, 302, 401, 404, 500, 503])
    def test_status(self, status: int) -> None:
        assert str(status) in reason(ProviderReply(status, jwks(jwk(RSA_KEY))))

    @pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[" * 100_000, b'{"keys":'])
    def test_no_json(self, body: bytes) -> None:
        assert reason(ProviderReply(200, body)) == "an answer that is no JSON"

    @pytest.mark.parametrize("body", [b"[]", b"7", b"{}", b'{"keys":{}}', b'{"keys":null}'])
    def test_no_set(self, body: bytes) -> None:
        assert reason(ProviderReply(200, body)) == "an answer that is no JWK set"

    @pytest.mark.parametrize("keys", [[], [OCT], [jwk(WEAK)]])
    def test_nothing_usable(self, keys: list[Any]) -> None:
        assert "without a key" in reason(ProviderReply(200, jwks(*keys)))

    @given(
        st.dictionaries(
            st.sampled_from(
                ["kty", "n", "e", "x", "y", "crv", "kid", "alg", "use", "key_ops", "d"]
            ),
            st.sampled_from(["RSA", "EC", "OKP", "oct", "P-256", "Ed25519", "AQAB", "sig", "RS256"])
            | st.recursive(
                st.none() | st.booleans() | st.integers() | st.text(),
                lambda inner: st.lists(inner, max_size=2),
                max_leaves=3,
            ),
        )
    )
    def test_any_key(self, key: dict[str, Any]) -> None:
        """Whatever stands in a set never keeps the good keys from being used."""
        try:
            body = msgspec.json.encode({"keys": [key, jwk(EC_KEY, "good")]})
        except (OverflowError, UnicodeEncodeError):
            return

        assert parse(ProviderReply(200, body), ALL).keys[-1].kid == "good"


class TestFind:
    """RFC 7515, 4.1.4: a token names its key."""

    BOTH = read(jwk(RSA_KEY, "rsa"), jwk(EC_KEY, "ec"))

    def test_named(self) -> None:
        found = self.BOTH.find(Header("ES256", "ec"))

        assert found
        assert found.kid == "ec"

    @pytest.mark.parametrize("kid", ["", "RSA", "rsa ", "rs", "x"])
    def test_unknown(self, kid: str) -> None:
        """Names are compared exactly."""
        assert self.BOTH.find(Header("RS256", kid)) is None

    def test_other_algorithm(self) -> None:
        """An RSA key does not verify ES256, whatever the token says."""
        with pytest.raises(BadToken, match="not for its algorithm"):
            self.BOTH.find(Header("ES256", "rsa"))

    def test_same_name(self) -> None:
        """RFC 7517, 4.5: keys of different kinds may have the same name."""
        found = read(jwk(RSA_KEY), jwk(EC_KEY)).find(Header("ES256", "k1"))

        assert found
        assert found.algorithms == {"ES256"}

    def test_no_name_and_one_key(self) -> None:
        """A token that names no key is verified with the only one."""
        only = read(jwk(RSA_KEY, "rsa"))

        assert only.find(Header("RS256", None)) is only.keys[0]

    def test_no_name_and_several(self) -> None:
        with pytest.raises(BadToken, match="which key"):
            self.BOTH.find(Header("RS256", None))

    def test_nothing_known(self) -> None:
        assert KeySet(()).find(Header("RS256", None)) is None
