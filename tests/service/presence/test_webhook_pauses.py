"""A receiver that says when it wants to be called again is not called before."""

import asyncio

from services.presence.webhooks.payloads import Delivery
from tests.support.fakes.webhook_receiver import Receiver
from tests.support.services.webhooks import app_with, hook, record, site

HOUR = "3600"


async def test_hour(here: Receiver) -> None:
    """Not before its time, but for a last try when the patience is over: no lane is held longer."""
    here.status = lambda _: 503
    here.headers = {"Retry-After": HOUR}
    async with site(app_with(hook(here)), webhook_patience=0.3) as held:
        await held["a"].take([record("member_added", "presence-a", "1")])
        await held["a"].take([record("member_added", "presence-a", "2")])
        first, second = await held.dead()

    assert (first.tries, second.tries) == (2, 1)
    assert first.reason == second.reason == "answered 503"


async def test_mad(here: Receiver) -> None:
    """It is tried again as ever."""
    here.status = lambda _: 429
    here.headers = {"Retry-After": "-1"}
    async with site(app_with(hook(here)), webhook_patience=0.3) as held:
        await held["a"].take([record("member_added", "presence-a", "1")])
        (letter,) = await held.dead()

    assert letter.tries > 2


async def test_whole_receiver(here: Receiver) -> None:
    """It speaks for all of a webhook's channels, those that wait for room among them; order is kept."""
    here.status = lambda _: 429 if len(here.told) < 1 else 200
    here.headers = {"Retry-After": HOUR}
    pages = [
        [record("member_added", f"presence-{channel}", str(user)) for channel in "abc"]
        for user in (1, 2)
    ]
    async with site(app_with(hook(here)), webhook_patience=0.3, webhook_requests=1) as held:
        first = asyncio.ensure_future(held["a"].take(pages[0]))
        await here.until(lambda one: bool(one.told))
        await asyncio.gather(first, held["a"].take(pages[1]))
        assert not await held.dead()

    assert here.told[0].status == 429
    for channel in "abc":
        events = [event for event in here.events if event["channel"] == f"presence-{channel}"]
        assert [event["user_id"] for event in events] == ["1", "2"]


async def test_nobody_else(here: Receiver, there: Receiver) -> None:
    """Another webhook of the same app is told at once; of this one no channel is."""
    here.status = lambda _: 503
    here.headers = {"Retry-After": HOUR}
    app = app_with(hook(here), hook(there, "b"))
    async with site(app, webhook_requests=1) as held:
        facts = [record("member_added", f"presence-{number}", "1") for number in range(20)]
        paused = asyncio.ensure_future(held["a"].take(facts))
        await here.until(lambda one: bool(one.told))
        await held["b"].take(facts)

        assert len(there.events) == 20
        assert len(here.told) == 1
        assert not paused.done()
        paused.cancel()


async def test_longest(here: Receiver, there: Receiver) -> None:
    """An answer that asks for less, to what was asked at the same time, does not shorten a pause."""
    here.status = lambda _: 503
    fact = record("member_added", "presence-a", "1")
    async with site(app_with(hook(here), hook(there, "b")), timer=lambda: 0.0) as held:
        for here.headers in ({"Retry-After": HOUR}, {"Retry-After": "1"}, {}):
            await held["a"].courier.attempt(Delivery("d", [fact.fact]))
        paused = asyncio.ensure_future(held["a"].take([fact]))
        await held["b"].take([fact])

        assert len(here.told) == 3
        assert not paused.done()
        paused.cancel()


async def test_back_early(here: Receiver) -> None:
    """Who takes something before the time that it asked for is told the rest at once."""
    now = 0.0
    here.status = lambda _: 503 if len(here.told) < 1 else 200
    here.headers = {"Retry-After": HOUR}
    app = app_with(hook(here))
    async with site(app, timer=lambda: now, webhook_patience=2000.0) as held:
        first = asyncio.ensure_future(held["a"].take([record("member_added", "presence-a", "1")]))
        while not held["a"].courier.counts["failed"]:
            await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])

        now = 2000.0  # All patience is over.
        for user in ("2", "3"):
            await held["a"].take([record("member_added", "presence-a", user)])

    assert [event["user_id"] for event in here.events] == ["2", "3"]
