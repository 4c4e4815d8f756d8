"""`fanfare test`: what its arguments must say."""

import argparse
import socket
from pathlib import Path

import aiohttp
import pytest

from libs.common.apps.app import App
from libs.common.config.secret import Secret
from libs.common.errors import Misconfigured
from services.cli import trial
from services.cli.trial import Failed, Trial
from tests.support.servers.ports import free_port
from tests.unit.test_settings import APP, read


@pytest.mark.parametrize(
    "channel", ["presence-chat", "private-chat", "private-encrypted-chat", "presence-cache-chat"]
)
def test_without_user(tmp_path: Path, channel: str) -> None:
    """A channel that must be authorised for needs a user, and nothing is asked without one."""
    parser = argparse.ArgumentParser()
    trial.configure(parser)

    with pytest.raises(Misconfigured, match=f"^--channel {channel} needs --user"):
        trial.execute(
            parser.parse_args(["--channel", channel]), read(tmp_path / "fanfare.toml", APP)
        )


GUARDED = """
[[channels]]
pattern = "offers.{room}"
allow = "user.id == '7'"
"""


def test_guarded_without_user(tmp_path: Path) -> None:
    """So does a public channel that a policy guards: nobody else would be let in."""
    parser = argparse.ArgumentParser()
    trial.configure(parser)

    with pytest.raises(Misconfigured, match=r"^--channel offers.1 needs --user: a policy guards"):
        trial.execute(
            parser.parse_args(["--channel", "offers.1"]),
            read(tmp_path / "fanfare.toml", APP, GUARDED),
        )


async def test_no_answer() -> None:
    """A deployment that accepts and is silent fails a step, with how long it was waited for."""
    app = App(id="1", key="k", secrets=(Secret("s"),))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with aiohttp.ClientSession() as http:
            journey = Trial(http, url, app=app, channel="c", bearer=None, step_timeout=0.05)

            with pytest.raises(Failed, match=r"^connect: no answer within 0\.05 s$"):
                await journey.run()


def test_nobody_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What went wrong is told, and the exit status is 1."""
    parser = argparse.ArgumentParser()
    trial.configure(parser)
    url = f"http://127.0.0.1:{free_port()}"

    status = trial.execute(parser.parse_args(["--url", url]), read(tmp_path / "fanfare.toml", APP))

    assert status == 1
    assert capsys.readouterr().err.startswith("fanfare: connect: ")
