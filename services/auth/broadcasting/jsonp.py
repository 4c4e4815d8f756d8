"""
JSONP: an answer as a script that calls a function of the page.

Pure.  It is for old clients, which cannot post to another origin.  Only a cookie tells who is
calling, and a script is asked for without ``Origin``: the page is known by its ``Referer``, which
no other page can forge.  A page that sends neither is nobody's, wherever ``Sec-Fetch-Site`` says
that it is from.  Source: pusher-js, its ``jsonp`` transport; Fetch, "Origin header".
"""

import re
from urllib.parse import urlsplit

from multidict import MultiMapping

from libs.common.errors import Invalid
from services.auth.identity.credentials import origin_of

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


def page(headers: MultiMapping[str]) -> str:
    """Tell the origin of the page that a script is for; empty: nothing says so, or too much."""
    if "Origin" in headers:
        return origin_of(headers)
    told = headers.getall("Referer", ())
    if len(told) != 1:
        return ""
    try:
        referer = urlsplit(told[0])
    except ValueError:
        return ""
    return f"{referer.scheme}://{referer.netloc}" if referer.scheme and referer.netloc else ""
