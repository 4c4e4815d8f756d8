"""Webhooks reach their receivers: signed, in order, and again until they are delivered."""

import asyncio
import json
import time

import pytest
from standardwebhooks import Webhook as Verifier
from structlog.testing import capture_logs

from libs.common.apps.webhooks import USUAL
from libs.common.config.secret import Secret
from libs.common.errors import Unavailable
from libs.common.lifecycle.facts import KINDS, Recorded
from libs.common.outage import reason_of
from services.presence.webhooks.signing import webhook_secret
from tests.support.fakes.webhook_receiver import Receiver
from tests.support.services.webhooks import SECRET, app_with, hook, record, site


def added(*users: int, channel: str = "presence-a") -> list[Recorded]:
    return [record("member_added", channel, str(user)) for user in users]


def users_of(told: Receiver, channel: str = "presence-a") -> list[int]:
    return [int(event["user_id"]) for event in told.events if event["channel"] == channel]


class TestRequest:
    """What a receiver gets."""

    async def test_headers(self, here: Receiver) -> None:
        own = {"Authorization": Secret("Bearer x")}
        async with site(app_with(hook(here, headers=own))) as held:
            await held["a"].take(added(7))

        (told,) = here.told
        assert told.headers["Content-Type"] == "application/json"
        assert told.headers["Authorization"] == "Bearer x"
        assert told.headers["X-Pusher-Key"] == "key-1"
        assert told.events == [{"name": "member_added", "channel": "presence-a", "user_id": "7"}]
        assert abs(time.time() - json.loads(told.body)["time_ms"] / 1000) < 300
        assert Verifier(webhook_secret(Secret(SECRET)).reveal()).verify(told.body, told.headers)

    async def test_one_a_request(self, here: Receiver) -> None:
        """As Pusher does, unless a webhook has them batched."""
        async with site(app_with(hook(here))) as held:
            await held["a"].take(added(*range(5)))

        assert [len(told.events) for told in here.told] == [1] * 5
        assert len({told.id for told in here.told}) == 5

    async def test_batched(self, here: Receiver) -> None:
        hooked = hook(here, batching=True)
        async with site(app_with(hooked), webhook_batch=3, webhook_batch_delay=0.0) as held:
            await held["a"].take([*added(*range(5)), *added(9, channel="presence-b")])

        assert [len(told.events) for told in here.told] == [3, 3]
        assert users_of(here) == [0, 1, 2, 3, 4]

    async def test_filtered(self, here: Receiver, there: Receiver) -> None:
        """Each gets what it wants, and nothing of other channels."""
        first = hook(here, channel_prefix="presence-b", events=("member_added", "user_online"))
        everything = [record(kind, "presence-a", "7") for kind in KINDS]
        async with site(app_with(first, hook(there, "b"))) as held:
            assert [kind for kind in KINDS if held["b"].wants(kind)] == [*USUAL]
            for name in ("a", "b"):
                await held[name].take([*everything, *added(8, channel="presence-b")])

        assert [event["name"] for event in here.events] == ["user_online", "member_added"]
        assert {event["name"] for event in there.events} == {*USUAL}

    async def test_changed(self, here: Receiver, there: Receiver) -> None:
        """What is said of a webhook counts from its next try on, and its name is what it is."""
        async with site(app_with(hook(here))) as held:
            before = held["a"]
            held.apps.adopt([app_with(hook(there), secrets=(Secret("new"), Secret("old")))])
            await before.take(added(7))

            assert held["a"] is before
        (told,) = there.told
        assert not here.told
        assert len(told.headers["webhook-signature"].split()) == 2

    async def test_removed(self, here: Receiver) -> None:
        """A webhook that is no more is told nothing, and keeps nobody waiting."""
        async with site(app_with(hook(here))) as held:
            before = held["a"]
            await before.take(added(6))
            here.told.clear()
            held.apps.adopt([app_with()])
            await before.take(added(7))

            assert [*held.webhooks.of("1")] == []
            held.apps.adopt([])
            await before.take(added(8))
            assert [*held.webhooks.of("1")] == []
            assert held.webhooks.counts == {"delivered": 1}
        assert not here.told

    async def test_switched_off(self, here: Receiver) -> None:
        """What the clients of an app that is switched off leave behind is told."""
        async with site(app_with(hook(here), enabled=False)) as held:
            await held["a"].take(added(7))

        assert users_of(here) == [7]

    async def test_private_address(self, here: Receiver) -> None:
        """A name that leads to a private address is called by nobody; operators are told why."""
        app = app_with(hook(here, url="https://10.0.0.1/hooks"))
        async with site(app, webhook_patience=0.0) as held:
            await held["a"].take(added(7))
            (letter,) = await held.dead()

        assert letter.reason == "no answer: 10.0.0.1 may not be called (egress.allow)"


class TestAgain:
    """Pusher: whatever is not 2xx is tried again."""

    @pytest.mark.parametrize("status", [302, 400, 404, 410, 429, 500, 503])
    async def test_status(self, here: Receiver, status: int) -> None:
        """Each try is dated and signed anew, and has the same id."""
        here.status = lambda _: status if len(here.told) < 2 else 200
        async with site(app_with(hook(here))) as held:
            await held["a"].take(added(7))
            assert held["a"].courier.counts == {"failed": 2, "delivered": 1}
            assert held.webhooks.counts == {"failed": 2, "delivered": 1}
            await held.webhooks.check()

        assert [told.status for told in here.told] == [status, status, 200]
        assert len({told.id for told in here.told}) == 1
        verifier = Verifier(webhook_secret(Secret(SECRET)).reveal())
        for told in here.told:
            assert verifier.verify(told.body, told.headers)

    async def test_hangs(self, here: Receiver) -> None:
        """A receiver that accepts and never answers is given up in time, and tried again."""
        here.hang()
        async with site(app_with(hook(here)), webhook_timeout=0.1) as held:
            telling = asyncio.ensure_future(held["a"].take(added(7)))
            await here.until(lambda one: one.begun >= 2)
            with pytest.raises(Unavailable, match="webhook"):
                await held.webhooks.check()
            here.go_on()
            await telling

        assert users_of(here)[-1] == 7
        assert len({told.id for told in here.told}) == 1

    async def test_which(self, here: Receiver, there: Receiver) -> None:
        """Operators are told which webhooks of which apps fail, and why, since the first failure."""
        here.status = there.status = lambda _: 503
        telling = []
        async with site(app_with(hook(here), hook(there, "b"))) as held:
            for name, receiver in (("a", here), ("b", there)):
                telling.append(asyncio.ensure_future(held[name].take(added(7))))
                await receiver.until(lambda one: one.begun >= 2)
            with pytest.raises(Unavailable) as caught:
                await held.webhooks.check()
            lost_at = held["a"].courier.lost_at
            here.status = there.status = lambda _: 200
            await asyncio.gather(*telling)

        assert reason_of(caught.value) == (
            "2 webhooks fail: a of app 1: answered 503; b of app 1: answered 503"
        )
        assert caught.value.since == lost_at
        assert lost_at is not None

    async def test_gone(self, here: Receiver) -> None:
        """A receiver that is not there gets all when it is."""
        async with site(app_with(hook(here))) as held:
            await here.go()
            with capture_logs() as logs:
                telling = asyncio.ensure_future(held["a"].take(added(*range(20))))
                while not held["a"].courier.counts["failed"]:
                    await asyncio.sleep(0)
                await here.come()
                await telling

        assert users_of(here) == [*range(20)]
        assert [log["event"] for log in logs] == ["backend.lost", "backend.found"]
        assert {key: logs[0][key] for key in ("backend", "app", "webhook")} == {
            "backend": "webhook",
            "app": "1",
            "webhook": "a",
        }

    async def test_dead_letter(self, here: Receiver) -> None:
        """When its time is over it is laid by, and the next ones are told."""
        here.status = lambda told: 500 if told.events[0].get("user_id") == "7" else 200
        async with site(app_with(hook(here)), webhook_patience=0.2) as held:
            with capture_logs() as logs:
                await held["a"].take(added(7, 8))
            (letter,) = await held.dead()

        assert users_of(here) == [8]
        assert (letter.app, letter.webhook, letter.reason) == ("1", "a", "answered 500")
        assert letter.id == here.told[0].id
        assert letter.tries == len(here.told) - 1 > 1
        (line,) = [log for log in logs if log["event"] == "webhook.dead_lettered"]
        assert line["events"] == ["member_added"]

    async def test_away_for_long(self, here: Receiver) -> None:
        """Once it has been away for as long as anything is tried, each is tried once: nothing piles up."""
        here.status = lambda _: 500
        async with site(app_with(hook(here)), webhook_patience=0.2) as held:
            await held["a"].take(added(1))
            await held["a"].take(added(2, 3, 4))

            first, _, *others = await held.dead()

        assert first.tries > 2
        assert [letter.tries for letter in others] == [1, 1]

    async def test_letters_away(self, here: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
        """While it cannot be laid by either, it waits: nothing is lost."""
        here.status = lambda _: 500
        async with site(app_with(hook(here)), webhook_patience=0.0) as held:
            keep, failing = held.letters.keep, [True]

            async def unwilling(letter: object) -> None:
                if failing.pop() if failing else False:
                    raise Unavailable("sightings")
                await keep(letter)  # type: ignore[arg-type]

            monkeypatch.setattr(held.letters, "keep", unwilling)
            await held["a"].take(added(7))

            assert len(await held.dead()) == 1


class TestOrder:
    """Of one channel in order; channels do not wait for each other."""

    async def test_channel(self, here: Receiver) -> None:
        """What fails keeps what follows in its channel waiting, and nothing else."""
        failing = asyncio.Event()
        here.status = lambda told: (
            500 if told.events[0]["user_id"] == "0" and not failing.is_set() else 200
        )
        async with site(app_with(hook(here))) as held:
            first = asyncio.ensure_future(
                held["a"].take([*added(0, 1, 2), *added(5, 6, channel="presence-b")])
            )
            await here.until(lambda one: len(one.accepted) == 2)
            second = asyncio.ensure_future(
                held["a"].take([*added(3), *added(7, channel="presence-b")])
            )
            await here.until(lambda one: len(one.accepted) == 3)
            assert users_of(here) == []
            assert users_of(here, "presence-b") == [5, 6, 7]
            failing.set()
            await first
            await second

        assert users_of(here) == [0, 1, 2, 3]

    async def test_bound(self, here: Receiver) -> None:
        """So many requests are under way at once, and no more."""
        here.hang()
        channels = [added(1, channel=f"presence-{number}")[0] for number in range(20)]
        async with site(app_with(hook(here)), webhook_requests=4) as held:
            telling = asyncio.ensure_future(held["a"].take(channels))
            await here.until(lambda one: one.begun == 4)
            here.go_on()
            await telling

        assert len(here.events) == 20
        assert here.most == 4

    async def test_one_hangs(self, here: Receiver, there: Receiver) -> None:
        """A receiver that hangs delays nobody else's webhooks."""
        here.hang()
        app = app_with(hook(here), hook(there, "b"))
        async with site(app) as held:
            hanging = asyncio.ensure_future(held["a"].take(added(*range(5))))
            await here.until(lambda one: one.begun == 1)
            await held["b"].take(added(*range(100)))

            assert users_of(there) == [*range(100)]
            assert not hanging.done()
            hanging.cancel()

    async def test_cancelled(self, here: Receiver) -> None:
        """What is cancelled comes again, whole, with the same ids; what follows does not wait for ever."""
        records = added(*range(3))
        here.hang()
        async with site(app_with(hook(here))) as held:
            first = asyncio.ensure_future(held["a"].take(records))
            await here.until(lambda one: one.begun == 1)
            first.cancel()
            await asyncio.wait([first])
            never_begun = asyncio.ensure_future(held["a"].take(records))
            await asyncio.sleep(0)
            never_begun.cancel()
            await asyncio.wait([never_begun])
            here.go_on()
            await held["a"].take(records)

        users = [int(told.events[0]["user_id"]) for told in here.accepted]
        assert users[-3:] == [0, 1, 2]
        assert len({told.id for told in here.told}) == 3

    @pytest.mark.parametrize("batching", [False, True])
    async def test_storm(self, here: Receiver, *, batching: bool) -> None:
        """A receiver that fails, hangs and returns: nothing is lost, and nothing out of order."""
        calls = iter(range(1_000_000))
        here.status = lambda _: (500, 503, 200, 200, 404)[next(calls) % 5]
        channels = [f"presence-{number}" for number in range(6)]
        pages = [
            [one for channel in channels for one in added(*range(page, page + 5), channel=channel)]
            for page in range(0, 25, 5)
        ]
        app = app_with(hook(here, batching=batching))
        async with site(app, webhook_timeout=0.2, webhook_batch_delay=0.0) as held:
            telling = [asyncio.ensure_future(held["a"].take(page)) for page in pages]
            await here.until(lambda one: len(one.told) > 3)
            here.hang()
            await here.until(lambda one: one.begun > len(one.told) + 1 or batching)
            await asyncio.wait(telling, timeout=0.3)
            here.go_on()
            await here.go()
            await here.come()
            await asyncio.gather(*telling)
            assert not await held.dead()

        for channel in channels:
            users = users_of(here, channel)
            assert [*dict.fromkeys(users)] == [*range(25)]  # What was answered too late came again.
            assert batching or users == sorted(users)
        ids = {json.dumps(told.events): set[str]() for told in here.told}
        for told in here.told:
            ids[json.dumps(told.events)].add(told.id)
        assert {len(each) for each in ids.values()} == {1}


class TestVacated:
    """Pusher: delayed by up to 3 s, and cancelled by a return."""

    async def test_returned(self, here: Receiver) -> None:
        """Neither is told, and all else is meanwhile."""
        async with site(app_with(hook(here)), vacated_delay=60.0) as held:
            first = asyncio.ensure_future(
                held["a"].take([record("channel_vacated", "a"), *added(7)])
            )
            await here.until(lambda one: len(one.told) == 1)
            await held["a"].take([record("channel_occupied", "a")])
            await first

        assert [event["name"] for event in here.events] == ["member_added"]

    async def test_stays_away(self, here: Receiver) -> None:
        async with site(app_with(hook(here)), vacated_delay=0.05) as held:
            await held["a"].take([record("channel_vacated", "a"), record("channel_vacated", "b")])
            await held["a"].take([record("channel_occupied", "a")])

        names = [event["name"] for event in here.events if event["channel"] == "a"]
        assert names == ["channel_vacated", "channel_occupied"]

    async def test_not_wanted(self, here: Receiver) -> None:
        """Who is told of vacated channels alone is told of none that is occupied again."""
        app = app_with(hook(here, events=("channel_vacated",)))
        async with site(app, vacated_delay=60.0) as held:
            assert held["a"].wants("channel_occupied")
            first = asyncio.ensure_future(held["a"].take([record("channel_vacated", "a")]))
            await asyncio.sleep(0)
            await held["a"].take([record("channel_occupied", "a")])
            await first

        assert not here.told
