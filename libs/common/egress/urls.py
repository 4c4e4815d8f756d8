"""
URLs that the settings name, of servers that are called with something to keep.

Pure.
"""

import re
from urllib.parse import urlsplit

from libs.common.config.address import Address

_VISIBLE = re.compile(r"[!-~]+")


def check_url(text: str, what: str, *, plain_http: bool = False) -> None:
    """
    Check whom tokens are entrusted to.

    Args:
        text: The URL.
        what: The name of the URL in messages.
        plain_http: Whether ``http://`` may lead elsewhere than to this machine.

    Raises:
        ValueError: It is no URL, or leads over lines where others could read and write.
    """
    try:
        url = urlsplit(text)
        host, _ = url.hostname or "", url.port
    except ValueError:
        host = ""
    if not host or "@" in url.netloc or url.fragment or not _VISIBLE.fullmatch(text):
        raise ValueError(
            f"{what} must be a URL such as https://id.example.org/keys, and hold no password"
        )
    if url.scheme == "http" and (plain_http or Address(host, 0).is_loopback):
        return
    if url.scheme != "https":
        raise ValueError(f"{what} must begin with https://, or with http:// and a loopback address")
