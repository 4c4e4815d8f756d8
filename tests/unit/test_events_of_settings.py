"""Settings without a log of domain events: `backends.events` is ``none``."""

from pathlib import Path

import pytest

from libs.common.errors import Misconfigured
from services.settings import check_services
from tests.unit.test_settings import APP, REDIS, ROUTE, problems, read

NONE = '[backends]\nevents = "none"\n'
WHY = "has no effect: backends.events is none, so no events are read"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the file is."""
    return tmp_path / "fanfare.toml"


class TestNone:
    """What works without, and what cannot."""

    @pytest.mark.parametrize("name", ["gateway", "auth", "dispatcher", "presence"])
    def test_redis_is_enough(self, file: Path, name: str) -> None:
        """Each service may run alone with no backend but Redis."""
        settings = read(file, APP, NONE, f'bus = "{REDIS}"\nroster = "{REDIS}"\n')

        assert not settings.backends.has_events
        check_services(settings, [name])

    def test_by_the_environment(self, file: Path) -> None:
        assert not read(file, APP, BACKENDS_EVENTS="none").backends.has_events

    @pytest.mark.parametrize(
        "parts,said",
        [
            ([APP, ROUTE], f'the route "r" {WHY}'),
            ([APP, ROUTE, 'topic = "t"\n'], f'the route "r" {WHY}'),
            ([APP, 'topic = "t"\n'], f"the topic of app 1 {WHY}"),
            ([APP, '[auth.memberships]\ntopic = "t"\n'], f"auth.memberships.topic {WHY}"),
        ],
    )
    def test_what_reads_events(self, file: Path, parts: list[str], said: str) -> None:
        """What would wait for events for ever is refused, with its name."""
        assert problems(file, *parts, NONE) == [said]

    def test_several_routes(self, file: Path) -> None:
        """Many are one line, with their number."""
        routes = [ROUTE, ROUTE.replace('"r"', '"q"')]

        assert problems(file, APP, *routes, NONE) == [
            "2 routes have no effect: backends.events is none, so no events are read"
        ]

    def test_of_no_other_backend(self, file: Path) -> None:
        """The bus and all others must be somewhere."""
        (said,) = problems(file, APP, '[backends]\ncontrol = "none"\n')

        assert said.startswith("backends.control: expected a URL that begins with one of memory://")

    def test_what_memory_says(self, file: Path) -> None:
        """A dispatcher that has no log yet hears that it may do without."""
        with pytest.raises(Misconfigured, match=r'backends\.events may be "none"'):
            check_services(read(file, APP), ["dispatcher"])
        with pytest.raises(Misconfigured) as raised:
            check_services(read(file, APP), ["gateway"])

        assert "events" not in str(raised.value)
