"""The board on Redis.  See `board.port.Board`; the scripts beside this module say which keys."""

from pathlib import Path

from libs.common.board.port import KEPT, MOST, BoardEntry, check_length
from libs.common.redis.connection import RedisConnection, raise_first
from libs.common.redis.keys import Keys
from libs.common.redis.scripts import Call, Script, milliseconds

_HERE = Path(__file__).parent
# How a deployment is must be seen also where Redis is full: a text takes the place of another.
TELL = Script.joined(_HERE / "tell.lua", flags="allow-oom")
READ = Script.joined(_HERE / "read.lua", flags="no-writes")


class RedisBoard:
    """
    A board that all processes of a deployment share.  See `Board`.

    Args:
        connection: To Redis; that of control, which is away when this is.
        keys: The deployment's names.
        most: Processes that it remembers.
    """

    def __init__(self, connection: RedisConnection, keys: Keys, *, most: int = MOST) -> None:
        self._connection = connection
        self._keys = [keys.single(f"board.{kind}") for kind in ("texts", "told", "lapses")]
        self._most = most

    async def tell(self, process: str, text: bytes, *, ttl: float) -> None:
        """See `Board.tell`."""
        check_length(text)
        terms = milliseconds(ttl), milliseconds(KEPT), self._most
        await self._ask(TELL.call(self._keys, process, text, *terms))

    async def withdraw(self, process: str) -> None:
        """See `Board.withdraw`."""
        texts, *instants = self._keys
        calls = [Call(texts, ("HDEL", texts, process))]
        calls += [Call(key, ("ZREM", key, process)) for key in instants]
        raise_first(await self._connection.ask_all(calls), backend="control")

    async def read(self) -> list[BoardEntry]:
        """See `Board.read`."""
        reply = await self._ask(READ.call(self._keys, milliseconds(KEPT)))
        entries = [
            BoardEntry(process=_name(name), text=text, age=age / 1000, is_silent=bool(is_silent))
            for name, text, age, is_silent in reply
        ]
        return sorted(entries, key=lambda entry: entry.process)

    async def _ask(self, call: Call) -> list[tuple[bytes, bytes, int, int]]:
        replies = await self._connection.ask_all([call])
        raise_first(replies, backend="control")
        entries: list[tuple[bytes, bytes, int, int]] = replies[0]
        return entries


def _name(text: bytes) -> str:
    return text.decode(errors="replace")
