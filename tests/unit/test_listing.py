"""Every setting has a name of its own, and a row in the documentation."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from libs.common.config.environment import listing
from libs.common.config.types import show
from services.settings import SERVICES, Settings, check_services, load
from tests.unit.test_settings import APP, ISSUER, REDIS, read

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "configuration.md"
ROW = re.compile(r"^\| `([a-z_.\[\]]+)` \| (?:`(.*?)`|(required)) \|", re.MULTILINE)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the file is."""
    return tmp_path / "fanfare.toml"


class TestNames:
    """Every setting has a name that stands for nothing else."""

    def test_variables(self) -> None:
        """No variable sets two settings, nor could its name with _FILE be another one."""
        variables = [setting.variable for setting in listing(Settings) if setting.variable]

        assert len(set(variables)) == len(variables)
        assert not {f"{variable}_FILE" for variable in variables} & set(variables)

    def test_all_by_the_environment(self) -> None:
        """What the file can set the environment can."""
        settings = load(
            path=None,
            environ={
                "FANFARE_APPS": '[{"id": "1", "key": "k", "secrets": ["s"]}]',
                "FANFARE_CHANNELS": '[{"pattern": "private-a", "allow": "true"}]',
                "FANFARE_ROUTES": '[{"name": "r", "channels": ["c"], "event": "e"}]',
                "FANFARE_SERVER_TRUSTED_PROXIES": "10.0.0.0/8,::1/128",
                "FANFARE_GATEWAY_MAX_CONNECTIONS": "5",
            },
        )

        assert (len(settings.apps), len(settings.channels), len(settings.routes)) == (1, 1, 1)
        assert len(settings.server.trusted_proxies) == 2
        assert settings.gateway.max_connections == 5

    def test_nothing_secret_in_repr(self, file: Path) -> None:
        """The settings can be logged as they are."""
        urls = f'[backends]\nbus = "{REDIS}"\nroster = "{REDIS}"\n'
        kafka = '[kafka]\nsasl_mechanism = "PLAIN"\nsasl_username = "u"\nsasl_password = "hush"\n'
        hushed = APP.replace("a-secret-of-its-own", "hush")

        text = repr(read(file, urls, kafka, hushed, ISSUER, f'secret = "{"hush" * 8}"'))

        assert "hush" not in text


class TestDocumentation:
    """docs/configuration.md has a row for each setting."""

    def test_rows(self) -> None:
        """Every setting is there with its default, in the order of the structs, and nothing else is."""
        written = {
            name: default or required
            for name, default, required in ROW.findall(DOCUMENT.read_text())
        }

        assert written == {
            setting.name: default_of(setting.default) for setting in listing(Settings)
        }

    def test_example(self) -> None:
        """The example of a first try can be loaded, and all four services run with it."""
        settings = load(path=ROOT / "deploy" / "dev.toml", environ={})

        check_services(settings, SERVICES)
        assert [app.key for app in settings.apps] == ["app-key"]


def default_of(value: Any) -> str:
    return "required" if value is msgspec.NODEFAULT else show(value)
