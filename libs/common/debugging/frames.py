"""
Frames as the log may show them: without tokens and signatures, and not longer than a line.

Pure.  A frame is read as JSON and written anew, so that no spelling hides a name: what stands under
names such as ``auth`` and ``token`` is left out wherever it stands, in texts that are JSON too, and
so is what looks like a token or a signature under any other.  Nothing is shown of what cannot be
read.  Data of applications are shown otherwise: who must not see them must not read the log.
"""

import re
from typing import Any

import msgspec

LONGEST = 500  # Characters of a frame that are shown.
MASK = "***"
UNREADABLE = "(no JSON)"
_DEEPEST = 20  # Values within values; what lies deeper is left out.

_SECRET = re.compile(
    r"auth|authorization|bearer|cookie|jwt|.*(token|secret|passw|credential|signature|api_?key).*",
    re.IGNORECASE,
)
# A JWT; and what a back end signs: a key, a colon, and HMAC-SHA256 in hexadecimal digits.
_TOKEN = re.compile(r"eyJ[\w-]{5,}\.[\w-]+(\.[\w-]*)?|[\w-]+:[0-9a-fA-F]{64}")

_decode = msgspec.json.Decoder().decode


def read(frame: bytes) -> Any:
    """Read a frame; None: it is no JSON."""
    try:
        return _decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def channel_of(document: Any) -> str:
    """Tell which channel a frame is about (Pusher, "Protocol"); empty: none."""
    if not isinstance(document, dict):
        return ""
    name = document.get("channel")
    if name is None:
        data = document.get("data")
        data = read(data.encode(errors="replace")) if isinstance(data, str) else data
        name = data.get("channel") if isinstance(data, dict) else None
    return name if isinstance(name, str) else ""


def shown(document: Any, *, longest: int = LONGEST) -> str:
    """
    Write a frame for the log.

    Args:
        document: As `read` gives it.
        longest: Characters; what is cut off is counted at the end.
    """
    if document is None:
        return UNREADABLE
    text = msgspec.json.encode(_masked(document, 0)).decode()
    if len(text) <= longest:
        return text
    return f"{text[:longest]}… ({len(text) - longest} more)"


def _masked(value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        return MASK
    match value:
        case dict():
            return {name: _of_name(name, each, depth + 1) for name, each in value.items()}
        case list():
            return [_masked(each, depth + 1) for each in value]
        case str():
            return _text(value, depth + 1)
    return value


def _of_name(name: str, value: Any, depth: int) -> Any:
    return MASK if value and _SECRET.fullmatch(name) else _masked(value, depth)


def _text(text: str, depth: int) -> str:
    """Mask a text that may be JSON itself (Pusher, "Double encoding")."""
    if text.lstrip()[:1] in {"{", "["}:
        inner = read(text.encode(errors="replace"))
        if inner is not None:
            return msgspec.json.encode(_masked(inner, depth)).decode()
    return _TOKEN.sub(MASK, text)
