"""
A migration that was released never changes by a byte, comments included.

Databases remember the checksum of what was applied to them: a changed file would stop every one of them with
`ChangedMigration`.  A new migration is a new file, which is added here when it is released.
"""

from hashlib import sha256
from importlib.resources import files

import pytest

RELEASED = {
    "0001_apps.sql": "1669694f6b5b6039dd66aeaa3b64febae6e68b95b790e2fae5d40b5e2973cae1",
    "0002_limits.sql": "bca4ecbed019a7ccc3bb0378856df84d10c2dec52e48d501729495228505a770",
    "0003_memberships.sql": "60fb6e84334b7c1eb66a6035b957647ca9d9083bf2dcb9cc2566debb1bb2fb7e",
    "0004_token_keys.sql": "6e3bd49ea16d54636e90544b08d5c86e9dc5c8e90129ac095e817e4e04154a72",
    "0005_removals.sql": "52fe7a7fbe394b96aa58c3cd79ccf105a3bc8c4a25bbc30c4bb5e5f7a7d93d4b",
}


@pytest.mark.parametrize("name", RELEASED)
def test_unchanged(name: str) -> None:
    """What was released is still there, and the same."""
    file = files("libs.common.postgres") / "migrations" / name

    assert sha256(file.read_bytes()).hexdigest() == RELEASED[name]
