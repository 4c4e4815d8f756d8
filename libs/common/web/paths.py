"""
Paths below a proxy's prefix: ``/apps/1/events``, ``//apps/1/events``, ``/ws/apps/1/events``.

Pure.  A prefix may be anything, slashes included (nginx makes ``//apps`` of ``location /ws {
proxy_pass http://…/; }``).  What follows is taken as it was sent, so that proxies, which choose a
service by it, and we mean the same: dot segments, and letters that are percent-encoded, name
nothing.
"""

from urllib.parse import unquote

from libs.common.errors import Invalid

PREFIX = r"/{prefix:(?:.*/)?}"  # As aiohttp's routes have it.

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
    if (
        any(unquote(segment) in _DOTS for segment in segments)
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
    return tuple(dict.fromkeys((raw, unquote(raw), plain, unquote(plain))))
