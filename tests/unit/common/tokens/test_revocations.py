"""What a process remembers of revocations, and never forgets while it is in force."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.control.commands import Command
from libs.common.denials import TIDY_FROM
from libs.common.tokens.channel_tokens import LEEWAY, ChannelToken
from libs.common.tokens.revocations import Revocations, RevokedToken

NOW = 1_700_000_000.0
TTL = 100.0


def revoke(subject: str, kind: str = "jti", app: str = "1", *, at: float = NOW) -> Command:
    return Command("revoke", app, subject, at, at + TTL, kind=kind)


def held(jti: str = "j", user: str = "7", app: str = "1", *, at: float = NOW - 1) -> ChannelToken:
    """Make a token that was issued at an instant."""
    return ChannelToken(
        app=app,
        user=user,
        user_info={},
        claims={},
        channels=(),
        issued_at=at,
        expires_at=at + TTL,
        jti=jti,
        issuer="fanfare",
    )


def knowing(*commands: Command, most: int = 100) -> Revocations:
    revocations = Revocations(most)
    for command in commands:
        revocations.add(command, NOW)
    return revocations


class TestNames:
    """A token is known by its ``jti``."""

    @pytest.mark.parametrize("kind", ["jti", "token"])
    def test_revoked(self, kind: str) -> None:
        revocations = knowing(revoke("j", kind))

        assert revocations.is_revoked(held(), NOW)
        with pytest.raises(RevokedToken):
            revocations.check(held(), NOW)

    @pytest.mark.parametrize("token", [held("k"), held(app="2"), held("k", user="j")])
    def test_others(self, token: ChannelToken) -> None:
        """Another token, one of another app, or of a user of that name."""
        revocations = knowing(revoke("j"))

        assert not revocations.is_revoked(token, NOW)
        revocations.check(token, NOW)

    def test_expires(self) -> None:
        """When the command expires the token has too."""
        revocations = knowing(revoke("j"))

        assert revocations.is_revoked(held(), NOW + TTL - 0.001)
        assert not revocations.is_revoked(held(), NOW + TTL)

    def test_longest_counts(self) -> None:
        """Commands may be heard again, and in any sequence."""
        commands = [revoke("j", at=NOW), revoke("j", at=NOW - 50)]

        for revocations in (knowing(*commands), knowing(*reversed(commands))):
            assert revocations.is_revoked(held(), NOW + 60)
            assert len(revocations) == 1


class TestUsers:
    """A user's revocation covers what was issued until then."""

    def test_before_and_after(self) -> None:
        """Who comes back with a new token is let in."""
        revocations = knowing(revoke("7", "user"))

        assert revocations.is_revoked(held(at=NOW - 50), NOW)
        assert revocations.is_revoked(held(at=NOW), NOW)
        assert not revocations.is_revoked(held(at=NOW + 0.001), NOW + 1)

    @pytest.mark.parametrize("token", [held(user="8"), held(app="2"), held("7", user="8")])
    def test_others(self, token: ChannelToken) -> None:
        assert not knowing(revoke("7", "user")).is_revoked(token, NOW)

    def test_again(self) -> None:
        """The newest instant counts, in whichever sequence they are heard."""
        commands = [revoke("7", "user", at=NOW - 50), revoke("7", "user", at=NOW)]

        for revocations in (knowing(*commands), knowing(*reversed(commands))):
            assert revocations.is_revoked(held(), NOW + TTL - 1)


class TestIgnored:
    """What revokes nothing."""

    @pytest.mark.parametrize(
        "command",
        [
            Command("terminate", "1", "7", NOW, NOW + TTL, kind="user"),
            Command("revoke", "1", "7", NOW, NOW + TTL, kind="of a newer release"),
            Command("revoke", "1", "7", NOW - TTL, NOW, kind="user"),
            Command("revoke", "1", "j", NOW - TTL, NOW - 1, kind="jti"),
        ],
    )
    def test_order(self, command: Command) -> None:
        revocations = knowing(command)

        assert not revocations.is_revoked(held(), NOW)
        assert len(revocations) == 0


class TestBound:
    """Memory is bounded, and nothing in force is forgotten."""

    def test_expired_goes_first(self) -> None:
        """What has expired makes room, and nobody is refused for it."""
        revocations = Revocations(10)
        for number in range(1000):
            now = NOW + number * 11
            assert not revocations.add(revoke(str(number), at=now), now)

        assert len(revocations) <= 10
        assert not revocations.is_revoked(held("other", at=NOW), NOW + 999 * 11)

    def test_tidy(self) -> None:
        """What has expired does not stay until the bound is reached."""
        revocations = Revocations()
        for number in range(10 * TIDY_FROM):
            revocations.add(revoke(str(number), at=NOW + number), NOW + number)

        assert len(revocations) <= 2 * TIDY_FROM

    def test_folded(self) -> None:
        """Beyond the bound the app that has most loses all tokens it issued; others keep theirs."""
        revocations = knowing(
            revoke("small", app="2"), *(revoke(str(number)) for number in range(10)), most=10
        )

        assert len(revocations) == 1
        assert all(revocations.is_revoked(held(str(number)), NOW) for number in range(10))
        assert revocations.is_revoked(held("never heard of"), NOW + TTL - 1)
        assert revocations.is_revoked(held("small", app="2"), NOW)
        assert not revocations.is_revoked(held("other", app="2"), NOW)

    def test_folded_is_told(self) -> None:
        """An operator is to hear of it, once for each time."""
        revocations = Revocations(2)

        told = [revocations.add(revoke(str(number)), NOW) for number in range(6)]

        assert told == ["", "", "1", "", "", "1"]

    def test_after_folding(self) -> None:
        """Tokens that are issued afterwards are good, also by a clock that was ahead."""
        revocations = knowing(revoke("a"), revoke("b"), revoke("c"), most=2)

        assert revocations.is_revoked(held(at=NOW + LEEWAY), NOW + LEEWAY)
        assert not revocations.is_revoked(held(at=NOW + LEEWAY + 1), NOW + LEEWAY + 1)

    def test_folding_ends(self) -> None:
        """When all that was folded has expired, nothing is left of it."""
        revocations = knowing(revoke("a"), revoke("b"), revoke("c"), most=2)

        assert not revocations.is_revoked(held(), NOW + TTL)


@dataclass(frozen=True)
class Step:
    """A command that is heard, some time after the step before."""

    command: Command
    pause: float


def _covers(command: Command, token: ChannelToken, now: float) -> bool:
    """Tell what one command means, without a memory."""
    if command.app != token.app or now >= command.expires_at:
        return False
    if command.kind == "user":
        return command.subject == token.user and token.issued_at <= command.issued_at
    return command.subject == token.jti


COMMANDS = st.builds(
    lambda app, subject, kind, at, ttl: Command(
        "revoke", app, subject, NOW + at, NOW + at + ttl, kind
    ),
    st.sampled_from("12"),
    st.sampled_from("abc"),
    st.sampled_from(["jti", "token", "user"]),
    st.integers(-20, 60),
    st.integers(1, 60),
)
STEPS = st.lists(st.builds(Step, COMMANDS, st.integers(0, 15)), max_size=25)
TOKENS = [
    held(jti, user, app, at=NOW + at)
    for jti in "ab"
    for user in "ac"
    for app in "12"
    for at in (-30, 0, 20, 300)
]


class TestModel:
    """Against a list of all commands that were ever heard."""

    @given(STEPS)
    def test_roomy(self, steps: list[Step]) -> None:
        """With room enough a token is refused if a command covers it, be it the latest or not."""
        revocations, heard, now = Revocations(), [], NOW
        for step in steps:
            now += step.pause
            revocations.add(step.command, now)
            heard.append(step.command)
            for token in TOKENS:
                if any(_covers(command, token, now) for command in heard):
                    assert revocations.is_revoked(token, now)
                elif not any(_touches(command, token) for command in heard):
                    assert not revocations.is_revoked(token, now)

    @given(STEPS, st.integers(1, 4))
    def test_cramped(self, steps: list[Step], most: int) -> None:
        """With too little room more is refused, never less; and the room is kept."""
        revocations, heard, now = Revocations(most), [], NOW
        for step in steps:
            now += step.pause
            revocations.add(step.command, now)
            heard.append(step.command)
            for token in TOKENS:
                # What is issued in the future is in nobody's hands yet.
                known = token.issued_at <= now + LEEWAY
                if known and any(_covers(command, token, now) for command in heard):
                    assert revocations.is_revoked(token, now)
            assert len(revocations) <= most


def _touches(command: Command, token: ChannelToken) -> bool:
    """Tell whether a command may refuse a token, together with others."""
    return command.app == token.app and command.subject in {token.jti, token.user}
