"""
JSONP: an answer as a script that calls a function of the page.

Pure.  It is for old clients, which cannot post to another origin.  Only a cookie tells who is
calling, and a script is asked for without ``Origin``: the page is known by its ``Referer``, which
no other page can forge.  Source: pusher-js, its ``jsonp`` transport; Fetch, "Origin header".
"""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from libs.common.errors import Invalid

MAX_NAME = 100  # Characters.
MEDIA_TYPE = "text/javascript"

# A function, maybe within objects; pusher-js: Pusher.auth_callbacks['1'].
_NAME = re.compile(r"[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*|\['?[0-9]{1,10}'?\])*", re.ASCII)


class BadCallback(Invalid):
    """What shall be called is no plain function of the page."""

    def __init__(self) -> None:
        super().__init__("callback must be a function's name, such as Pusher.auth_callbacks['1']")


def check_callback(name: str) -> None:
    """
    Check the name of a page's function: it becomes a part of a script.

    Raises:
        BadCallback: It could be more than a name.
    """
    if len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise BadCallback


def script(callback: str, answer: bytes) -> bytes:
    """Call a function, whose name has been checked, with an answer in JSON."""
    # JSON may hold two characters that ended a line in scripts before ECMAScript 2019.
    argument = answer.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
    return callback.encode() + b"(" + argument + b");"


def page(headers: Mapping[str, str]) -> str:
    """Tell the origin of the page that a script is for; empty: nothing says so."""
    if "Origin" in headers:
        return headers["Origin"]
    try:
        referer = urlsplit(headers.get("Referer", ""))
    except ValueError:
        return ""
    return f"{referer.scheme}://{referer.netloc}" if referer.scheme and referer.netloc else ""
