"""A name that was cut within an emoji shuts nobody out: half of a surrogate pair, from a token to a client."""

import json

import jwt
import pytest

from libs.common.apps.app import App
from libs.common.config.secret import Secret
from libs.common.tokens.channel_tokens import TokenRequest, issue, verify
from services.auth.bodies import JSON, BadBody, read
from services.auth.identity.bearer_tokens import Issuers, taken_apart
from services.auth.identity.bearer_tokens import verify as verify_bearer
from services.auth.identity.verifying_keys import prepared_key
from services.auth.settings import Issuer
from tests.support.tokens.channel_tokens import ring

SECRET = "a secret of at least thirty-two characters"
ISSUER = Issuer(
    issuer="i", audience="a", secret=Secret(SECRET), user_info={"name": "name", "id": "sub"}
)
APP = App(id="1", key="k", secrets=(Secret("s"),))
HALF = "Ann \ud83d"


def test_bearer_token() -> None:
    claims = {"iss": "i", "aud": "a", "sub": "7", "exp": 2_000_000_000, "name": HALF}
    text = jwt.encode(claims, SECRET, algorithm="HS256")

    token = taken_apart(text)
    issuer = Issuers([ISSUER]).of(token)
    user = verify_bearer(token, issuer, key=prepared_key(issuer), now=1_700_000_000.0)

    assert dict(user.info) == {"name": HALF, "id": "7"}


def test_channel_token() -> None:
    asked = TokenRequest(user="7", user_info={"name": HALF}, claims={"nick": HALF})

    text, _ = issue(asked, ring(), app_id="1", now=1_700_000_000.0, jti="j")
    token = verify(text, ring(), app=APP, now=1_700_000_001.0)

    assert (token.user_info, token.claims) == ({"name": HALF}, {"nick": HALF})


def test_body() -> None:
    body = json.dumps({"user": "7", "user_info": {"name": HALF}}).encode()

    asked = read(body, JSON, TokenRequest, fold=dict)

    assert asked.user_info == {"name": HALF}


@pytest.mark.parametrize("body", [r'{"user":"\ud83d"}', r'{"user":"7","channels":["\ud83d"]}'])
def test_names(body: str) -> None:
    """What is compared must be whole."""
    with pytest.raises(BadBody) as caught:
        read(body.encode(), JSON, TokenRequest, fold=dict)

    assert "truncated" not in str(caught.value)
