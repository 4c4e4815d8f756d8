"""
What it costs that very many type: a thousand users, ten in a channel, four times a second each.

Each word is a client event; what they are told are lists, when these change.  The app has no client
events, so no word is passed on.
"""

import secrets

from bench.deployment import MEMBERS, Deployment
from bench.figures import Sample
from bench.workers import cpu_seconds, members

SIZE = 10  # Members of a channel.
ROUNDS, PERIOD = 20, 250  # Milliseconds from one round to the next.

_RULE = """
[[typing]]
pattern = "presence-{any*}"
"""


async def measure(deployment: Deployment) -> Sample:
    """Measure the CPU of a gateway and of presence for each word, and the lists that are told."""
    async with (
        deployment.running("gateway", more=_RULE) as gateway,
        deployment.running("presence", more=_RULE) as presence,
        members(gateway.port) as crowd,
    ):
        await crowd.ask(f"meet {MEMBERS}")
        await crowd.ask(f"join {SIZE} {secrets.token_hex(4)}")
        pids = gateway.process.pid, presence.process.pid
        before = [cpu_seconds(pid) for pid in pids]
        answer = await crowd.ask(f"type {ROUNDS} {PERIOD}")
        costs = [cpu_seconds(pid) - was for pid, was in zip(pids, before, strict=True)]
    words = MEMBERS * ROUNDS
    return {
        "typing_gateway": costs[0] / words,
        "typing_presence": costs[1] / words,
        "typing_lists": int(answer.removeprefix("done ")) / words,
    }
