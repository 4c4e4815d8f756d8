"""Who was taken out of which channels."""

import tracemalloc
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from libs.common.control.commands import Command
from libs.common.denials import TIDY_FROM
from libs.common.globs import Globs
from libs.common.tokens import expulsions
from libs.common.tokens.expulsions import Expelled, Expulsions

NOW, KEPT = 1000.0, 600.0

Asked = tuple[str, str, str, float]  # App, user, channel, and when the permission was given.


def expel(user: str = "ann", *channels: str, at: float = NOW, app: str = "1") -> Command:
    names = channels or ("private-campaign.5.*",)
    return Command("expel", app, user, at, at + KEPT, channels=names)


def keep(command: Command, seconds: float) -> Command:
    return structs.replace(command, expires_at=command.issued_at + seconds)


def expel_nothing(user: str) -> Command:
    return Command("expel", "1", user, NOW, NOW + KEPT)


@pytest.fixture
def known() -> Expulsions:
    known = Expulsions()
    known.add(expel(), NOW)
    return known


def is_out(
    known: Expulsions,
    user: str = "ann",
    *,
    app: str = "1",
    channel: str = "private-campaign.5.chat",
    given_at: float = NOW,
    now: float = NOW,
) -> bool:
    try:
        known.check(app, user, channel, given_at=given_at, now=now)
    except Expelled:
        return True
    return False


class TestCheck:
    """Permissions that are presented."""

    def test_older(self, known: Expulsions) -> None:
        """One of before is refused, as of a user who is known and may not; one of after opens."""
        assert Expelled.status == 403
        assert is_out(known, given_at=NOW - 1)
        assert is_out(known, given_at=NOW)
        assert not is_out(known, given_at=NOW + 0.001)

    def test_others(self, known: Expulsions) -> None:
        """Other channels, other users, and users of other apps are not meant."""
        assert not is_out(known, channel="private-campaign.55.chat")
        assert not is_out(known, "bob")
        assert not is_out(known, app="2")

    def test_forgotten(self, known: Expulsions) -> None:
        """For as long as the command is remembered."""
        assert is_out(known, now=NOW + KEPT - 1)
        assert not is_out(known, now=NOW + KEPT)


def _used() -> int:
    """Return the bytes that expulsions take; other tests may have left work that goes on beside."""
    own = tracemalloc.Filter(inclusive=True, filename_pattern=expulsions.__file__)
    taken = tracemalloc.take_snapshot().filter_traces([own])
    return sum(trace.size for trace in taken.traces)


class TestAdd:
    """Orders."""

    def test_made(self, known: Expulsions) -> None:
        """The answer tells which subscriptions end."""
        made = known.add(expel("ann", "private-1", "presence-*"), NOW)

        assert made.covers("private-1", NOW)
        assert made.covers("presence-x", NOW)
        assert not made.covers("private-12", NOW)
        assert not made.covers("private-1", NOW + 1)

    @pytest.mark.parametrize("instants", [(NOW, NOW + 10), (NOW + 10, NOW)])
    def test_again(self, instants: tuple[float, float]) -> None:
        """In whichever order commands come, the latest counts."""
        known = Expulsions()
        for at in instants:
            known.add(expel(at=at), NOW)

        assert is_out(known, given_at=NOW + 10)
        assert is_out(known, now=NOW + KEPT + 5)
        assert not is_out(known, given_at=NOW + 11)

    def test_several(self, known: Expulsions) -> None:
        """One of other channels leaves the first in force."""
        known.add(expel("ann", "private-1"), NOW)

        assert is_out(known)
        assert is_out(known, channel="private-1")

    def test_bounded(self, known: Expulsions) -> None:
        """A user who is taken out again and again costs what one command costs."""
        tracemalloc.start()
        try:
            for number in range(10_000):
                known.add(expel(at=NOW + number), NOW + number)
            used = _used()
        finally:
            tracemalloc.stop()

        assert used < 100_000
        assert is_out(known, given_at=NOW + 9_999, now=NOW + 9_999)

    def test_tidied(self, known: Expulsions) -> None:
        """What has expired is forgotten, and what has not stays."""
        known.add(expel("bob", at=NOW + KEPT), NOW)
        for number in range(3 * TIDY_FROM):
            known.add(expel(f"u{number}", at=NOW + KEPT), NOW + KEPT + 1)

        assert is_out(known, "bob", given_at=NOW + KEPT, now=NOW + KEPT + 1)
        assert not is_out(known, "ann", now=NOW)

    @pytest.mark.parametrize("command", [expel("bob", at=NOW - KEPT), expel_nothing("bob")])
    def test_nothing(self, known: Expulsions, command: Command) -> None:
        """A command that has expired, or names no channel, is not kept, and says itself what it ends."""
        made = known.add(command, NOW)

        assert len(known) == 1
        assert made.expires_at == command.expires_at
        assert not is_out(known, "bob", given_at=NOW - KEPT)


class TestUserBound:
    """A user who was taken out of very many channels."""

    @pytest.fixture
    def known(self) -> Expulsions:
        """Return what knows of one channel more than it keeps of a user, and of others."""
        known = Expulsions(of_user=3)
        for number in range(4):
            known.add(expel("ann", f"private-{number}", at=NOW + number), NOW)
        known.add(expel("bob", "private-1"), NOW)
        known.add(expel("ann", "private-1", app="2"), NOW)
        return known

    def test_everywhere(self, known: Expulsions) -> None:
        """Is refused all that was given until the newest, until the last one expires."""
        assert is_out(known, channel="private-0")
        assert is_out(known, channel="presence-never-heard-of", given_at=NOW + 3)
        assert is_out(known, channel="private-0", now=NOW + KEPT + 2)
        assert not is_out(known, channel="private-0", given_at=NOW + 3.001)
        assert not is_out(known, channel="private-0", now=NOW + KEPT + 3)

    def test_others(self, known: Expulsions) -> None:
        """Nobody else is, and not in another app; no app became one for that."""
        assert not is_out(known, "bob", channel="private-2")
        assert not is_out(known, app="2", channel="private-2")
        assert len(known) == 3

    def test_again(self, known: Expulsions) -> None:
        """What is heard again changes nothing; what is newer counts beside it."""
        for number in range(4):
            known.add(expel("ann", f"private-{number}", at=NOW + number), NOW)
        known.add(expel("ann", "private-1", at=NOW + 9), NOW)

        assert len(known) == 4
        assert is_out(known, channel="private-1", given_at=NOW + 9)
        assert not is_out(known, channel="private-2", given_at=NOW + 9)

    def test_one_command(self) -> None:
        """One command may be enough; what it ends is what it names."""
        known = Expulsions(of_user=3)

        made = known.add(expel("ann", *(f"private-{number}" for number in range(4))), NOW)

        assert is_out(known, channel="private-4")
        assert [made.covers(f"private-{number}", NOW) for number in (3, 4)] == [True, False]

    def test_expired_goes_first(self) -> None:
        """What has expired makes room."""
        known = Expulsions(of_user=3)
        for number in range(100):
            at = NOW + number * KEPT / 2
            known.add(expel("ann", f"private-{number}", at=at), at)

            assert not is_out(known, channel="private-other", given_at=NOW, now=at)


class TestBound:
    """Memory is bounded, and nothing in force is forgotten."""

    @pytest.fixture
    def known(self) -> Expulsions:
        known = Expulsions(5)
        known.add(expel("small", "private-1", app="2"), NOW)
        for number in range(4):
            assert not known.add(expel(f"u{number}", "private-1", at=NOW + number), NOW).folded
        return known

    def test_folded(self, known: Expulsions) -> None:
        """Beyond the bound the app that has most refuses all that was given, and who added hears its name."""
        made = known.add(expel("u4", "private-1", at=NOW - 1), NOW)

        assert made.folded == "1"
        assert len(known) == 1
        assert all(is_out(known, f"u{number}", channel="private-1") for number in range(4))
        assert is_out(known, "never heard of", channel="private-2", given_at=NOW + 3)
        assert is_out(known, "u4", given_at=NOW - 1, now=NOW + KEPT + 2)
        assert not is_out(known, "u4", given_at=NOW + 3.001)
        assert not is_out(known, "u4", now=NOW + KEPT + 3)

    def test_others(self, known: Expulsions) -> None:
        """Other apps keep what they had, whoever was one too many."""
        made = known.add(expel("small", "private-2", app="2"), NOW)

        assert made.folded == "1"
        assert is_out(known, "small", app="2", channel="private-2")
        assert not is_out(known, "small", app="2", channel="private-3")
        assert not is_out(known, "u1", app="2", channel="private-1")

    def test_subscribers_stay(self, known: Expulsions) -> None:
        """The command that was one too many ends what it names, and nothing else."""
        made = known.add(expel("u4", "private-1"), NOW)

        assert made.covers("private-1", NOW)
        assert not made.covers("private-2", NOW)

    def test_heard_again(self, known: Expulsions) -> None:
        """After a fold the same commands are heard again without another; newer ones are known beside it."""
        commands = [expel(f"u{number}", "private-1", at=NOW + number) for number in range(9)]
        folded = [
            known.add(command, NOW).folded for command in [*commands[:5], *commands[:5], *commands]
        ]

        assert folded == ["", "", "", "", "1"] + [""] * 14
        assert len(known) == 5
        assert is_out(known, "u8", channel="private-1", given_at=NOW + 8)
        assert not is_out(known, "u8", channel="private-2", given_at=NOW + 8)

    def test_folded_again(self, known: Expulsions) -> None:
        """An app that goes on becomes one again, with what it was."""
        folded = [known.add(expel(f"v{n}", at=NOW + 10 + n), NOW).folded for n in range(9)]

        assert folded.count("1") == 2
        assert is_out(known, "u0", channel="private-1", given_at=NOW)
        assert is_out(known, "never heard of", given_at=NOW + 10)

    def test_kept_for_less(self, known: Expulsions) -> None:
        """Those that come later, of before or kept for less, take nothing from what it was."""
        known.add(expel("u4", "private-1"), NOW)
        early = [keep(expel(f"v{n}", at=NOW - 9), 2 * KEPT) for n in range(5)]
        brief = [keep(expel(f"w{n}", at=NOW + 9), 20) for n in range(9)]
        folded = [known.add(command, NOW).folded for command in [*early, *brief]]

        assert folded.count("1") == 2
        assert is_out(known, "w0", given_at=NOW + 9)
        assert is_out(known, "u0", channel="private-1", given_at=NOW + 3, now=NOW + KEPT + 2)

    def test_forgotten(self, known: Expulsions) -> None:
        """When it has expired, and others have come, it is not in force with them."""
        known.add(expel("u4"), NOW)
        now = NOW + KEPT + 3
        folded = [known.add(expel(f"u{number}", at=now), now).folded for number in range(5)]

        assert folded == [""] * 5
        assert len(known) == 5
        assert not is_out(known, "u4", channel="private-1", given_at=NOW, now=now)

    def test_expired_goes_first(self) -> None:
        """What has expired makes room, and nobody is refused for it."""
        known = Expulsions(10)
        for number in range(1000):
            now = NOW + number * KEPT / 9
            assert not known.add(expel(f"u{number}", at=now), now).folded

        assert len(known) <= 10
        assert not is_out(known, "u999", channel="private-other", given_at=NOW, now=now)


APPS, USERS = st.sampled_from("12"), st.sampled_from("abc")
PATTERNS = ("private-1", "private-2", "private-1*", "*-2", "presence-3")
CHANNELS = ("private-1", "private-2", "private-12", "presence-3")
INSTANTS = st.integers(-5, 25).map(float)
KEEPING = st.integers(0, 20).map(float)
ORDERS = st.builds(
    lambda app, user, names, at, kept: Command(
        "expel", app, user, at, at + kept, channels=tuple(names)
    ),
    APPS,
    USERS,
    st.lists(st.sampled_from(PATTERNS), max_size=3),
    INSTANTS,
    KEEPING,
)
# What is heard at which instants, in order.
HEARD = st.lists(st.tuples(st.integers(0, 20).map(float), ORDERS), max_size=30).map(
    lambda heard: sorted(heard, key=lambda each: each[0])
)


def refused(commands: list[Command], *, now: float) -> set[Asked]:
    """Return which permissions a model without a bound refuses."""
    return {
        (each.app, each.subject, channel, float(given_at))
        for each in commands
        for channel in CHANNELS
        for given_at in range(-6, 27)
        if now < each.expires_at
        and given_at <= each.issued_at
        and Globs(each.channels).fits(channel)
    }


class TestModel:
    """Compared with a model that keeps every command."""

    @settings(max_examples=300)
    @given(HEARD, st.integers(1, 6), st.integers(1, 3), st.integers(0, 15))
    def test_never_less(
        self, heard: list[tuple[float, Command]], most: int, of_user: int, later: int
    ) -> None:
        """
        Whatever the model refuses is refused, however small the bounds; and they hold.
        """
        known, commands, now = Expulsions(most, of_user=of_user), [], 0.0
        for now, command in heard:
            known.add(command, now)
            commands.append(command)

            assert len(known) <= most
        for at in (now, now + later):
            for app, user, channel, given_at in refused(commands, now=at):
                assert is_out(known, user, app=app, channel=channel, given_at=given_at, now=at)

    @settings(max_examples=100)
    @given(HEARD, st.integers(0, 15))
    def test_never_more(self, heard: list[tuple[float, Command]], later: int) -> None:
        """
        Below the bounds, where all commands are kept for the same time, nothing else is refused.
        """
        known, now = Expulsions(), 0.0
        commands = [keep(each, 10) for _, each in heard]
        for (now, _), command in zip(heard, commands, strict=True):
            known.add(command, now)
        expected = refused(commands, now=now + later)

        for app, user, channel, given_at in product("12", "abc", CHANNELS, range(-6, 27)):
            is_meant = (app, user, channel, float(given_at)) in expected
            at = now + later
            assert is_meant == is_out(
                known, user, app=app, channel=channel, given_at=given_at, now=at
            )
