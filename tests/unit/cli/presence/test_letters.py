"""How what could not be delivered is shown."""

import json

from libs.common.dead_letters.port import DeadLetter
from libs.common.lifecycle.facts import Fact
from services.cli.presence.letters import json_line, table

NOW = 1_700_000_000.0
FACTS = tuple(
    Fact(kind="member_added", app="1", channel="presence-a", user=str(user), at=NOW)
    for user in range(5)
)


def letter(*facts: Fact, **fields: str) -> DeadLetter:
    return DeadLetter(
        **({"id": "msg_1", "app": "1", "webhook": "a", "reason": "answered 500"} | fields),
        facts=facts,
        tries=3,
        first_at=NOW - 300,
        died_at=NOW,
    )


def test_table() -> None:
    """Columns stand below each other; of many events the first are named."""
    online = Fact(kind="user_online", app="1", user="7")

    head, first, second = table([letter(*FACTS), letter(online, id="msg_22")])

    assert head.split("  ")[0] == "ID"
    assert first.startswith("msg_1   1    a        2023-11-14T22:13:20")
    assert "presence-a, member_added presence-a, 2 more" in first
    assert second.startswith("msg_22  1 ")
    assert "user_online 7" in second
    assert head.index("REASON") == first.index("answered 500") == second.index("answered 500")


def test_json() -> None:
    """Nothing is left out but what a fact does not have."""
    known = json.loads(json_line(letter(FACTS[0])))

    assert known["id"] == "msg_1"
    assert known["died_at"].startswith("2023-11-14T22:13:20")
    assert known["facts"] == [
        {"kind": "member_added", "app": "1", "channel": "presence-a", "user": "0", "at": NOW}
    ]
