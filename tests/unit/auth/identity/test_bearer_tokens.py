"""From a bearer token to a user."""

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st
from jwt.utils import base64url_encode

from libs.common.channels import MAX_USER_ID
from libs.common.config.secret import Secret
from services.auth.identity.bearer_tokens import (
    LEEWAY,
    MAX_TOKEN,
    BadToken,
    Header,
    Identity,
    MissingToken,
    bearer,
    taken_apart,
)
from services.auth.settings import Issuer
from tests.support.tokens.user_tokens import AUDIENCE, ISSUER, SECRET, claims, token, user_of

NOW = 1_700_000_000.0
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()


def pem(key: Any) -> str:
    """Return the public half of a key."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return str(key.public_key().public_bytes(serialization.Encoding.PEM, form).decode())


SHARED = Issuer(issuer=ISSUER, audience=AUDIENCE, secret=Secret(SECRET), user_info={"name": "name"})
PUBLIC = Issuer(issuer="idp", audience=AUDIENCE, algorithms=("RS256",), key=pem(RSA_KEY))


def identify(text: str, *issuers: Issuer, now: float = NOW) -> Identity:
    return user_of(text, issuers or (SHARED,), now=now)


def signed(header: bytes, payload: bytes, key: str = SECRET) -> str:
    """Sign any bytes with HS256, whatever the header says."""
    head = base64url_encode(header) + b"." + base64url_encode(payload)
    digest = hmac.new(key.encode(), head, hashlib.sha256).digest()
    return (head + b"." + base64url_encode(digest)).decode()


def refusal(text: str, *issuers: Issuer, now: float = NOW) -> str:
    with pytest.raises(BadToken) as caught:
        identify(text, *issuers, now=now)
    return str(caught.value)


class TestBearer:
    """RFC 6750, 2.1: the Authorization header."""

    @pytest.mark.parametrize("header", ["Bearer a.b.c", "bearer a.b.c", "BEARER  a.b.c "])
    def test_token(self, header: str) -> None:
        assert bearer(header) == "a.b.c"

    @pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer  ", "Basic a:b", "a.b.c"])
    def test_no_token(self, header: str | None) -> None:
        with pytest.raises(MissingToken):
            bearer(header)


class TestUser:
    """Who a good token says is calling."""

    def test_everything(self) -> None:
        """The user has an id, what others may see, and all claims."""
        user = identify(token(name="Ann", companies=["1"]))

        assert user.id == "7"
        assert user.info == {"name": "Ann"}
        assert user.claims == claims(name="Ann", companies=["1"])
        assert user.issuer == SHARED
        assert user.expires_at == claims()["exp"]

    def test_absent_info(self) -> None:
        """A claim that is absent is left out of what others see."""
        assert identify(token()).info == {}

    def test_other_claims(self) -> None:
        """An issuer says which claims name the user, and what others may see."""
        issuer = msgspec.structs.replace(
            SHARED, user_id="uid", user_info={"label": "nick", "team": "team"}
        )

        user = identify(token(uid="u1", nick="Bo", team={"id": 3}), issuer)

        assert user.id == "u1"
        assert user.info == {"label": "Bo", "team": {"id": 3}}

    @pytest.mark.parametrize("value,spelled", [(42, "42"), (0, "0"), ("ü@x.y", "ü@x.y")])
    def test_id_becomes_text(self, value: object, spelled: str) -> None:
        payload = msgspec.json.encode(claims(sub=value))

        assert identify(signed(b'{"alg":"HS256"}', payload)).id == spelled

    @pytest.mark.parametrize("value", [True, 1.5, ["7"], {}, "", 2**64, "a\nb", "x" * 129])
    def test_unfit_id(self, value: object) -> None:
        payload = msgspec.json.encode(claims(sub=value))

        assert "user" in refusal(signed(b'{"alg":"HS256"}', payload))

    def test_longest_id(self) -> None:
        assert identify(token(sub="x" * MAX_USER_ID)).id == "x" * MAX_USER_ID

    def test_no_id(self) -> None:
        assert refusal(token(sub=None)) == "the token does not name its user"


class TestClaims:
    """RFC 7519, 4.1: issuer, audience, and time on the clock that the caller passes."""

    @pytest.mark.parametrize("issuer", [None, "", "somebody", ISSUER + " "])
    def test_issuer(self, issuer: str | None) -> None:
        """A token of nobody we know is refused."""
        assert "issuer" in refusal(token(iss=issuer))

    @pytest.mark.parametrize("audience", [None, "", "other", [], ["other"], AUDIENCE.upper()])
    def test_audience(self, audience: object) -> None:
        """A token that is made for somebody else is refused."""
        assert refusal(token(aud=audience)) == "the token is not made for this audience"

    def test_one_of_several_audiences(self) -> None:
        assert identify(token(aud=["other", AUDIENCE])).id == "7"

    def test_no_expiry(self) -> None:
        assert refusal(token(exp=None)) == "the token does not say when it expires"

    @pytest.mark.parametrize("late", [LEEWAY, LEEWAY + 1, 1e9])
    def test_expired(self, late: float) -> None:
        assert refusal(token(exp=NOW - late)) == "the token has expired"

    @pytest.mark.parametrize("late", [-1, 0, LEEWAY - 1])
    def test_just_expired(self, late: float) -> None:
        """Clocks may differ by the leeway."""
        assert identify(token(exp=NOW - late)).id == "7"

    @pytest.mark.parametrize("early", [LEEWAY + 1, 1e9])
    def test_not_yet_valid(self, early: float) -> None:
        assert refusal(token(nbf=NOW + early)) == "the token is not valid yet"

    @pytest.mark.parametrize("early", [-1, 0, LEEWAY])
    def test_almost_valid(self, early: float) -> None:
        """Clocks may differ by the leeway."""
        assert identify(token(nbf=NOW + early)).id == "7"

    @pytest.mark.parametrize(
        "wrong",
        [
            {"exp": "2100-01-01"},
            {"exp": True},
            {"exp": 10**400},
            {"nbf": "now"},
            {"aud": {}},
            {"aud": [1]},
            {"iss": [ISSUER]},
        ],
    )
    def test_wrong_types(self, wrong: dict[str, object]) -> None:
        """Claims of a wrong type are refused, not guessed at."""
        payload = json.dumps(claims(**wrong)).encode()

        assert refusal(signed(b'{"alg":"HS256"}', payload)) == "the token's claims are malformed"


class TestSignature:
    """RFC 8725, 3.1: algorithms are pinned per issuer, keys are used for one purpose."""

    def test_other_key(self) -> None:
        assert refusal(token("x" * 40)) == "the token's signature does not match"

    def test_changed_claims(self) -> None:
        header, _, signature = token().split(".")
        payload = base64url_encode(msgspec.json.encode(claims(sub="8"))).decode()

        assert "signature" in refusal(f"{header}.{payload}.{signature}")

    @pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "hs256", "HS384", None, []])
    def test_algorithm(self, algorithm: object) -> None:
        """What the header says never widens what the issuer allows."""
        header = msgspec.json.encode({"alg": algorithm, "typ": "JWT"})
        payload = msgspec.json.encode(claims())
        unsigned = (base64url_encode(header) + b"." + base64url_encode(payload)).decode() + "."

        assert "algorithm" in refusal(signed(header, payload))
        assert "algorithm" in refusal(unsigned)

    def test_no_algorithm(self) -> None:
        payload = msgspec.json.encode(claims())

        assert "algorithm" in refusal(signed(b"{}", payload))

    def test_other_strength(self) -> None:
        """The right secret with an algorithm that is not allowed is refused."""
        assert "algorithm" in refusal(token("s" * 64, "HS512"))
        issuer = msgspec.structs.replace(SHARED, secret=Secret("s" * 64))
        assert "algorithm" in refusal(token("s" * 64, "HS512"), issuer)

    def test_public_key_as_secret(self) -> None:
        """A public key, which everybody knows, is no secret to sign with."""
        forged = signed(b'{"alg":"HS256"}', msgspec.json.encode(claims(iss="idp")), key=PUBLIC.key)

        assert "algorithm" in refusal(forged, PUBLIC)

    def test_issuers_keep_to_their_keys(self) -> None:
        """One issuer's key does not speak for another."""
        assert "algorithm" in refusal(token(iss="idp"), SHARED, PUBLIC)
        assert "algorithm" in refusal(token(RSA_KEY, "RS256"), SHARED, PUBLIC)

    @pytest.mark.parametrize(
        "algorithm,key",
        [("RS256", RSA_KEY), ("PS256", RSA_KEY), ("ES256", EC_KEY), ("EdDSA", ED_KEY)],
    )
    def test_public_keys(self, algorithm: Any, key: Any) -> None:
        """Whoever signs with a key of their own is believed by its public half."""
        issuer = Issuer(issuer=ISSUER, audience=AUDIENCE, algorithms=(algorithm,), key=pem(key))

        assert identify(token(key, algorithm), issuer).id == "7"
        assert "algorithm" in refusal(token(), issuer)

    @pytest.mark.parametrize("field", ["jku", "jwk", "x5u", "x5c", "kid"])
    def test_keys_in_headers(self, field: str) -> None:
        """Where a token says its key is to be found is not read."""
        header = msgspec.json.encode({"alg": "HS256", field: "https://keys.example.org"})
        payload = msgspec.json.encode(claims())

        assert identify(signed(header, payload)).id == "7"
        assert "signature" in refusal(signed(header, payload, key="x" * 40))

    def test_critical_header(self) -> None:
        """RFC 7515, 4.1.11: an extension that must be understood, and is not, is refused."""
        header = b'{"alg":"HS256","crit":["exp"],"exp":1}'

        assert refusal(signed(header, msgspec.json.encode(claims()))) == "the token is malformed"


class TestHeader:
    """RFC 7515, 4.1: what a token says of its signature."""

    @pytest.mark.parametrize("kid", [None, "", "k1", "K 1"])
    def test_key(self, kid: str | None) -> None:
        """The name of the key is taken as it is."""
        named = {} if kid is None else {"kid": kid}
        header = msgspec.json.encode({"alg": "HS256", **named})

        assert taken_apart(signed(header, b"{}")).header_for(SHARED) == Header("HS256", kid)

    @pytest.mark.parametrize("algorithm", ["none", "RS256", "hs256", "", None, [], {}, 7])
    def test_algorithm(self, algorithm: object) -> None:
        """No key is looked for where the algorithm is none of the issuer's."""
        unverified = taken_apart(signed(msgspec.json.encode({"alg": algorithm}), b"{}"))

        with pytest.raises(BadToken, match="algorithm"):
            unverified.header_for(SHARED)

    @pytest.mark.parametrize("header", [b'{"alg":"HS256","kid":7}', b"[]", b"{", b"\xff"])
    def test_malformed(self, header: bytes) -> None:
        with pytest.raises(BadToken, match="malformed"):
            taken_apart(signed(header, b"{}"))

    def test_nothing_shown(self) -> None:
        """What a token says of its user, and its signature, stand in no log by mistake."""
        text = token(name="Ann", sub="7777")
        shown = repr(taken_apart(text))

        assert "Ann" not in shown
        assert "7777" not in shown
        assert not any(part in shown for part in text.split("."))


class TestMalformed:
    """Whatever is sent is a token, or refused; what is said of it quotes nothing of it."""

    @pytest.mark.parametrize(
        "text",
        ["a", "a.b", "a.b.c", "....", "é.é.é", "\udcff.\udcff.\udcff", "e30.e30.", "W10.W10.W10"],
    )
    def test_no_jwt(self, text: str) -> None:
        refusal(text)

    @pytest.mark.parametrize(
        "header", [b"[" * 2500, b'{"alg":"HS256","a":' + b"[" * 2500, b"\xff", b""]
    )
    def test_malformed_header(self, header: bytes) -> None:
        refusal(signed(header, msgspec.json.encode(claims())))

    @pytest.mark.parametrize(
        "payload",
        [b"", b"[]", b"7", b"\xff", b'{"iss":"\xff"}', b'{"iss":"fanfare-dev","a":' + b"[" * 4000],
    )
    def test_malformed_payload(self, payload: bytes) -> None:
        assert refusal(signed(b'{"alg":"HS256"}', payload))

    def test_too_long(self) -> None:
        """A long token is refused before anything of it is read."""
        assert refusal("a" * (MAX_TOKEN + 1)) == f"the token is longer than {MAX_TOKEN} characters"

    @given(st.text(max_size=200) | st.builds(".".join, st.lists(st.text(max_size=40), max_size=4)))
    def test_any_text(self, text: str) -> None:
        with pytest.raises(BadToken):
            identify(text)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
            ),
            max_leaves=8,
        ),
        st.sampled_from(["iss", "aud", "exp", "nbf", "sub", "name", "x"]),
    )
    def test_any_claim(self, value: object, name: str) -> None:
        """A claim of any value gives a user or a refusal."""
        payload = json.dumps(claims() | {name: value}).encode()

        answer = outcome(lambda: identify(signed(b'{"alg":"HS256"}', payload)))

        assert isinstance(answer, Identity | BadToken)


def outcome(work: Callable[[], Identity]) -> Identity | BadToken:
    try:
        return work()
    except BadToken as error:
        return error
