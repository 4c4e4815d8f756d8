"""How servers of Redis describe themselves."""

from redis.exceptions import ResponseError

from libs.common.redis.commands import facts_of
from libs.common.redis.inspection import described

INFO = b"""# Server\r
redis_version:7.2.4\r
executable:/usr/bin/redis-server:x\r
\r
# Memory\r
used_memory:1024\r
maxmemory:2048\r
maxmemory_policy:allkeys-lru\r
# Persistence\r
aof_enabled:1\r
rdb_last_bgsave_status:ok\r
aof_last_write_status:err\r
# Replication\r
role:slave\r
connected_slaves:2\r
# Stats\r
evicted_keys:5\r
"""


class TestInfo:
    """The answer to ``INFO`` is read as far as it concerns us."""

    def test_facts(self) -> None:
        """Titles and blank lines are none; a value may have colons."""
        facts = facts_of(INFO)

        assert facts["redis_version"] == "7.2.4"
        assert facts["executable"] == "/usr/bin/redis-server:x"
        assert len(facts) == 11

    def test_described(self) -> None:
        server = described("a:1", facts_of(INFO), [b"save", b"3600 1"], ahead=0.5)

        assert (server.name, server.version, server.ahead) == ("a:1", "7.2.4", 0.5)
        assert (server.used, server.most, server.eviction) == (1024, 2048, "allkeys-lru")
        assert (server.is_replica, server.replicas, server.evicted) == (True, 2, 5)
        assert (server.appends, server.snapshots, server.is_saved) == (True, True, False)

    def test_silent(self) -> None:
        """What a server does not tell is taken as usual, or as unknown."""
        server = described("a:1", {}, ResponseError("NOPERM"), ahead=0.0)

        assert (server.version, server.eviction, server.most) == ("", "", 0)
        assert (server.is_replica, server.is_saved, server.snapshots) == (False, True, None)

    def test_no_snapshots(self) -> None:
        assert described("a:1", {}, [b"save", b""], ahead=0.0).snapshots is False
        assert described("a:1", {}, [], ahead=0.0).snapshots is None
