"""
Webhooks on a command line: ``--webhook NAME=URL KEY=VALUE …``, of `fanfare apps set`.

A command line is refused in a sentence, which says what may have been meant.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from libs.common.apps.webhooks import WebhookSettings, refused_webhooks
from libs.common.config.address import Network
from libs.common.config.environment import did_you_mean, reason
from libs.common.config.secret import Secret
from libs.common.config.types import show
from libs.common.errors import Misconfigured
from libs.common.lifecycle.facts import KINDS

EXAMPLE = """
Webhooks, each with a name of its own; the same name replaces one whole, and others stay:
  fanfare apps set 1 --webhook orders=https://shop.example.org/hooks
  fanfare apps set 1 --webhook orders=https://shop.example.org/hooks \\
      events=channel_occupied,channel_vacated prefix=private-order. batching=on \\
      header=Authorization:@token.txt
  fanfare apps set 1 --no-webhook orders
Keys: events (kinds, joined by commas), prefix (of channels), batching and plain_http (on or off),
header (NAME:TEXT, or NAME:@FILE, whose text then is in no list of processes; once for each).
fanfare webhooks secret 1 prints what its receivers verify with.
"""

_SWITCHES = {"on": True, "off": False}
_KEYS = ("events", "prefix", "header", "batching", "plain_http")


class _Holder(msgspec.Struct):
    id: str
    webhooks: tuple[WebhookSettings, ...]


def webhook_changes(
    put: Sequence[Sequence[str]],
    removed: Sequence[str],
    *,
    app_id: str,
    allow: Sequence[Network],
) -> dict[str, WebhookSettings | None]:
    """
    Read changes of an app's webhooks.

    Args:
        put: The words of each ``--webhook``.
        removed: The names of each ``--no-webhook``.
        app_id: Whose they are, for messages.
        allow: Networks that may be called although they are not public.

    Raises:
        Misconfigured: One is something else, or is named twice, or its address may not be called.
    """
    new = [_webhook(words) for words in put]
    for problem in refused_webhooks([_Holder(app_id, tuple(new))], allow):
        raise Misconfigured(f"--webhook: {problem}")
    names = [*(webhook.name for webhook in new), *removed]
    for name in names:
        if names.count(name) > 1:
            raise Misconfigured(f"--webhook: {show(name)} is named twice")
    return dict.fromkeys(removed) | {webhook.name: webhook for webhook in new}


def _webhook(words: Sequence[str]) -> WebhookSettings:
    name, separator, url = words[0].partition("=")
    if not separator or not name or "://" in name:
        raise Misconfigured(
            f"--webhook {show(words[0])}: expected NAME=URL, such as "
            "orders=https://shop.example.org/hooks"
        )
    fields: dict[str, Any] = {"name": name, "url": url, "headers": {}}
    for word in words[1:]:
        _take(fields, word)
    try:
        return msgspec.convert(fields, WebhookSettings)
    except msgspec.ValidationError as error:
        raise Misconfigured(f"--webhook {name}: {error}") from error


def _take(fields: dict[str, Any], word: str) -> None:
    key, separator, text = word.partition("=")
    if key not in _KEYS or not separator:
        expected = f"expected one of {', '.join(_KEYS)}, each with = and a value"
        raise Misconfigured(f"--webhook: {show(key)}: {expected}{did_you_mean(key, _KEYS)}")
    match key:
        case "events":
            fields["events"] = _kinds(text)
        case "prefix":
            fields["channel_prefix"] = text
        case "header":
            fields["headers"] |= _header(text)
        case _:
            if text not in _SWITCHES:
                raise Misconfigured(f"--webhook: {key}: expected on or off, found {show(text)}")
            fields[key] = _SWITCHES[text]


def _kinds(text: str) -> list[str]:
    kinds = [each.strip() for each in text.split(",") if each.strip()]
    for kind in kinds:
        if kind not in KINDS:
            hint = did_you_mean(kind, KINDS) or f"; there are {', '.join(KINDS)}"
            raise Misconfigured(f"--webhook: there is no event {show(kind)}{hint}")
    return kinds


def _header(text: str) -> Mapping[str, Secret]:
    name, separator, value = text.partition(":")
    if not separator:
        raise Misconfigured("--webhook: header: expected NAME:TEXT, or NAME:@FILE")
    value = value.strip()
    if value.startswith("@"):
        value = _text_of(value[1:])
    return {name.strip(): Secret(value)}


def _text_of(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"--webhook: header: {show(file)}: {reason(error)}") from error
