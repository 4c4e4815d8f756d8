"""Commands that nobody can read: each is skipped and counted, and those beside it are heard."""

import msgspec
import pytest
from structlog.testing import capture_logs

from libs.common.config.address import Url
from libs.common.control.redis import RedisControl
from libs.common.errors import Unavailable
from libs.common.redis.connection import RedisConnection
from libs.common.redis.keys import Keys
from libs.common.redis.scripts import Call
from libs.common.redis.unreadable import passed_over
from tests.support.ports.control import STREAM, command, received

DEEP = b"[" * 100_000


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe",
        b'{"verb":"termin',
        b"[1]",
        b'{"verb":"revoke","app":"1","subject":"\xff","issued_at":1,"expires_at":9e9}',
        b'{"verb":"revoke","app":"1","subject":7,"issued_at":1,"expires_at":9e9}',
        b'{"verb":"revoke","app":"1","subject":"\\ud800","issued_at":1,"expires_at":9e9}',
        b'{"verb":"revoke","app":"1","subject":"7","issued_at":1,"expires_at":1e999}',
        b'{"verb":"revoke","app":"1","subject":"7","issued_at":1,"expires_at":9e9,"new":%s}' % DEEP,
        DEEP,
    ],
    ids=str,
)
async def test_skipped(redis_url: str, prefix: str, text: bytes) -> None:
    """At each start it is met again: it ends nothing, and hides nothing."""
    keys, before = Keys(prefix), passed_over().get("command", 0)
    stream = keys.single(STREAM)
    async with RedisConnection(Url(redis_url), "control") as connection:
        control = RedisControl(connection, keys)
        for each in (
            msgspec.json.encode(command("ann")),
            text,
            msgspec.json.encode(command("ben")),
        ):
            await connection.ask(Call(stream, ("XADD", stream, "*", "o", each)))
        with capture_logs() as lines:
            for _ in range(2):
                async with control.listen() as listener:
                    assert await received(listener, 2) == ["ann", "ben"]

    assert passed_over()["command"] == before + 2
    assert [line["event"] for line in lines] == ["command.skipped"] * 2


async def test_of_another_kind(redis_url: str, prefix: str) -> None:
    """Where all commands are lost that is an outage of control, as no one is known to be in force."""
    keys = Keys(prefix)
    stream = keys.single(STREAM)
    async with RedisConnection(Url(redis_url), "control") as connection:
        control = RedisControl(connection, keys)
        await connection.ask(Call(stream, ("SET", stream, "none")))
        with capture_logs() as lines:
            async with control.listen() as listener:
                for _ in range(2):
                    with pytest.raises(Unavailable):
                        await listener.receive(0.0)
            with pytest.raises(Unavailable):
                await control.send(command("ann"))
            await connection.ask(Call(stream, ("DEL", stream)))
            await control.send(command("ann"))

    assert {line["event"] for line in lines} == {"redis.skipped"}
