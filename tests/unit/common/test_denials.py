"""Denials of many apps: bounded, tidied, and folded where there are too many."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from libs.common.denials import TIDY_FROM, Denial, Denials, in_force, widest


@dataclass(slots=True)
class Named:
    """The denials of one app, by name, in the plainest way."""

    known: dict[str, Denial] = field(default_factory=dict)
    everything: Denial | None = None

    def __len__(self) -> int:
        return len(self.known)

    def tidy(self, now: float) -> bool:
        self.known = in_force(self.known, now)
        if self.everything is not None and self.everything.expires_at <= now:
            self.everything = None
        return bool(self.known or self.everything)

    def fold(self, now: float) -> None:
        every = [*self.known.values(), *([self.everything] if self.everything else [])]
        self.known, self.everything = {}, widest([Denial(now, now), *every])


def denials(most: int) -> Denials[Named]:
    return Denials(Named, most)


def deny(known: Denials[Named], app: str, name: str, *, now: float, ttl: float = 60.0) -> str:
    """Deny what was given until now, and tell which app was folded."""
    denial = Denial(now, now + ttl)

    def note(named: Named) -> None:
        named.known[name] = widest([denial, named.known.get(name, denial)])

    return known.add(app, note, now=now)


class TestDenial:
    """What was given until an instant is refused until another."""

    def test_covers(self) -> None:
        """What was given at the first instant is meant; at the second it is refused no more."""
        denial = Denial(10.0, 20.0)

        assert [denial.covers(given_at, 19.9) for given_at in (9.0, 10.0, 10.1)] == [
            True,
            True,
            False,
        ]
        assert [denial.covers(10.0, now) for now in (10.0, 19.9, 20.0)] == [True, True, False]

    @given(st.lists(st.builds(Denial, st.integers(0, 9), st.integers(0, 9)), min_size=1))
    def test_widest(self, several: list[Denial]) -> None:
        """The widest stands for each of several, and is no wider than that."""
        wide = widest(several)

        assert all(wide.stands_for(each) for each in several)
        assert wide.issued_at in {each.issued_at for each in several}
        assert wide.expires_at in {each.expires_at for each in several}

    def test_stands_for(self) -> None:
        """A denial stands for those that it covers in both respects."""
        wide = Denial(10.0, 20.0)

        assert wide.stands_for(wide)
        assert wide.stands_for(Denial(9.0, 19.0))
        assert not wide.stands_for(Denial(11.0, 19.0))
        assert not wide.stands_for(Denial(9.0, 21.0))

    def test_in_force(self) -> None:
        """What expires now has expired."""
        known = {"a": Denial(0.0, 10.0), "b": Denial(0.0, 10.1)}

        assert in_force(known, 10.0) == {"b": Denial(0.0, 10.1)}


class TestBounds:
    """There are never more than the most, and nobody loses what still has room."""

    def test_counted(self) -> None:
        """What is known twice counts once; an app of which nothing was noted is unknown."""
        known = denials(9)
        for name in ("a", "b", "a"):
            deny(known, "1", name, now=0.0)

        assert len(known) == 2
        assert known.of("2") is None

    def test_largest_is_folded(self) -> None:
        """The app with most is folded, and said; the others keep theirs one by one."""
        known = denials(4)
        folded = [deny(known, app, str(n), now=float(n)) for n, app in enumerate("12112")]

        small, large = known.of("2"), known.of("1")
        assert folded == ["", "", "", "", "1"]
        assert small is not None
        assert large is not None
        assert small.known.keys() == {"1", "4"}
        assert (large.known, large.everything) == ({}, Denial(4.0, 63.0))
        assert len(known) == 2

    def test_expired_goes_first(self) -> None:
        """What has expired makes room before anything is folded, and its app is forgotten."""
        known = denials(2)
        folded = [deny(known, str(n), "a", now=100.0 * n) for n in range(5)]

        assert folded == [""] * 5
        assert [n for n in range(5) if known.of(str(n))] == [4]

    def test_folded_expires(self) -> None:
        """An app whose denials were folded is forgotten when they have expired."""
        known = denials(1)
        folded = [deny(known, "1", name, now=0.0) for name in ("a", "b")]
        for now in (100.0, 100.1):
            deny(known, "2", str(now), now=now)

        assert folded == ["", "1"]
        assert known.of("1") is None

    def test_tidy_in_time(self) -> None:
        """What has expired does not stay until the bound is reached."""
        known = denials(1_000_000)
        for n in range(10 * TIDY_FROM):
            deny(known, "1", str(n), now=float(n))

        assert len(known) <= 2 * TIDY_FROM

    @given(
        st.lists(st.tuples(st.sampled_from("123"), st.sampled_from("abcd"), st.integers(0, 20))),
        st.integers(1, 5),
    )
    def test_nothing_in_force_is_lost(self, taken: list[tuple[str, str, int]], most: int) -> None:
        """Whatever was denied and has not expired is refused, by its name or with everything."""
        known, now, asked = denials(most), 0.0, dict[tuple[str, str], Denial]()
        for app, name, pause in taken:
            now += pause
            deny(known, app, name, now=now, ttl=30.0)
            asked[app, name] = Denial(now, now + 30.0)

            assert len(known) <= most
            for (one, each), denial in asked.items():
                named = known.of(one)
                held = [] if named is None else [named.known.get(each), named.everything]
                assert now >= denial.expires_at or any(
                    kept is not None and kept.stands_for(denial) for kept in held
                )
