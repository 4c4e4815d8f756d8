"""Orders as values."""

import msgspec

from libs.common.control.commands import Command


def test_there_and_back() -> None:
    """A command is read as it was written."""
    command = Command("expel", "1", "ann", 1.5, 601.5, channels=("private-*",))

    assert msgspec.json.decode(msgspec.json.encode(command), type=Command) == command


def test_short() -> None:
    """What is usual is not written, and is read all the same."""
    written = msgspec.json.decode(msgspec.json.encode(Command("terminate", "1", "ann", 1.0, 2.0)))

    assert written.keys() == {"verb", "app", "subject", "issued_at", "expires_at"}


def test_of_a_later_version() -> None:
    """A field that is not known does no harm."""
    text = b'{"verb":"v","app":"1","subject":"s","issued_at":1,"expires_at":2,"later":true}'

    assert msgspec.json.decode(text, type=Command) == Command("v", "1", "s", 1.0, 2.0)
