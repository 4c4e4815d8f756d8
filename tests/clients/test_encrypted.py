"""Journeys of data that only pages and back ends can read."""

from tests.clients.sdks import NodeSdk, Sdk
from tests.support.clients.pusherjs import Driver
from tests.support.clients.visitors import Visitor
from tests.support.deployments.deployment import KEY, Deployment


async def test_from_a_back_end_to_pages(
    deployment: Deployment,
    node: Driver,
    sdk: Sdk,
    guests: tuple[Visitor, Visitor],
    room: str,
) -> None:
    """
    What SDKs encrypt pages decrypt, with a key from Fanfare or a back end; between them is ciphertext.
    """
    channel = f"private-encrypted-room.{room}"
    NodeSdk(node, deployment)
    await node.connect("ann", KEY, **deployment.options(0, user="ann"))
    await node.connect("bob", KEY, backend="backend", **deployment.options(1))
    for name in ("ann", "bob"):
        await node.subscribe(name, channel)
    for guest in guests:
        await guest.join(channel)

    await sdk.trigger([channel], "told", {"text": "grüße", "n": 1})
    await sdk.trigger_batch([{"channel": channel, "name": "told", "data": {"n": 2}}])

    expected = [("told", {"text": "grüße", "n": 1}), ("told", {"n": 2})]
    for name in ("ann", "bob"):
        assert await node.wait_for_events(name, channel, 2) == expected
    for guest in guests:
        await guest.until_number(channel, 2)
        assert [set(data) for data in guest.heard(channel)] == [{"nonce", "ciphertext"}] * 2
