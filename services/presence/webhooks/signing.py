"""
How webhooks are signed: as Pusher does, and as Standard Webhooks do.

Pure.  Pusher, "Webhooks", "Security"; Standard Webhooks 1.0, "Signature scheme".  The secret of the
latter is derived from the app's, so that it comes and goes with that one, and who has it cannot
sign anything else in the app's name.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable

from libs.common.apps.app import App
from libs.common.config.secret import Secret

_PURPOSE = b"fanfare webhooks"
_PREFIX = "whsec_"


def webhook_secret(secret: Secret) -> Secret:
    """Derive a receiver's secret: HMAC-SHA256(secret, "fanfare webhooks"), after ``whsec_``."""
    return Secret(_PREFIX + base64.b64encode(_key(secret)).decode())


def signed_headers(app: App, delivery_id: str, *, body: bytes, now: float) -> dict[str, str]:
    """
    Sign a request.

    Pusher's signature is of the app's first secret, which signs; of Standard Webhooks' there is one
    for each secret, so that a receiver may have either while one takes the place of the other.

    Args:
        app: Whose webhook it is.
        delivery_id: Without a full stop.
        body: As it is sent.
        now: UTC epoch seconds.
    """
    timestamp = str(int(now))
    content = f"{delivery_id}.{timestamp}.".encode() + body
    return {
        "X-Pusher-Key": app.key,
        "X-Pusher-Signature": _digest(app.secrets[0].reveal().encode(), body).hex(),
        "webhook-id": delivery_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_versioned(app.secrets, content)),
    }


def standard_signature(secret: Secret, content: bytes) -> str:
    """Sign ``id.timestamp.body`` with a receiver's secret, as Standard Webhooks do."""
    key = base64.b64decode(secret.reveal().removeprefix(_PREFIX))
    return "v1," + base64.b64encode(_digest(key, content)).decode()


def _versioned(secrets: Iterable[Secret], content: bytes) -> Iterable[str]:
    for secret in dict.fromkeys(secrets):  # While one is replaced it may stand there twice.
        yield standard_signature(webhook_secret(secret), content)


def _key(secret: Secret) -> bytes:
    return _digest(secret.reveal().encode(), _PURPOSE)


def _digest(key: bytes, content: bytes) -> bytes:
    return hmac.new(key, content, hashlib.sha256).digest()
