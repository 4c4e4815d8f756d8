"""Stock pusher-js and a back end behind nginx, with the locations that people write."""

from pathlib import Path

import pytest

from libs.common.apps.app import App
from libs.common.config.secret import Secret
from tests.support.clients.back_ends import back_end
from tests.support.clients.pusherjs import Driver, options
from tests.support.deployments.nginx import nginx
from tests.support.deployments.program import ROOT, program

APP = App(id="1", key="app-key", secrets=(Secret("app-secret"),))


@pytest.mark.parametrize(
    "location,uri,path",
    [
        ("/", "", ""),
        ("/ws", "/", "/ws"),  # The slash stays: what arrives is //app/app-key.
        ("/ws/", "/", "/ws"),
        ("/ws", "", "/ws"),
        ("/app/", "/s//", "/app"),
    ],
)
async def test_locations(
    tmp_path: Path, node: Driver, room: str, location: str, uri: str, path: str
) -> None:
    """
    A page connects and subscribes, and a back end that signs without the prefix publishes.
    """
    config = ROOT / "deploy" / "dev.toml"
    async with (
        program(config=config, log=tmp_path / "all.log") as here,
        nginx(here.url, location=location, uri=uri) as port,
        back_end(APP) as backend,
    ):
        more = options("127.0.0.1", port, wsPath=path, ignoreNullOrigin=True)
        await node.connect("ann", APP.key, **more)
        await node.subscribe("ann", room)

        body = f'{{"name":"moved","channels":["{room}"],"data":"{{}}"}}'.encode()
        answer = await backend.post(f"http://127.0.0.1:{port}{path}", "/apps/1/events", body)
        assert answer.status == 200, answer

        await node.wait(client="ann", channel=room, event="moved")
