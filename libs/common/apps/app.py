"""
Apps: the tenants of a deployment, their keys, secrets and switches.

An app is a value.  `port.py` says how one is found; `memory.py` (those of the configuration file)
and `postgres.py` keep them.
"""

import base64

import msgspec

from libs.common.apps import origins
from libs.common.apps.limits import Limits
from libs.common.apps.webhooks import WebhookSettings, named
from libs.common.config.secret import Secret
from libs.common.lifecycle.facts import Kind
from libs.common.tokens.settings import AppTokenKey, check_kids


class App(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    One app.

    Attributes:
        id: Digits by custom: the Python SDK refuses other ids.
        key: Public; clients name their app by it.
        secrets: The first signs, all verify: a secret is rotated without downtime.
        name: For people.
        enabled: Whether clients may connect and back ends may publish.
        client_events: Whether clients may send events to each other.
        watchlists: Whether a signed-in client may watch whether others are online.
        subscription_counts: Whether subscribers are told how many they are.
        encryption_master_key: 32 bytes as base64, for ``private-encrypted-`` channels; empty: none.
        topic: The event log's topic that takes what is posted to ``/events``; empty:
            ``fanfare.events.<id>``.
        tls_only: Whether clients must connect with TLS.
        auth_timeout: Seconds in which a connection must sign in or join a channel that needs a
            token; 0: never.
        tenant: Which field of a signed-in user's ``user_info`` names its tenant, for the quota;
            empty: none.
        leave_grace: Seconds in which a member whose connection closed may return without having
            left.
        allowed_origins: Whose pages may use the app, such as ``https://www.example.org``; empty:
            anybody's.
        limits: What the app may use.
        token_keys: Public keys of an issuer of the app's own: channel tokens that it signs are good
            for this app.
        webhooks: Who is told what becomes of its channels and users; each has a name.
    """

    id: str
    key: str
    secrets: tuple[Secret, ...]
    name: str = ""
    enabled: bool = True
    client_events: bool = False
    watchlists: bool = False
    subscription_counts: bool = False
    encryption_master_key: Secret = Secret("")
    topic: str = ""
    tls_only: bool = False
    auth_timeout: float = 0.0
    tenant: str = ""
    leave_grace: float = 1.5
    allowed_origins: tuple[str, ...] = ()
    limits: Limits = Limits()
    token_keys: tuple[AppTokenKey, ...] = ()
    webhooks: tuple[WebhookSettings, ...] = ()

    def __post_init__(self) -> None:
        if not self.id or not self.key:
            raise ValueError("an app needs an id and a key")
        if not self.secrets or not all(secret.reveal() for secret in self.secrets):
            raise ValueError(f"app {self.id} needs at least one secret, and none may be empty")
        for name in ("leave_grace", "auth_timeout"):
            if getattr(self, name) < 0:
                raise ValueError(f"app {self.id}: {name} is less than 0")
        _check_master_key(self)
        check_kids(self.token_keys)
        try:
            origins.check(self.allowed_origins)
        except ValueError as error:
            raise ValueError(f"app {self.id}: allowed_origins: {error}") from error
        try:
            msgspec.structs.force_setattr(self, "webhooks", named(self.webhooks))
        except ValueError as error:
            raise ValueError(f"app {self.id}: {error}") from error

    @property
    def events_topic(self) -> str:
        """The topic that takes what is posted to ``/events``."""
        return self.topic or f"fanfare.events.{self.id}"

    def wants(self, kind: Kind) -> bool:
        """Tell whether a webhook of the app has to know of facts of a kind."""
        return any(kind in webhook.watched for webhook in self.webhooks)


def _check_master_key(app: App) -> None:
    text = app.encryption_master_key.reveal()
    try:
        size = len(base64.b64decode(text, validate=True))
    except ValueError:
        size = -1
    if text and size != 32:
        raise ValueError(f"app {app.id}: encryption_master_key is not 32 bytes as base64")
