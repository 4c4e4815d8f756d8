"""
Webhooks of an app as the settings have them: which facts are posted where.

Pure.  Pusher, "Webhooks"; docs/webhooks.md is the operator's view.  How a webhook's URL may not be
that of a private address is not said here, as it hangs on `libs.common.egress.settings`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Meta

from libs.common.config.address import Network
from libs.common.config.secret import Secret
from libs.common.config.types import PERMITS
from libs.common.egress.policy import Egress
from libs.common.egress.urls import check_url
from libs.common.lifecycle.facts import ABOUT_USERS, Fact, Kind, ToldKind

# What a back end of Pusher's knows, and what comes with a change of who is there.  The others come
# with every message, or are none of Pusher's: who wants them names them.
USUAL: tuple[Kind, ...] = ("channel_occupied", "channel_vacated", "member_added", "member_removed")

INTERNAL = "#"  # Begins the names of channels that are ours, and that no client can name.

_TOKEN = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")  # RFC 9110, 5.6.2.
_TEXT = re.compile(r"[ -~]*")
_OURS = re.compile(
    r"content-.*|x-pusher-.*|webhook-.*|host|connection|transfer-encoding|te|trailer|upgrade|expect",
    re.IGNORECASE,
)


class WebhookSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    A webhook: who is told what becomes of an app's channels and users.

    Attributes:
        url: Where facts are posted; its address must be public, or in ``egress.allow``.
        name: Its name within the app; empty: its place in the list, from 1.
        events: The kinds that are posted; empty: those of `USUAL`.
        channel_prefix: How the names of channels begin that facts must be about; what is about
            users alone is posted in any case.
        headers: Further headers of each request; the values may be secrets.
        batching: Whether several facts may be in one request.
        plain_http: Whether ``http://`` may lead elsewhere than to this machine, where what is
            posted can be read on the way.
    """

    url: Annotated[str, PERMITS]
    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{0,64}$")] = ""
    events: tuple[ToldKind, ...] = ()
    channel_prefix: str = ""
    headers: dict[str, Secret] = {}
    batching: bool = False
    plain_http: bool = False

    def __post_init__(self) -> None:
        check_url(
            self.url,
            "the url of a webhook",
            example="https://example.org/webhooks",
            plain_http=self.plain_http,
        )
        for name, value in self.headers.items():
            if not _TOKEN.fullmatch(name) or not _TEXT.fullmatch(value.reveal()):
                raise ValueError(
                    f"a webhook's header {name[:64]!r} cannot be sent: it is not ASCII"
                )
            if _OURS.fullmatch(name):
                raise ValueError(f"a webhook's header {name} is one of our own")

    def __hash__(self) -> int:
        return hash((self.url, self.name, self.events))  # A table has no hash.

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of facts that are posted."""
        return self.events or USUAL

    @property
    def watched(self) -> frozenset[Kind]:
        """The kinds that must be known: one that is emptied and filled again was never vacated."""
        kinds = frozenset(self.kinds)
        return kinds | {"channel_occupied"} if "channel_vacated" in kinds else kinds

    def concerns(self, fact: Fact) -> bool:
        """Tell whether a fact must be known: its kind is watched, and its channel covered."""
        if fact.kind not in self.watched:
            return False
        if fact.kind in ABOUT_USERS:
            return True
        return fact.channel.startswith(self.channel_prefix) and not fact.channel.startswith(
            INTERNAL
        )

    def takes(self, fact: Fact) -> bool:
        """Tell whether a fact is posted."""
        return fact.kind in self.kinds and self.concerns(fact)


class Hooked(Protocol):
    """What has webhooks.  An `App` is such."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def webhooks(self) -> Sequence[WebhookSettings]:
        """Its webhooks."""


def named(webhooks: Iterable[WebhookSettings]) -> tuple[WebhookSettings, ...]:
    """
    Give a name to those that have none: their place in the list, from 1.

    Raises:
        ValueError: Two have the same name.
    """
    all_named = tuple(
        each if each.name else msgspec.structs.replace(each, name=str(place))
        for place, each in enumerate(webhooks, start=1)
    )
    names = [each.name for each in all_named]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f'two webhooks have the name "{name}"')
    return all_named


def refusals(app: Hooked, allow: Sequence[Network]) -> dict[str, str]:
    """
    Tell why webhooks may not be called, as far as their URLs say: by address, and not by name.

    Args:
        app: Whose they are.
        allow: Networks that may be called although they are not public.

    Returns:
        Name to reason, of those that may not.
    """
    egress = Egress(allow)
    refused: dict[str, str] = {}
    for webhook in app.webhooks:
        try:
            egress.check(webhook.url, f'the webhook "{webhook.name}" of app {app.id}')
        except ValueError as error:
            refused[webhook.name] = str(error)
    return refused


def refused_webhooks(apps: Iterable[Hooked], allow: Sequence[Network]) -> Iterator[str]:
    """Say of the webhooks that may not be called why not; see `refusals`."""
    for app in apps:
        yield from refusals(app, allow).values()


def webhooks_of(text: str) -> tuple[WebhookSettings, ...]:
    """
    Read webhooks from JSON, as PostgreSQL keeps them.

    Raises:
        ValueError: They are none; no value of a header is quoted.
    """
    try:
        return msgspec.json.decode(text, type=tuple[WebhookSettings, ...], dec_hook=_read)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"webhooks: {error}") from error


def json_of(webhooks: Iterable[WebhookSettings]) -> str:
    """Write webhooks as JSON, with what their headers hold."""
    return msgspec.json.encode([*map(_stated, webhooks)], enc_hook=_revealed).decode()


def changed_webhooks(text: str, changes: Mapping[str, WebhookSettings | None]) -> str:
    """
    Put webhooks into a list, in the place of those of the same name, or take them out.

    Args:
        text: The list as JSON.
        changes: The new one of each name; None: it is taken out.

    Raises:
        ValueError: The list is wrong, or one that shall be taken out is not in it.
    """
    before = {each.name: each for each in named(webhooks_of(text))}
    for name, webhook in changes.items():
        if webhook is None and name not in before:
            known = ", ".join(before) or "there are none"
            raise ValueError(f"there is no webhook {name[:64]!r} ({known})")
    merged = before | dict(changes)
    return json_of(webhook for webhook in merged.values() if webhook is not None)


def _stated(webhook: WebhookSettings) -> dict[str, Any]:
    """Tell what differs from the defaults, which may change with a release."""
    return {
        field.name: value
        for field in msgspec.structs.fields(webhook)
        if (value := getattr(webhook, field.name)) != field.default and value != {}
    }


def _read(kind: type, value: Any) -> Any:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise ValueError("expected a text")


def _revealed(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError
