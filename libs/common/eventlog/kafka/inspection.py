"""What Kafka says of itself and of some topics; for operators.  Nothing is made or changed."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from libs.common.config.address import Url
from libs.common.errors import Unavailable
from libs.common.eventlog.kafka.clients import FORCE_TIMEOUT, TROUBLE, KafkaClients, ends
from libs.common.eventlog.kafka.settings import KafkaSettings

MAKES_TOPICS = "auto.create.topics.enable"


@dataclass(frozen=True, slots=True)
class TopicShape:
    """
    A topic.

    Attributes:
        partitions: How many it has.
        replicas: How many brokers have each partition; of the one with the fewest.
        leaderless: How many partitions nobody leads, so that they are neither read nor written.
    """

    partitions: int
    replicas: int
    leaderless: int = 0


@dataclass(frozen=True, slots=True)
class KafkaCluster:
    """
    A cluster as it describes itself.

    Attributes:
        brokers: How many there are.
        topics: All topics that this user may see.
        makes_topics: Whether topics that are named and missing are made; None: it does not say.
    """

    brokers: int
    topics: Mapping[str, TopicShape]
    makes_topics: bool | None

    def missing(self, names: Collection[str]) -> list[str]:
        """Name those topics that are not there."""
        return sorted(set(names) - self.topics.keys())


async def inspected(url: Url, settings: KafkaSettings) -> KafkaCluster:
    """
    Ask a cluster.

    Raises:
        Unavailable: It is away, or refuses us; the cause says why.
    """
    admin = KafkaClients(url, settings).admin()
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
        topics = await admin.describe_topics()
        makes = await _makes_topics(admin, cluster["brokers"][0]["node_id"])
    except TROUBLE as error:
        raise Unavailable("events") from error
    finally:
        await ends(admin.close(), FORCE_TIMEOUT)
    shapes = {topic["topic"]: _shape(topic["partitions"]) for topic in topics}
    return KafkaCluster(len(cluster["brokers"]), shapes, makes)


async def _makes_topics(admin: AIOKafkaAdminClient, broker: int) -> bool | None:
    """Ask a broker, which may not let us."""
    with suppress(*TROUBLE, IndexError, ValueError):
        asked = ConfigResource(ConfigResourceType.BROKER, str(broker), {MAKES_TOPICS: None})
        (response,) = await admin.describe_configs([asked])
        for resource in response.resources:
            for name, value, *_ in resource[4]:
                if name == MAKES_TOPICS:
                    return bool(value == "true")
    return None


def _shape(partitions: list[dict[str, Any]]) -> TopicShape:
    fewest = min((len(each["replicas"]) for each in partitions), default=0)
    leaderless = sum(each["leader"] < 0 for each in partitions)
    return TopicShape(len(partitions), fewest, leaderless)
