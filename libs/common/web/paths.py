"""
Paths below a proxy's prefix: ``/apps/1/events``, ``//apps/1/events``, ``/ws/apps/1/events``.

Pure.  A prefix may be anything, slashes included (nginx makes ``//apps`` of ``location /ws {
proxy_pass http://…/; }``).  What follows is taken as it was sent, so that proxies, which choose a
service by it, and we mean the same: dot segments, and letters that are percent-encoded, name
nothing.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from urllib.parse import unquote

from libs.common.errors import Invalid

PREFIX = r"/{prefix:(?:.*/)?}"  # As aiohttp's routes have it.

LONGEST_MISS = 100  # Characters of a path that is compared with others.

_LIKENESS = 0.75  # Of a path and the one that it may stand for; 1: they are the same.
_DOTS = frozenset({".", ".."})


class OddPath(Invalid):
    """A path is spelled so that not everybody understands the same by it."""

    code = 4005  # Pusher, "Error codes": path not found.
    status = 404

    def __init__(self, word: str) -> None:
        super().__init__(
            f"no such path: after a prefix without dot segments /{word}/ stands in plain letters"
        )


def check_path(raw: str, prefix: str, word: str, *, once: bool = False) -> None:
    """
    Check a path that a route below `PREFIX` took.

    Args:
        raw: As sent, without the query.
        prefix: What the route took for the prefix: empty, or up to a slash.
        word: What follows the prefix: ``app``, ``apps`` or ``presence/apps``.
        once: Whether it may not stand in the prefix too.

    Raises:
        OddPath: The path has dot segments, or the word is not there as it is written.
    """
    segments, words = raw.split("/"), word.split("/")
    place = prefix.count("/") + 1
    before = "/".join(segments[:place])
    may_have_dots = "." in raw or "%" in raw
    if (
        (may_have_dots and any(unquote(segment) in _DOTS for segment in segments))
        or segments[place : place + len(words)] != words
        or (once and f"/{word}/" in f"{before}/")
    ):
        raise OddPath(word)


def spellings(raw: str, word: str) -> tuple[str, ...]:
    """
    Return what of a path that was checked, with the word once, a client may have signed.

    That is the path as sent or decoded, each with the prefix and without it.
    """
    _, _, rest = raw.partition(f"/{word}/")
    plain = f"/{word}/{rest}"
    if raw == plain and "%" not in raw:
        return (raw,)
    return tuple(dict.fromkeys((raw, unquote(raw), plain, unquote(plain))))


def meant(path: str, known: Iterable[str]) -> str:
    """
    Tell which path a wrong one may stand for.

    Args:
        path: As asked for.
        known: Those that there are, such as ``/app/{key}``; names in braces stand for any segment.

    Returns:
        One of the known paths, below any prefix without it; empty if none is like it.
    """
    if len(path) > LONGEST_MISS:
        return ""
    plain = (template.replace("{prefix}", "") for template in known)
    # Neither the greeting nor what takes whatever comes is ever meant.
    templates = [template for template in plain if template != "/" and template[:2] != "/{"]
    begun = (template for template in templates if template.startswith(path.rstrip("/") + "/"))
    filled = {_filled(template, path): template for template in templates}
    close = get_close_matches(path, filled, n=1, cutoff=_LIKENESS)
    return next(begun, "") or (filled[close[0]] if close else "")


def _filled(template: str, path: str) -> str:
    """Put what a path has in the places of a template's names."""
    places, segments = template.split("/"), path.split("/")
    for index, segment in enumerate(segments[: len(places)]):
        if places[index].startswith("{"):
            places[index] = segment
    return "/".join(places)
