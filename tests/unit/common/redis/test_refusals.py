"""What a server refuses is an outage until it is done again."""

from typing import Any

import pytest
from redis.exceptions import (
    AskError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)

from libs.common.redis.commands import Words
from libs.common.redis.refusals import Refusals, is_missing, said

PUBLISH: Words = ("EVALSHA", "a1", 1, "key")
REPORT: Words = ("EVALSHA", "b2", 1, "key")
READ: Words = ("GET", "key")
PROBE: Words = ("EVALSHA", "probe", 1, "key")
FULL = OutOfMemoryError("command not allowed when used memory > 'maxmemory'.", status_code="OOM")
FORBIDDEN = NoPermissionError("User u has no permissions", status_code="NOPERM")
REPLICA = ReadOnlyError("You can't write against a read only replica.", status_code="READONLY")


def noted(*exchanges: tuple[Words, Any]) -> Refusals:
    """Return what is refused after one exchange after the other."""
    refusals = Refusals("probe")
    for command, reply in exchanges:
        refusals.note([command], [reply])
    return refusals


class TestRefusals:
    """From the first refusal to the first time that it is done."""

    @pytest.mark.parametrize(
        "error,reason",
        [
            (FULL, "OOM command not allowed when used memory > 'maxmemory'."),
            (FORBIDDEN, "NOPERM User u has no permissions"),
            (REPLICA, "READONLY You can't write against a read only replica."),
            (
                ResponseError("MISCONF Redis is configured to save"),
                "MISCONF Redis is configured to save",
            ),
            (
                ResponseError("unknown command 'EVALSHA'", status_code="ERR"),
                "ERR unknown command 'EVALSHA'",
            ),
        ],
    )
    def test_reason(self, error: ResponseError, reason: str) -> None:
        """It is told as the server gave it, with the code."""
        refusals = noted((PUBLISH, error))

        assert refusals
        assert refusals.reason == reason

    def test_other_commands_are_done(self) -> None:
        """A server without memory still answers who reads: that ends nothing."""
        assert noted((PUBLISH, FULL), (READ, b"value"), (REPORT, 1))

    @pytest.mark.parametrize("command", [PUBLISH, PROBE])
    def test_over(self, command: Words) -> None:
        """The same command, or what an operator's question writes, shows that all may go on."""
        assert not noted((PUBLISH, FULL), (REPORT, FULL), (command, b"OK"))

    @pytest.mark.parametrize(
        "text", ["run this command or subcommand", "access at least one of the keys mentioned"]
    )
    def test_permission_within_a_script(self, text: str) -> None:
        """So is one that a script lacks, which Redis words otherwise."""
        error = ResponseError(f"The user executing the script can't {text}", status_code="ERR")

        assert noted((PUBLISH, error), (PROBE, b"OK"), (REPORT, 1))
        assert not noted((PUBLISH, error), (PUBLISH, 1))

    def test_permission(self) -> None:
        """A permission is one command's, so the question says nothing of it."""
        assert noted((PUBLISH, FORBIDDEN), (PROBE, b"OK"))
        assert noted((PUBLISH, FORBIDDEN), (REPORT, FORBIDDEN), (PUBLISH, 1))
        assert not noted((PUBLISH, FORBIDDEN), (PUBLISH, 1))

    @pytest.mark.parametrize(
        "error",
        [
            NoScriptError("No matching script."),
            MovedError("1 127.0.0.1:7000"),
            AskError("1 127.0.0.1:7000"),
            TryAgainError("Multiple keys request during rehashing of slot"),
            ResponseError("no such key"),
        ],
    )
    def test_no_outage(self, error: ResponseError) -> None:
        """What is answered by asking elsewhere or again, or by nothing, is none."""
        assert not noted((PUBLISH, error))

    def test_forget(self) -> None:
        """A server that was away may be another."""
        refusals = noted((PUBLISH, FULL), (REPORT, FORBIDDEN))

        refusals.forget()

        assert not refusals
        assert refusals.reason == ""

    def test_together(self) -> None:
        """Replies belong to commands by their order."""
        refusals = Refusals("probe")
        refusals.note([READ, PUBLISH, READ], [b"value", FULL, None])

        assert refusals.reason == said(FULL)


@pytest.mark.parametrize(
    "reply,expected", [(ResponseError("no such key"), True), (FULL, False), (b"no such key", False)]
)
def test_is_missing(reply: Any, *, expected: bool) -> None:
    assert is_missing(reply) is expected
