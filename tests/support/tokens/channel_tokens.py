"""Channel tokens of the tests' own key, and what a gateway knows of them."""

from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from libs.common.config.secret import Secret
from libs.common.policies.guards import Guards
from libs.common.policies.settings import ChannelPolicy
from libs.common.tokens.channel_tokens import ChannelToken, TokenRequest, issue, new_jti
from libs.common.tokens.key_ring import KeyRing
from libs.common.tokens.settings import TokenKey, TokenSettings
from services.gateway.access.verifier import Verifier


@lru_cache
def ring() -> KeyRing:
    """Return the keys: one, made for this run."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    made = TokenKey(kid="tests", public_key=public.decode(), private_key=Secret(private))
    return KeyRing(TokenSettings(keys=(made,)))


def verifier(*guards: ChannelPolicy, grace: float = 30.0, informed: bool = True) -> Verifier:
    """
    Make what a gateway knows; both clocks show the same until it is told otherwise.

    Args:
        guards: Policies of public channels.
        grace: Seconds for which what a token opened outlives it.
        informed: Whether it has heard all commands.
    """
    known = Verifier(ring(), grace=grace, guards=Guards(guards))
    known.is_informed = informed
    return known


def channel_token(
    user: str = "ann", *channels: str, now: float, app: str = "1", **more: Any
) -> tuple[str, ChannelToken]:
    """Issue a token for some channels."""
    grant = TokenRequest(user=user, channels=channels, **more)
    return issue(grant, ring(), app_id=app, now=now, jti=new_jti())
