"""
Users' tokens: JWTs that the chat's back end gives out, and that Fanfare's auth believes too.

Fanfare knows the issuer, the audience and the secret by ``[[auth.issuers]]`` in fanfare.toml; then
Echo gets into channels with nothing but this token.
"""

import time

import jwt

from examples.chat.store import User

ISSUER = "chat"
AUDIENCE = "fanfare"
LASTS = 12 * 3600  # Seconds.
ALGORITHM = "HS256"


class BadToken(Exception):
    """A token is missing, not ours, or has expired."""


class Login:
    """
    Issues tokens, and reads them.

    Args:
        secret: Signs them; 32 bytes or more.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def token(self, user: User) -> str:
        """Issue a user's token."""
        expires_at = int(time.time()) + LASTS
        claims = {"iss": ISSUER, "aud": AUDIENCE, "exp": expires_at}
        claims |= {"sub": str(user.id), "name": user.name}
        return jwt.encode(claims, self._secret, ALGORITHM)

    def user(self, authorization: str) -> User:
        """
        Tell whose request it is.

        Args:
            authorization: HTTP's header: ``Bearer …``.

        Raises:
            BadToken: It has no good token.
        """
        token = authorization.removeprefix("Bearer ")
        try:
            claims = jwt.decode(token, self._secret, [ALGORITHM], audience=AUDIENCE, issuer=ISSUER)
        except jwt.InvalidTokenError as error:
            raise BadToken(str(error)) from error
        return User(int(claims["sub"]), claims["name"])
