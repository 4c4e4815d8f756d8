"""
Frames as the log may show them: without tokens and signatures, and not longer than a line.

Pure.  A frame is read as JSON and written anew, so that no spelling hides a name: what stands under
names such as ``auth``, ``x-api-key`` and ``sessionId`` is left out wherever it stands, in texts
that are JSON or lines such as ``token=…`` too.  So are, under any name, all values of a URL's
query, its login, and what looks like a token, a key or a signature.  Nothing is shown of what
cannot be read.  Data of applications are shown otherwise: who must not see them must not read the
log.
"""

import re
from typing import Any

import msgspec

LONGEST = 500  # Characters of a frame that are shown.
MASK = "***"
UNREADABLE = "(no JSON)"
_DEEPEST = 20  # Values within values; what lies deeper is left out.

# Of names in small letters, without what joins their words.
_SECRET = re.compile(
    r".*(token|secret|passw|passphrase|passcode|passwd|pwd|credential|signature|csrf|xsrf|cookie"
    r"|apikey|accesskey|authkey|privatekey|signingkey|encryptionkey|masterkey|sessionkey).*"
    r"|.*(auth|authorization|bearer|jwt|session|sessionid|sessid|hmac|assertion)|sig|sid|pin|t?otp"
)
_JOINTS = re.compile(r"[^a-z0-9]")
_PAIRED = ("name", "key", "header")  # Say in a pair what its ``value`` is, as lists of headers do.
# What issuers begin their keys with: Stripe, Standard Webhooks, GitHub, GitLab, Slack, AWS, Google,
# SendGrid and those who took such forms from them.
_MARKED = (
    r"(?:[spr]k|whsec|gh[opusr]|github_pat|glpat|xox[a-z]|npm|pypi|hf|shpat)[_-][\w-]{8,}"
    r"|A[KS]IA[0-9A-Z]{16}|AIza[\w-]{30,}|ya29\.[\w-]+|SG\.[\w-]+\.[\w-]+"
)
# A JWT; what a back end signs: a key, a colon, and HMAC-SHA256 in hexadecimal digits; a marked key;
# and letters and digits in so long a row as nobody gives to what people name.
_TOKEN = re.compile(
    r"(?<![\w-])(?:eyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)*|[\w-]+:[0-9a-fA-F]{64}|"
    rf"{_MARKED}|(?=[A-Za-z_]*[0-9])(?=[0-9_]*[A-Za-z])\w{{40,}})"
)
_LOGIN = re.compile(r"(?<=://)[^/?#\s@\"']+@")
_URL = re.compile(r"://[^\s\"'<>]+")
# A query's first value, where it has no name.  What follows each mark is looked at once: strangers
# write frames, and may write nothing but marks.
_NAMELESS = re.compile(r"\?[^?=&#]++(?=[?&#]|$)")
_OPTION = re.compile(r"([?&#;] ?[\w.~%\[\]-]+=)[^&#;\s\"'<>]+")
# ``Authorization: Bearer …``, ``token=…``, ``"secret":"…`` of what is JSON no more.
_ASSIGNED = re.compile(
    r"(?<![\w.-])([\w.-]{3,64})([\"'\\]{0,4}\s{0,3}[:=]\s{0,3}[\"'\\]{0,4})"
    r"(?:(?:bearer|basic|digest|token)\s+)?[^\s&,;\"'\\]+",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(?<!\w)(bearer|basic)(\s+)(?=\S*\d)[\w+/=.~-]{6,}", re.IGNORECASE)

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
            return _members(value, depth + 1)
        case [str(name), each] if _is_secret(name):
            return [name, each and MASK]
        case list():
            return [_masked(each, depth + 1) for each in value]
        case str():
            return _text(value, depth + 1)
    return value


def _members(document: dict[str, Any], depth: int) -> dict[str, Any]:
    is_pair = any(_is_secret(document.get(name)) for name in _PAIRED)
    return {
        _concealed(name): MASK
        if each and (_is_secret(name) or (is_pair and name == "value"))
        else _masked(each, depth)
        for name, each in document.items()
    }


def _is_secret(name: Any) -> bool:
    """Tell whether what has such a name is a secret; what is no text names nothing."""
    return isinstance(name, str) and bool(_SECRET.fullmatch(_JOINTS.sub("", name.lower())))


def _text(text: str, depth: int) -> str:
    """Mask a text that may be JSON itself (Pusher, "Double encoding")."""
    if text.lstrip()[:1] in {"{", "["}:
        inner = read(text.encode(errors="replace"))
        if inner is not None:
            return msgspec.json.encode(_masked(inner, depth)).decode()
    return _concealed(text)


def _concealed(text: str) -> str:
    """Mask what stands within a text, whoever wrote it."""
    text = _TOKEN.sub(MASK, _LOGIN.sub(f"{MASK}@", text))
    text = _URL.sub(lambda url: _NAMELESS.sub(f"?{MASK}", url[0]), text)
    text = _OPTION.sub(rf"\1{MASK}", text)
    return _BEARER.sub(rf"\1\2{MASK}", _ASSIGNED.sub(_assigned, text))


def _assigned(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}{MASK}" if _is_secret(found[1]) else found[0]
