"""What a gateway says of itself."""

from tests.support.services.gateway import place, until


async def test_at_rest() -> None:
    """A gateway that nobody uses has nothing to say but that it is well."""
    async with place() as here:
        await until(lambda: here.gateway.state().is_informed)
        await until(lambda: here.gateway.state().is_listening)

        state = here.gateway.state()

        assert state.is_accepting
        assert (state.connections, state.unsent, state.channels) == (0, 0, 0)
        assert (state.online, state.untold, state.watched) == (0, 0, 0)
        assert (state.typing, state.marks) == (0, 0)
        assert (state.waiting, state.newcomers, state.signing_in) == (0, 0, 0)
        assert (state.unreported, state.counted) == (0, 0)


async def test_in_use() -> None:
    """Clients, their channels and what they count for are told; and what waits, while it does."""
    async with place() as here:
        ann, bob = await here.join("a", "b"), await here.join("a")
        here.bus.is_away = True
        await ann.ask("c")
        await until(lambda: here.gateway.state().waiting == 1)

        state = here.gateway.state()

        assert (state.connections, state.channels) == (2, 2)
        assert state.counted == 2  # The app and the address.
        here.bus.is_away = False
        await until(lambda: here.gateway.state().waiting == 0)
        for client in (ann, bob):
            await client.close()
        await until(lambda: here.gateway.state().connections == here.gateway.state().counted == 0)


async def test_name() -> None:
    """The name is the one that the roster knows it by, and another after that was cleared."""
    async with place(lease_renew=0.05) as here:
        former = here.gateway.state().name
        await until(lambda: former in here.roster.leases())

        here.roster.clear(former)

        await until(lambda: here.gateway.state().name not in {former, ""})
        await until(lambda: here.gateway.state().name in here.roster.leases())
