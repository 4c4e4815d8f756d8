"""What cannot be read is passed over, counted and told."""

import pytest
from redis.exceptions import NoPermissionError, OutOfMemoryError, ResponseError
from structlog.testing import capture_logs

from libs.common.redis.refusals import Refusals, is_unreadable
from libs.common.redis.unreadable import KINDS, pass_over, passed_over, readable

WITHIN = "script: 3ff1, on @user_script:12."


class TestPassOver:
    """Counted by what it is, told at the pace of that."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_counted(self, kind: str) -> None:
        before = passed_over().get(kind, 0)

        with capture_logs() as lines:
            pass_over(kind, "because", channel="c")

        assert passed_over()[kind] == before + 1
        assert lines == [
            {
                "event": "redis.skipped",
                "log_level": "warning",
                "kind": kind,
                "reason": "because",
                "channel": "c",
                "pace_by": kind,
            }
        ]


class TestReadable:
    """Texts, of which some cannot be read."""

    def test_apart(self) -> None:
        """The others are read in their order, and what could not be is had as it stands."""
        with capture_logs() as lines:
            found = readable("entry", int, [b"1", b"\xff", b"2", b""])

        assert found == ([1, 2], [b"\xff", b""])
        assert [line["reason"] for line in lines] == ["ValueError", "ValueError"]


class TestErrors:
    """What a server says of what stands in a key, and of itself."""

    @pytest.mark.parametrize(
        "error",
        [
            ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"),
            ResponseError(f"user_script:12: attempt to compare nil with number {WITHIN}"),
            ResponseError("hash value is not an integer " + WITHIN, status_code="ERR"),
            ResponseError("Error running script (call to f_3ff1): @user_script:1: WRONGTYPE"),
        ],
    )
    def test_of_a_key(self, error: ResponseError) -> None:
        """It is no outage: other keys are good."""
        refusals = Refusals("PING")
        refusals.note([("EVALSHA", "3ff1")], [error])

        assert is_unreadable(error)
        assert not refusals

    @pytest.mark.parametrize(
        "error",
        [
            OutOfMemoryError(f"command not allowed when used memory > 'maxmemory'. {WITHIN}"),
            NoPermissionError(f"no permissions {WITHIN}"),
            ResponseError("The user executing the script can't run this command " + WITHIN),
            ResponseError("MISCONF Redis is configured to save " + WITHIN),
            ResponseError("unknown command 'EVALSHA'", status_code="ERR"),
            None,
            b"WRONGTYPE",
        ],
    )
    def test_of_a_server(self, error: object) -> None:
        assert not is_unreadable(error)
