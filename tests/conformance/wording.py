"""What stands in transcripts, turned into what is sent, and compared with what is heard."""

import json
import re
import time
from collections.abc import Mapping
from typing import Any

from libs.common.apps.app import App
from libs.common.apps.signatures import channel_text, grant_token, sign, user_text
from tests.support.tokens.channel_tokens import channel_token

TOKEN_TTL = 60.0  # Seconds.
LONG_AGO = 1000.0
ANYTHING = "<text>"
OTHER_SECRET = "no-secret-of-this-app"

_QUOTED = re.compile("`([^`]*)`")
_REPEATED = re.compile(r"<(\d+) (.)>")
_SOCKET_ID = re.compile(r"<socket_id(?: of ([a-z]+))?>")
_TOKEN = re.compile(r"<(token|stale) ([^> ]+) ?([^>]*)>")
_AUTH = re.compile(r"<auth(?: ([^>]*))?>")
_GRANT = re.compile(r"<grant ([^> ]+) ([^>]+)>")


def spelled(text: str, speaker: str, socket_ids: Mapping[str, str]) -> str:
    """
    Put in what needs no secret.

    Args:
        text: As it stands in the transcript.
        speaker: Whose line it is.
        socket_ids: By actor.
    """
    text = _QUOTED.sub(lambda found: json.dumps(found[1], ensure_ascii=False), text)
    text = _TOKEN.sub(_channel_token, text)
    text = _REPEATED.sub(lambda found: found[2] * int(found[1]), text)
    return _SOCKET_ID.sub(lambda found: socket_ids[found[1] or speaker], text)


def signed(text: str, app: App, speaker: str, socket_ids: Mapping[str, str]) -> str:
    """Put tokens into a message that asks for them; the rest of it is spelled out."""
    if not (_AUTH.search(text) or _GRANT.search(text)):
        return text
    data = json.loads(text)["data"]
    if isinstance(data, str):
        data = json.loads(data)
    text = _GRANT.sub(lambda found: _grant(app, data["channel"], found, socket_ids[speaker]), text)
    return _AUTH.sub(
        lambda found: _token(app, data, found[1] or "", speaker=speaker, socket_ids=socket_ids),
        text,
    )


def _token(
    app: App, data: Mapping[str, str], how: str, *, speaker: str, socket_ids: Mapping[str, str]
) -> str:
    words = how.split()
    otherwise = dict(zip(words[::2], words[1::2], strict=True))
    socket_id = socket_ids[otherwise.get("of", speaker)]
    if "user_data" in data:
        text = user_text(socket_id, data["user_data"])
    else:
        name = otherwise.get("for", data["channel"])
        channel_data = None if "without" in otherwise else data.get("channel_data")
        text = channel_text(socket_id, name, channel_data)
    secrets = {"first": app.secrets[0].reveal(), "older": app.secrets[-1].reveal()}
    secret = secrets.get(otherwise.get("by", "first"), OTHER_SECRET)
    return f"{app.key}:{sign(secret, text)}"


def _grant(app: App, channel: str, found: "re.Match[str]", socket_id: str) -> str:
    holder = json.dumps({"user_id": found[1], "iat": float(found[2])})
    return grant_token(app, socket_id, channel=channel, holder=holder)


def _channel_token(found: "re.Match[str]") -> str:
    now = time.time() - (LONG_AGO if found[1] == "stale" else 0.0)
    return channel_token(found[2], *found[3].split(), now=now, ttl=TOKEN_TTL)[0]


def is_alike(expected: Any, heard: Any) -> bool:
    """
    Tell whether a message is the expected one.

    Both are decoded frames.  What the server itself composes may be spelled as JSON allows, also within ``data``;
    what it passes on for others stays as it is, character by character.
    """
    composed = (
        str(heard.get("event", "")).startswith("pusher") if isinstance(heard, dict) else False
    )
    return _is_alike(expected, heard, inside=composed)


def _is_alike(expected: Any, heard: Any, *, inside: bool) -> bool:
    """Compare; with `inside` strings that both hold objects are compared by these."""
    if type(expected) is not type(heard):
        return False
    if isinstance(expected, dict):
        return expected.keys() == heard.keys() and all(
            _is_alike(value, heard[key], inside=inside) for key, value in expected.items()
        )
    if isinstance(expected, list):
        return len(expected) == len(heard) and all(
            _is_alike(*pair, inside=inside) for pair in zip(expected, heard, strict=True)
        )
    if expected == ANYTHING:
        return bool(heard)
    if inside and isinstance(expected, str) and expected.startswith("{"):
        return _is_alike(_decoded(expected), _decoded(heard), inside=False)
    return bool(expected == heard)


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
