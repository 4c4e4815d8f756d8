"""
Key names: the deployment's prefix, and the partition that a place belongs to.

Pure.  What one script touches must live in one hash slot, so every key carries the hash tag of its
place's partition.  The tags are chosen so that the partitions spread evenly over a cluster's slots;
counting them up (``{0}``, ``{1}``, ...) would heap several on one node (Centrifuge, issue 554).
"""

import re
from binascii import crc_hqx
from collections.abc import Sequence
from functools import lru_cache
from zlib import crc32

from libs.common.errors import Misconfigured

# An app and a name of its own: a channel, or what is kept as if it were one.
Place = tuple[str, str]

SLOTS = 16_384  # Redis, "Cluster specification": the slot is CRC16 of the hash tag modulo this.
PARTITIONS = 64
MOST_PARTITIONS = 4096

_PREFIX = re.compile(r"[A-Za-z0-9_.-]+")


class Keys:
    """
    The names of a deployment's keys.

    Two deployments with other prefixes never meet.  All processes of one deployment need the same
    number of partitions; another number is another set of names.

    Args:
        prefix: Letters, digits and ``_ . -``.
        partitions: Into how many parts the channels are divided.

    Raises:
        Misconfigured: The prefix has other characters, or the number is out of bounds.
    """

    def __init__(self, prefix: str, partitions: int = PARTITIONS) -> None:
        if not _PREFIX.fullmatch(prefix):
            raise Misconfigured(
                f"the prefix {prefix!r} may only have letters, digits and _ . -"
                " and must not be empty"
            )
        if not 1 <= partitions <= MOST_PARTITIONS:
            raise Misconfigured(
                f"the number of partitions must be 1 to {MOST_PARTITIONS}, not {partitions}"
            )
        self.prefix = prefix
        self.tags = _tags(partitions)

    def index(self, place: Place) -> int:
        """Tell which partition a place belongs to: 0, 1, ..."""
        app, name = place
        return crc32(f"{app}/{name}".encode()) % len(self.tags)

    def tag(self, place: Place) -> str:
        """Tell the hash tag of a place's partition, without braces."""
        return self.tags[self.index(place)]

    def of(self, kind: str, place: Place) -> str:
        """Name a key of a place: ``fanfare:{tag}:history:1/private-x``."""
        app, name = place
        return f"{self.prefix}:{{{self.tag(place)}}}:{kind}:{app}/{name}"

    def several(self, kinds: Sequence[str], place: Place) -> tuple[str, ...]:
        """Name several keys of a place, as `of` does."""
        app, name = place
        begin, end = f"{self.prefix}:{{{self.tag(place)}}}:", f":{app}/{name}"
        return tuple([begin + kind + end for kind in kinds])

    def partition(self, kind: str, index: int) -> str:
        """Name a key that a partition's channels share: ``fanfare:{tag}:leaving``."""
        return f"{self.prefix}:{{{self.tags[index]}}}:{kind}"

    def single(self, kind: str) -> str:
        """Name a key that the deployment has once: ``fanfare:{all}:control.orders``."""
        return f"{self.prefix}:{{all}}:{kind}"

    def probes(self, kind: str) -> list[str]:
        """Name a key of each partition that says nothing, for trying the servers out."""
        return [self.partition(f"probe.{kind}", index) for index in range(len(self.tags))]


def neighbour(key: str, kind: str) -> str:
    """Name a key beside another one, in the same slot: ``fanfare:{tag}:listener``."""
    return f"{key[: key.index('}') + 1]}:{kind}"


def slot(key: str) -> int:
    """Tell a key's slot (Redis, "Cluster specification": hash tags)."""
    start = key.find("{")
    end = key.find("}", start + 1)
    tagged = key[start + 1 : end] if start >= 0 and end > start + 1 else key
    return crc_hqx(tagged.encode(), 0) % SLOTS


@lru_cache(maxsize=8)
def _tags(count: int) -> tuple[str, ...]:
    """Find, for each of so many equal stretches of slots, the lowest number that hashes into it."""
    found: dict[int, str] = {}
    number = 0
    while len(found) < count:
        stretch = crc_hqx(str(number).encode(), 0) % SLOTS * count // SLOTS
        found.setdefault(stretch, str(number))
        number += 1
    return tuple(found[stretch] for stretch in range(count))
