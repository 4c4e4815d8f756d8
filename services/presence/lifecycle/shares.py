"""
Which partitions a process should own, so that all living ones share them.

Pure.  Every process reckons alone, from the names of those that live: the highest weight has a
partition (rendezvous hashing), so that one that comes or goes moves its own share and no other.
"""

from collections.abc import Collection
from hashlib import blake2b


def share(owner: str, living: Collection[str], partitions: int) -> frozenset[int]:
    """
    Tell which partitions are a process's.

    Args:
        owner: Its name.
        living: The names of all that live; without the owner's own it has nothing.
        partitions: How many there are.
    """
    return frozenset(
        partition
        for partition in range(partitions)
        if owner in living and max(living, key=lambda name: _weight(name, partition)) == owner
    )


def _weight(name: str, partition: int) -> tuple[bytes, str]:
    return blake2b(f"{partition} {name}".encode(), digest_size=8).digest(), name
