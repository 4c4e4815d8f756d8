"""
Any text as a part of a channel's name, and back.

Pure.  Names may have letters, digits and a few signs, and full stops part them; ids of identity
providers have more: ``auth0|5f``, ``did:web:x``.  Here ASCII's letters and digits, ``_`` and ``-``
stand for themselves, and each other byte of UTF-8 for ``=`` and two digits in hexadecimal:
``auth0=7C5f``.  Each text has one such spelling, and no other is read.
"""

import re

_PLAIN = re.compile(rb"[^A-Za-z0-9_-]")
_ESCAPED = re.compile(r"(?:[A-Za-z0-9_-]|=[0-9A-F]{2})*", re.ASCII)
_BYTE = re.compile(r"=([0-9A-F]{2})")


def escape(text: str) -> str:
    """
    Spell a text as a part of a channel's name.

    Raises:
        UnicodeEncodeError: It has half of a surrogate pair.
    """
    return _PLAIN.sub(lambda found: b"=%02X" % found[0][0], text.encode()).decode()


def unescape(part: str) -> str:
    """
    Read what `escape` has spelled.

    Raises:
        ValueError: The text is not one that `escape` makes.
    """
    if _ESCAPED.fullmatch(part):
        octets = _BYTE.sub(lambda found: chr(int(found[1], 16)), part).encode("latin-1")
        text = octets.decode()
        if escape(text) == part:
            return text
    raise ValueError(f"{part[:64]!r} is not spelled as escape() does")
