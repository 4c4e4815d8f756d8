"""Scripts in Lua, which lie beside the adapters that run them; calls of scripts and commands."""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha1
from math import ceil
from pathlib import Path
from typing import NamedTuple, Self

from libs.common.redis.commands import Word, Words
from libs.common.redis.pubsub.ways import Pubsub


class Script:
    """
    A Lua script, known to the server by the digest of its text.

    Args:
        text: The source.  All keys of one call are of one partition.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = sha1(text.encode(), usedforsecurity=False).hexdigest()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a script from a file."""
        return cls(_text(path))

    @classmethod
    def joined(cls, *paths: Path, flags: str = "") -> Self:
        """
        Join files into a script.

        It gets a shebang, so that Redis refuses it as a whole or not at all.

        Args:
            paths: The files, which have no shebang.
            flags: Of the script.  With ``allow-oom`` it still runs without memory left: for what
                frees or renews, or takes little for each of our own processes (ADR 0032).
        """
        shebang = f"#!lua flags={flags}" if flags else "#!lua"
        return cls("\n".join((shebang, *map(_text, paths))))

    def announcing(self, pubsub: Pubsub) -> "Script":
        """Return the script that announces in this way; it is written for the classic one."""
        return self if pubsub is Pubsub.CLASSIC else _announcing(self, pubsub)

    def call(self, keys: Sequence[str], *args: Word) -> "Call":
        """Say what to run it on: ``KEYS`` and ``ARGV``."""
        return Call(keys[0], ("EVALSHA", self.digest, len(keys), *keys, *args), self)


class Call(NamedTuple):
    """
    A command.

    Attributes:
        key: One of its keys; in a cluster it decides where the command goes.
        command: The words, of which the first names it.
        script: The script that it runs, if it does.
    """

    key: str
    command: Words
    script: Script | None = None

    @property
    def keys(self) -> Words:
        """All keys of a call of a script."""
        count = int(self.command[2])
        return self.command[3 : 3 + count]


def milliseconds(seconds: float) -> int:
    """Convert a duration for Redis; a short one does not become none."""
    return ceil(seconds * 1000)


@lru_cache(maxsize=64)
def _announcing(script: Script, pubsub: Pubsub) -> Script:
    return Script(pubsub.announced(script.text))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


PROBE = Script.read(Path(__file__).parent / "probe.lua")
PROBE_WITHOUT_MEMORY = Script.joined(Path(__file__).parent / "probe.lua", flags="allow-oom")
