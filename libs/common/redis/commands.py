"""Commands: the words that a server of Redis is sent."""

from collections.abc import Sequence

import hiredis

Word = str | bytes | int | float
Words = tuple[Word, ...]


def packed(commands: Sequence[Words]) -> bytes:
    """Write commands as the server reads them."""
    # The stub wants tuples of one word.
    return b"".join([hiredis.pack_command(words) for words in commands])  # type: ignore[arg-type]


def facts_of(info: bytes) -> dict[str, str]:
    """Read the answer to ``INFO``: a line for each fact, with a colon after its name."""
    lines = (line.partition(":") for line in info.decode(errors="replace").splitlines())
    return {name: value for name, found, value in lines if found and not name.startswith("#")}


def name_of(command: Words) -> Word:
    """Name a command, so that all calls that need the same have one name: scripts by digest."""
    return command[1] if command[0] == "EVALSHA" else command[0]
