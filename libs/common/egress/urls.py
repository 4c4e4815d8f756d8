"""
URLs that the settings name, of servers that are called with something to keep.

Pure.
"""

import re
from urllib.parse import SplitResult, urlsplit

from libs.common.config.address import Address

_VISIBLE = re.compile(r"[!-~]+")


def check_url(text: str, what: str, *, example: str, plain_http: bool = False) -> None:
    """
    Check whom tokens are entrusted to.

    Args:
        text: The URL.
        what: The name of the URL in messages.
        example: One of its kind, for messages.
        plain_http: Whether ``http://`` may lead elsewhere than to this machine.

    Raises:
        ValueError: It is no URL, or leads over lines where others could read and write.
    """
    url = _split(text)
    if url is None:
        raise ValueError(f"{what} must be a URL such as {example}")
    if "@" in url.netloc:
        raise ValueError(f"{what} must hold no user and no password")
    if url.fragment:
        raise ValueError(f"{what} must not have a part after #")
    if url.scheme == "http" and (plain_http or Address(url.hostname or "", 0).is_loopback):
        return
    if url.scheme != "https":
        plain = " or http://" if plain_http else ", or with http:// and a loopback address"
        raise ValueError(f"{what} must begin with https://{plain}")


def _split(text: str) -> SplitResult | None:
    """Take a URL apart; None: it is none that names a host."""
    try:
        url = urlsplit(text)
        is_good = url.hostname and (url.port or True) and _VISIBLE.fullmatch(text)
    except ValueError:
        return None
    return url if is_good else None
