"""
What a server refuses, and whether it still does.

A server that answers may be of no use all the same: without memory, a replica, without the
permission.  Such an answer is an outage, and it lasts until what was refused is done again: that
the server still answers other questions says nothing.
"""

from collections.abc import Iterable
from typing import Any

from redis.exceptions import (
    AskError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    ResponseError,
    TryAgainError,
)

from libs.common.redis.commands import Word, Words, name_of

# Said the server, and did nothing: a call is repeated, or sent elsewhere.
UNTOUCHED = (NoScriptError, MovedError, AskError)
# Begins what Redis answers where the user may run scripts and not a command, or a key, in one.
WITHIN_SCRIPT = "The user executing the script can't"
# What is wrong with values begins so; refusals of the server have other codes.
_OF_SCRIPTS = ("ERR ", "user_script", "Error running script", "@user_script", "Wrong", "WRONGTYPE")
_ELSEWHERE = "non local key"  # While a slot of a cluster moves.
_WITHIN = ("user_script", "Error running script")
_PASSING = (*UNTOUCHED, TryAgainError)


class Refusals:
    """
    The commands that a server refuses.

    Most refusals are meant for all that need the same: one command that was refused and now is done
    shows that they are over.  A permission is one command's.

    Args:
        probe: Names the command that asks a server whether it can be used; done, it shows the same.
    """

    def __init__(self, probe: Word) -> None:
        self._probe = probe
        self._general: dict[Word, str] = {}  # What the server said, by the command's name.
        self._forbidden: dict[Word, str] = {}

    def __bool__(self) -> bool:
        """Whether something is refused, as far as is known."""
        return bool(self._general or self._forbidden)

    @property
    def reason(self) -> str:
        """What the server said of the command that it refused first; empty: it refuses none."""
        return next(iter((self._general | self._forbidden).values()), "")

    def note(self, commands: Iterable[Words], replies: Iterable[Any]) -> None:
        """Note what a server answered to commands, in their order."""
        for command, reply in zip(commands, replies, strict=True):
            if isinstance(reply, ResponseError):
                self._refused(command, reply)
            elif self:
                self._done(command)

    def _refused(self, command: Words, error: ResponseError) -> None:
        if isinstance(error, _PASSING) or is_missing(error) or is_unreadable(error):
            return
        kind = self._forbidden if is_forbidden(error) else self._general
        kind[name_of(command)] = said(error)

    def _done(self, command: Words) -> None:
        name = name_of(command)
        self._forbidden.pop(name, None)
        if name in self._general or name == self._probe:
            self._general.clear()

    def forget(self) -> None:
        """Begin anew: the server was away, and may be another."""
        self._general.clear()
        self._forbidden.clear()


def said(error: Exception) -> str:
    """Return what a server answered, with the code that redis-py takes off."""
    code = getattr(error, "status_code", None)
    text = str(error)
    return f"{code} {text}" if code and not text.startswith(code) else text


def is_forbidden(error: Exception) -> bool:
    """Whether an error says that the user lacks a permission, also for what a script does."""
    return isinstance(error, NoPermissionError) or str(error).startswith(WITHIN_SCRIPT)


def is_unreadable(error: Any) -> bool:
    """
    Whether an error says that a key holds what a command or a script of ours cannot work on.

    What the server refuses as a whole has a code of its own, also within a script.
    """
    if not isinstance(error, ResponseError) or is_forbidden(error):
        return False
    text = said(error)
    if _ELSEWHERE in text:
        return False
    return text.startswith("WRONGTYPE") or (
        text.startswith(_OF_SCRIPTS) and any(mark in text for mark in _WITHIN)
    )


def is_missing(reply: Any) -> bool:
    """Whether the reply to a call says that there is no such key."""
    return isinstance(reply, ResponseError) and "no such key" in str(reply)
