"""The Pusher API alone: processes that have Redis, and no log of domain events."""

from pathlib import Path

import aiohttp

from tests.support.clients.back_ends import BackEnd
from tests.support.clients.visitors import visitors
from tests.support.deployments.commands import command
from tests.support.deployments.fleet import APP, PLAIN, Plain, said

ROUTE = """
[[routes]]
name = "steps"
channels = ["steps"]
event = "step"
"""


class TestWithoutEvents:
    """`backends.events` is ``none``."""

    async def test_on_redis_alone(self, tmp_path: Path, redis_url: str, backend: BackEnd) -> None:
        """
        What is published arrives, all is well, and who posts a domain event is told that nobody reads it.
        """
        fleet = Plain(tmp_path, redis=redis_url, kafka="none")
        async with (
            fleet.running("gateway") as gateway,
            fleet.running("dispatcher") as dispatcher,
            visitors(APP) as visitor,
        ):
            ann = visitor()
            await ann.connect(gateway.url)
            await ann.join("steps")
            published = await backend.publish(dispatcher.url, "steps", {"n": 1})
            await ann.until_heard("steps", {"n": 1})
            refused = await backend.emit(dispatcher.url, {"n": 2})
            async with aiohttp.ClientSession() as http:
                deps = await http.get(f"{dispatcher.internal_url}/health/deps")

            assert published.status == 200
            assert refused.status == 404
            assert refused.body == {
                "error": "no domain events are taken here, for backends.events is none"
            }
            assert deps.status == 200
            (idle,) = said(dispatcher, "pipeline.not_started")
            assert idle["reason"] == "backends.events is none"

    async def test_routes_beside_it(self, tmp_path: Path) -> None:
        """
        The check refuses a route, which nothing would ever reach.
        """
        config = tmp_path / "fanfare.toml"
        environ = {"FANFARE_BACKENDS_EVENTS": "none"}
        config.write_text(PLAIN)
        good = await command("check", config=config, environ=environ)
        config.write_text(PLAIN + ROUTE)
        bad = await command("check", config=config, environ=environ)

        assert good.status == 0
        assert bad.status == 2
        assert 'the route "steps" has no effect: backends.events is none' in bad.complaint
