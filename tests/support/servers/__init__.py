"""
Real servers without Docker: Redis, Kafka and PostgreSQL on loopback, for tests and developers.

Each of `redis_server`, `redis_cluster`, `redis_sentinel`, `kafka_server` and `postgres_server` is an
asynchronous context manager that starts a server of its own and ends it.  `lending` starts those
which all tests of a run share, when one `borrow`s them.  On the command line: ``python -m
tests.support.servers start|stop|status|install``.
"""

from tests.support.programs import MissingProgram
from tests.support.servers.certificates import Certificates
from tests.support.servers.kafka import KAFKA_PASSWORD, KAFKA_USER, kafka_server
from tests.support.servers.lending import borrow, lending
from tests.support.servers.postgres import fresh_database, postgres_server
from tests.support.servers.process import Server, ServerDidNotStart
from tests.support.servers.redis.cluster import RedisCluster, redis_cluster
from tests.support.servers.redis.sentinel import RedisSentinel, redis_sentinel
from tests.support.servers.redis.server import redis_server
from tests.support.servers.shared import NoServer, shared

__all__ = [
    "KAFKA_PASSWORD",
    "KAFKA_USER",
    "Certificates",
    "MissingProgram",
    "NoServer",
    "RedisCluster",
    "RedisSentinel",
    "Server",
    "ServerDidNotStart",
    "borrow",
    "fresh_database",
    "kafka_server",
    "lending",
    "postgres_server",
    "redis_cluster",
    "redis_sentinel",
    "redis_server",
    "shared",
]
