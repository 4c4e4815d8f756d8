"""Pages that watch whether others are online, with stock pusher-js."""

from tests.clients.sdks import NodeSdk
from tests.support.clients.pusherjs import Driver
from tests.support.deployments.deployment import KEY, Deployment


async def signed_in(
    node: Driver, deployment: Deployment, name: str, *watchlist: str, gateway: int
) -> None:
    """Connect a page whose back end lets it watch, and sign it in as the user of its name."""
    member = {"user_id": name, "user_info": {"name": name}, "watchlist": list(watchlist)}
    words = deployment.options(gateway)
    await node.connect(name, KEY, backend="backend", member=member, **words)
    node.say("signin", client=name)
    await node.wait(client=name, signed_in=name)


async def until(node: Driver, watcher: str, users: dict[str, str]) -> None:
    """Wait until a page was told that this is what users are."""

    def told() -> dict[str, str]:
        seen = [item for item in node.seen(client=watcher) if "watched" in item]
        return {user: item["watched"] for item in seen for user in item["user_ids"]}

    await node.wait_until(lambda: node.seen() if told() == users else [])


async def test_on_two_gateways(deployment: Deployment, node: Driver, room: str) -> None:
    """
    A page hears who is online when it has signed in, then who comes and goes, on whatever gateway.
    """
    NodeSdk(node, deployment)
    ann, bob, cat = (f"{name}-{room}" for name in ("ann", "bob", "cat"))
    await signed_in(node, deployment, bob, gateway=1)
    await signed_in(node, deployment, ann, bob, cat, gateway=0)
    await until(node, ann, {bob: "online", cat: "offline"})

    await signed_in(node, deployment, cat, gateway=1)
    await until(node, ann, {bob: "online", cat: "online"})
    node.say("disconnect", client=bob)
    await until(node, ann, {bob: "offline", cat: "online"})


async def test_too_long(deployment: Deployment, node: Driver, room: str) -> None:
    """
    Of a list that is too long the page hears 4302, and of the first hundred users all the same.
    """
    NodeSdk(node, deployment)
    users = [f"user-{number}-{room}" for number in range(101)]
    await signed_in(node, deployment, f"ann-{room}", *users, gateway=0)

    (told, *_) = await node.wait_for("error", client=f"ann-{room}")
    assert told["error"]["code"] == 4302
    (seen,) = await node.wait(client=f"ann-{room}", watched="offline")
    assert sorted(seen["user_ids"]) == sorted(users[:100])
