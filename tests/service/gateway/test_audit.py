"""What the audit log is told of what gateways write."""

from msgspec import structs

from libs.common.bus.messages import Audited, Publication
from tests.support.fakes.logs import audited
from tests.support.services.gateway import APP, Place, place, publication

MARK = Audited("7", "steps/0/3", "news", 9)


async def tell(here: Place, *, excluded: str = "") -> None:
    """Publish what is audited, and then what is not."""
    plain = publication("room", "hush", excluded=[excluded])
    await here.bus.publish(
        [
            Publication(plain.channel, structs.replace(plain.broadcast, audited=MARK)),
            publication("room", "0"),
        ]
    )


async def test_delivered() -> None:
    """
    A line for what is audited, with how many got it, and without its content; none for the rest.
    """
    async with place() as here:
        first, second = await here.join("room"), await here.join("room")
        with audited() as lines:
            await tell(here, excluded=first.socket_id)
            await second.expect("news", "room")
            await second.expect("news", "room")
            await first.expect("news", "room")

    assert lines == [
        {
            "event": "audit.delivered",
            "id": "7",
            "record": "steps/0/3",
            "app": APP.id,
            "channel": "room",
            "name": "news",
            "bytes": 9,
            "recipients": 1,
        }
    ]


async def test_later() -> None:
    """
    Nobody is there, so nobody got it; who comes later and is caught up is no recipient.
    """
    async with place() as here:
        with audited() as lines:
            await tell(here)
            late = await here.join("room")
            await here.publish("room", "1")
            await late.expect("news", "room")

    assert lines == []
