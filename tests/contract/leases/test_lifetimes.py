"""Members through all that befalls gateways, sweepers, consumers and backends."""

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.lifetimes.recorded import Recorded

STEPS = settings(max_examples=60, stateful_step_count=40)


class TestLifetimes:
    """Roster, tally, grace, leases, sweeper and streams agree with a plain set."""

    def test_memory(self) -> None:
        """In memory."""
        run_state_machine_as_test(Recorded, settings=STEPS)

    def test_redis(self, redis_url: str) -> None:
        """On Redis."""
        on_redis = type("OnRedis", (Recorded,), {"url": redis_url})
        run_state_machine_as_test(on_redis, settings=STEPS)
