"""Auth's ear on control: what is revoked, and when that is known."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from structlog.testing import capture_logs

from libs.common.control.commands import Command
from libs.common.control.memory import MemoryControl
from libs.common.errors import Unavailable
from libs.common.tokens.channel_tokens import ChannelToken
from libs.common.tokens.revocations import Revocations, RevokedToken
from services.auth.tokens.revocations import RevocationList
from tests.support.deadline import DEADLINE
from tests.support.servers.process import eventually

NOW = 1_700_000_000.0


def revoke(jti: str) -> Command:
    return Command("revoke", "1", jti, NOW, NOW + 60, kind="jti")


def token(jti: str, *, at: float = NOW) -> ChannelToken:
    return ChannelToken(
        app="1",
        user="7",
        user_info={},
        claims={},
        channels=(),
        issued_at=at,
        expires_at=at + 60,
        jti=jti,
        issuer="fanfare",
    )


class Crowded(MemoryControl):
    """Control whose listeners get one command at a time, as those of a long stream get a batch."""

    async def after(self, number: int, timeout: float) -> list[tuple[int, Command]]:
        await asyncio.sleep(0)
        return (await super().after(number, timeout))[:1]


@asynccontextmanager
async def running(revocations: RevocationList) -> AsyncIterator[None]:
    task = asyncio.create_task(revocations.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def heard(revocations: RevocationList, jti: str) -> None:
    """Wait until a command was heard."""

    async def is_revoked() -> bool:
        try:
            revocations.check(token(jti))
        except RevokedToken:
            return True
        except Unavailable:
            return False
        return False

    await eventually(is_revoked, timeout=DEADLINE)


def is_known(revocations: RevocationList, jti: str) -> bool:
    """Tell whether it is known that a token is revoked; that it is good must not be said."""
    try:
        revocations.check(token(jti))
    except RevokedToken:
        return True
    except Unavailable:
        return False
    raise AssertionError("a revoked token was called good")


class TestHearing:
    """A token counts as good only when all commands in force are known."""

    async def test_all_first(self) -> None:
        """While some of many commands were heard no token is called good."""
        control = Crowded(lambda: NOW)
        for number in range(20):
            await control.send(revoke(str(number)))
        revocations = RevocationList(control, Revocations(), clock=lambda: NOW)
        with pytest.raises(Unavailable):
            revocations.check(token("19"))

        async with running(revocations), asyncio.timeout(DEADLINE):
            while not is_known(revocations, "19"):
                await asyncio.sleep(0)

        revocations.check(token("other"))

    async def test_later(self) -> None:
        """What comes afterwards is heard too."""
        control = MemoryControl(lambda: NOW)
        revocations = RevocationList(control, Revocations(), clock=lambda: NOW)
        async with running(revocations):
            await control.send(revoke("first"))
            await heard(revocations, "first")
            await control.send(revoke("second"))
            await heard(revocations, "second")

    async def test_own(self) -> None:
        """What is commanded here holds here at once."""
        revocations = RevocationList(MemoryControl(lambda: NOW), Revocations(), clock=lambda: NOW)
        async with running(revocations):
            await revocations.send(revoke("first"), most=0)
            await heard(revocations, "first")
            await revocations.send(revoke("second"), most=0)

            with pytest.raises(RevokedToken):
                revocations.check(token("second"))


class TestTooMany:
    """Memory is bounded."""

    async def test_told(self) -> None:
        """An operator hears which app has lost all of its tokens."""
        revocations = RevocationList(MemoryControl(lambda: NOW), Revocations(2), clock=lambda: NOW)

        with capture_logs() as logs:
            for jti in ("a", "b", "c"):
                await revocations.send(revoke(jti), most=0)

        (line,) = [line for line in logs if line["event"] == "revocations.folded"]
        assert (line["log_level"], line["app"]) == ("error", "1")
