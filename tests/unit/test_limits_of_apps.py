"""The limits of an app, as the file and the environment say them."""

from pathlib import Path

import pytest

from libs.common.apps.limits import Limits
from services.settings import load
from tests.unit.test_settings import APP, OTHER, problems, read


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the file is."""
    return tmp_path / "fanfare.toml"


class TestLimits:
    """The limits of an app are a table below it."""

    def test_of_the_file(self, file: Path) -> None:
        """Each app has its own; what is left out has its default."""
        one, two = read(file, APP, "[apps.limits]\nconnections = 5\nreads = 0.5\n", OTHER).apps

        assert one.limits == Limits(connections=5, reads=0.5)
        assert two.limits == Limits()

    def test_of_the_environment(self, tmp_path: Path) -> None:
        """In the JSON of FANFARE_APPS, and in a file that is mounted, they are an object."""
        text = '[{"id": "1", "key": "k", "secrets": ["s"], "limits": {"members": -1}}]'
        mounted = tmp_path / "apps.json"
        mounted.write_text(text)

        for environ in ({"FANFARE_APPS": text}, {"FANFARE_APPS_FILE": str(mounted)}):
            (app,) = load(path=None, environ=environ).apps
            assert app.limits == Limits(members=-1)

    @pytest.mark.parametrize(
        "toml,said",
        [
            ("conections = 1", "apps[0].limits.conections is unknown; did you mean connections?"),
            (
                "batch = -2",
                "apps[0].limits.batch: expected a whole number of at least -1, found -2",
            ),
            ("members = true", "apps[0].limits.members: expected a whole number of at least -1, "),
            (
                "channel_name = 201",
                "apps[0].limits.channel_name: expected a whole number from -1 to",
            ),
        ],
    )
    def test_refused(self, file: Path, toml: str, said: str) -> None:
        """What cannot work is named with its place, in the file as in the environment."""
        (of_the_file,) = problems(file, APP, "[apps.limits]", toml)
        name, _, value = toml.partition(" = ")
        text = f'[{{"id": "1", "key": "k", "secrets": ["s"], "limits": {{"{name}": {value}}}}}]'
        (of_a_variable,) = problems(file, APPS=text)

        assert said in of_the_file
        assert said.replace("apps[0]", "FANFARE_APPS[0]") in of_a_variable

    def test_no_table(self, file: Path) -> None:
        """Limits that are no table are refused."""
        assert problems(file, APP, "limits = 5") == [
            f"{file}: apps[0].limits: expected a table, found a number"
        ]
