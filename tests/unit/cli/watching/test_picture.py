"""A deployment in words."""

import pytest

from libs.common.board.port import BoardEntry
from services.cli.watching.picture import fitted, lasting, speeds, summary, table, troubles, wrapped
from tests.unit.cli.watching.test_deployment import AWAY, HOOKS, NOW, entry, put

MEANING = "it ended without a word, hangs, or does not reach Redis"


def test_table() -> None:
    """Each service has a line; what is of the process is said once."""
    found = put(
        entry(
            "a",
            version="1.0",
            started_at=NOW - 7380,
            services={"gateway": {"connections": 5}, "dispatcher": {"dead_letters": 2, "lag": 1}},
        ),
        entry("b", "web-22:80", silent=True),
    )

    assert table(found) == [
        "NODE       SERVICE     RELEASE  STATE   UP         DOES",
        "web-1:80   gateway     1.0      ready   2 h 3 min  connections 5",
        "           dispatcher                              dead letters 2, lag 1",
        "web-22:80  gateway              silent             connections 5",
    ]


def test_summary() -> None:
    assert summary(put(entry("a"))) == "1 processes answer; 1 gateways have 5 connections; lag 0"
    assert summary(put(entry("a"), entry("b", "web-2:80", silent=True))).startswith("1 of 2 ")


def test_troubles() -> None:
    """What is wrong has its place, and since when."""
    found = put(
        entry("a", pid=7, away=(AWAY,)),
        entry("b", "web-2:80", pid=8, age=60.0, silent=True),
        entry("c", "web-3:80", pid=9, phase="starting", waits_for=("bus", "roster")),
    )

    assert list(troubles(found)) == [
        "web-1:80 (pid 7): bus is away since 1970-01-12T13:45:10Z, for 1 min 30 s: refused",
        f"web-2:80 (pid 8) gateway: silent since 1970-01-12T13:45:40Z, for 1 min; {MEANING}",
        "web-3:80 (pid 9) gateway: is not ready: waits for bus, roster",
    ]


def test_of_others() -> None:
    """That an app's receiver fails is no fault of the deployment: a warning, which names it."""
    assert list(troubles(put(entry("a", pid=7, away=(HOOKS,))))) == [
        (
            "warning: web-1:80 (pid 7): webhooks is away since 1970-01-12T13:45:40Z, for 1 min: "
            "orders of app 1: answered 500"
        )
    ]


@pytest.mark.parametrize(
    "seconds,said",
    [
        (-1.0, "0 s"),
        (0.9, "0 s"),
        (59.9, "59 s"),
        (60.0, "1 min"),
        (61.0, "1 min 1 s"),
        (3601.0, "1 h"),
        (7380.0, "2 h 3 min"),
        (90_061.0, "1 d 1 h"),
        (86_460.0, "1 d"),
    ],
)
def test_lasting(seconds: float, said: str) -> None:
    assert lasting(seconds) == said


def delivered(deliveries: int, *, age: float) -> BoardEntry:
    return entry("a", age=age, services={"gateway": {"deliveries": deliveries}})


class TestSpeeds:
    """What is done in a second is known from two moments."""

    def test_first(self) -> None:
        assert speeds(put(delivered(7, age=1.0)), None) == "a second: …"

    def test_between(self) -> None:
        before, now = put(delivered(100, age=5.0)), put(delivered(500, age=1.0))

        assert speeds(now, before).endswith(" 100 deliveries")

    def test_not_told_again(self) -> None:
        """Who has not told meanwhile, or was not there before, counts for nothing."""
        before, now = put(delivered(100, age=5.0)), put(delivered(100, age=5.0), entry("b"))

        assert speeds(now, before).endswith(" 0 deliveries")


class TestWrapped:
    """What is wrong is read whole on a narrow screen, too."""

    def test_narrow(self) -> None:
        """Words go on in the next line, set in; nothing is lost."""
        (line,) = troubles(put(entry("b", "web-2:80", pid=8, age=60.0, silent=True)))

        lines = wrapped([line], width=50)

        assert lines[0] == "web-2:80 (pid 8) gateway: silent since"
        assert max(map(len, lines)) <= 50
        assert " ".join(each.strip() for each in lines) == line
        assert all(each.startswith("  ") for each in lines[1:])

    def test_wide(self) -> None:
        """What fits stays as it is."""
        assert wrapped(["a b", ""], width=3) == ["a b", ""]

    def test_long_word(self) -> None:
        """A name that is wider than the screen is cut into pieces."""
        assert wrapped(["x" * 8], width=5) == ["xxxxx", "  xxx"]

    def test_no_width(self) -> None:
        """A terminal that has none, or next to none, ends nothing."""
        assert wrapped(["ab"], width=0)


class TestFitted:
    """What is drawn fits the screen."""

    def test_fits(self) -> None:
        assert fitted(["abc", "d"], width=3, height=2) == ["abc", "d"]

    def test_cut(self) -> None:
        assert fitted(["abcd", "e", "f"], width=3, height=2) == ["abc", "… 2"]
