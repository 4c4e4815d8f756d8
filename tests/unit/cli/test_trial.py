"""`fanfare test`: what its words must say."""

import argparse
from pathlib import Path

import pytest

from libs.common.errors import Misconfigured
from services.cli import trial
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
