"""
Journeys of the teams of deploy/dev.toml: their pages, their events and what arrives.

Pages subscribe as each team's own code does.  Every event is sent twice, with all that the team
sends and with no more than it must; what `tests.unit.test_development` knows of routes, a page sees.
"""

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from tests.support.clients.back_ends import BackEnd
from tests.support.clients.pusherjs import Driver, echo_options
from tests.support.deployments.deployment import KEY
from tests.support.deployments.program import ROOT, Program, program
from tests.support.tokens import user_tokens

CLAIMS: dict[str, Any] = {
    "name": "Ann",
    "companies": ["1"],
    "tenant": "acme",
    "campaigns": ["5"],
    "roles": ["admin"],
}
AT = "at"  # In what arrives: the time with which the event was posted.
NOTIFIED = r"Illuminate\Notifications\Events\BroadcastNotificationCreated"


class Case(NamedTuple):
    """
    An event of a team.

    Attributes:
        channel: Where it arrives, with the prefix.
        event: Its name there.
        kind: Its type where it is posted.
        data: What is posted.
        shown: What arrives; None: what is posted.
    """

    channel: str
    event: str
    kind: str
    data: dict[str, Any]
    shown: dict[str, Any] | None = None

    def arrives(self, at: str) -> dict[str, Any]:
        """Return what the page is handed of an event of this time."""
        shown = self.data if self.shown is None else self.shown
        return {name: at if value == AT else value for name, value in shown.items()}


def whole(channel: str, event: str, kind: str, *sent: dict[str, Any]) -> list[Case]:
    """Return cases of an event that arrives as it is."""
    return [Case(channel, event, kind, data) for data in sent]


ROOM = {"id": 3, "name": "Room", "type": "room", "company_id": 1, "updated_at": "2025-12-20"}
BARE_ROOM = {"id": 3, "company_id": 1}
NO_ROOM = dict.fromkeys(ROOM) | BARE_ROOM
COMPANY = "private-company.1"
BOOKINGS = [
    *(
        Case(COMPANY, f"resource.{verb}", f"resource.{verb}", data, shown)
        for verb in ("created", "updated")
        for data, shown in ((ROOM | {"industry_data": {"x": 1}}, ROOM), (BARE_ROOM, NO_ROOM))
    ),
    Case(COMPANY, "resource.deleted", "resource.deleted", BARE_ROOM, {"id": 3}),
    *whole(COMPANY, "reservation.updated", "reservation.updated", {"id": 1, "company_id": 1}),
    *whole(COMPANY, "test.event", "test.event", {"company_id": 1}),
]

BY = {"userId": 7, "userName": "Ann"}
NOBODY = {"userId": None, "userName": None}
PRODUCT = {"tenant_id": "acme", "id": 9}
CLASS = {"tenantId": "acme", "productId": 9}
ONE, SOME = {"productId": 9, "timestamp": AT}, {"productIds": [9, 10], "timestamp": AT}
MANY = {"tenant_id": "acme", "ids": [9, 10]}
CATALOGUE = [
    *(
        Case("products.acme", kind, kind, data, shown)
        for kind in ("product.created", "product.updated", "product.deleted")
        for data, shown in (
            (PRODUCT | {"user_id": 7, "user_name": "Ann"}, ONE | BY),
            (PRODUCT | {"user_id": 7}, ONE | NOBODY | {"userId": 7}),
            (PRODUCT, ONE | NOBODY),
            (CLASS | BY, ONE | BY | {"productIds": None}),
            (CLASS, ONE | NOBODY | {"productIds": None}),
        )
    ),
    *(
        Case("products.acme", "product.bulk_updated", "product.bulk_updated", data, shown)
        for data, shown in (
            (MANY | {"user_id": 7, "user_name": "Ann"}, SOME | BY),
            (MANY, SOME | NOBODY),
        )
    ),
]

MESSAGE = {"id": 1, "text": "hello"}
LETTER = {"from": 7, "to": 8, "text": "hello"}
TYPING, SILENT = {"user_id": 7, "name": "Ann"}, {"user_id": 7}
READ = {"id": 1, "author_id": 7}
MINE, MONEY, CAMPAIGN = "private-user.7", "private-financial.7", "private-campaign.5"
CHAT = [
    *whole("chat", "MessageSent", "message.sent", MESSAGE, {}),
    Case("chat", "UserTyping", "user.typing", TYPING),
    Case("chat", "UserTyping", "user.typing", SILENT, SILENT | {"name": None}),
    *whole(MINE, "MessageRead", "message.read", READ),
    *whole("presence-chat", "UserJoined", "user.joined", TYPING, SILENT),
    *whole("presence-chat", "UserLeft", "user.left", TYPING, SILENT),
    *whole("private-chat.7.8", "PrivateMessageSent", "private-message.sent", LETTER),
    *whole("private-chat.8.7", "PrivateMessageSent", "private-message.sent", LETTER),
    *whole(MINE, "NotificationCreated", "notification.created", {"user_id": 7, "text": "hi"}),
    *whole(MINE, "NotificationRead", "notification.read", {"user_id": 7}),
    *whole(CAMPAIGN, "CampaignUpdated", "campaign.updated", {"id": 5, "status": "on"}, {"id": 5}),
    *whole(CAMPAIGN, "BudgetChanged", "campaign.budget_changed", {"id": 5, "budget": 1}, {"id": 5}),
    *whole(CAMPAIGN, "CampaignActivated", "campaign.activated", {"id": 5}),
    *whole(CAMPAIGN, "CampaignDeactivated", "campaign.deactivated", {"id": 5}),
    *whole(MONEY, "DepositCompleted", "deposit.completed", {"user_id": 7, "amount": "1.00"}),
    *whole(MONEY, "WithdrawalProcessed", "withdrawal.processed", {"user_id": 7}),
    *whole(MONEY, "BalanceUpdated", "balance.updated", {"user_id": 7, "balance": "2.00"}),
]

TENANT = {"tenant_id": "acme"}
STOCK, STOCKS = "private-tenant.acme.inventory", "private-tenant.acme.stock-alerts"
BOLTS = {"sku": "bolt", "left": 5, "threshold": 10}
ERP = [
    *whole(
        "private-tenant.acme.notifications",
        "notification.created",
        "notification.created",
        TENANT | {"text": "hello"},
        TENANT,
    ),
    *whole(STOCK, "inventory.update", "inventory.update", TENANT | {"sku": "bolt"}, TENANT),
    *whole(STOCK, "product.created", "product.created", PRODUCT, CLASS),
    *whole(STOCK, "product.updated", "product.updated", PRODUCT, CLASS),
    *whole(STOCKS, "stock.adjusted", "stock.adjusted", TENANT | {"sku": "bolt"}, TENANT),
    Case(STOCKS, "stock.low", "stock.low", TENANT | BOLTS | {"quantity": 5}, BOLTS),
    Case(STOCKS, "stock.low", "stock.low", TENANT, dict.fromkeys(BOLTS)),
]

ALERT = {"message": "WebSocket test message", "title": "System Test", "priority": "medium"}
INTRUSION = {"category": "security", "message": "door"}
HEALTH, NOTICES = "private-admin.health-alerts", "private-admin.notifications"
ALERTS = [
    *whole(NOTICES, "admin.notification", "admin.notification", ALERT | {"category": "system"}),
    *whole(NOTICES, "admin.notification", "admin.notification", ALERT),
    *whole("private-admin.security", "admin.notification", "admin.notification", INTRUSION),
    *whole(HEALTH, "health.alert", "health.alert", ALERT, {}),
]


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Program]:
    """Yield what `make run` starts."""
    log = tmp_path_factory.mktemp("teams") / "all.log"
    async with program(config=ROOT / "deploy" / "dev.toml", log=log) as all_four:
        yield all_four


def echo(running: Program, user: str, **claims: Any) -> dict[str, Any]:
    """Return the options of a page with Laravel Echo."""
    bearer = user_tokens.token(sub=user, **CLAIMS, **claims)
    return echo_options(running.host, running.port, broadcaster="reverb", key=KEY, bearer=bearer)


def method(channel: str) -> tuple[str, str]:
    """Return Echo's method for a channel, and the name that it takes."""
    for prefix, name in (("private-", "private"), ("presence-", "join")):
        if channel.startswith(prefix):
            return name, channel.removeprefix(prefix)
    return "channel", channel


async def post(node: Driver, back: BackEnd, running: Program, cases: Iterable[Case]) -> str:
    """
    Post each event once, also where it arrives at two channels, after Node has heard all.

    Returns:
        The time that they have, as JavaScript writes it: now, for some are soon too old.
    """
    await node.ask("heard")
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    sent: list[tuple[str, dict[str, Any]]] = []
    for case in cases:
        if (case.kind, case.data) not in sent:
            sent.append((case.kind, case.data))
            answer = await back.emit(running.url, case.data, type=case.kind, time=at)
            assert answer.status == 202, answer
    return at


class TestPages:
    """Whoever subscribed as the team does gets what the team sends."""

    @pytest.mark.parametrize(
        "cases", [BOOKINGS, CATALOGUE, CHAT, ERP], ids=["bookings", "catalogue", "chat", "erp"]
    )
    async def test_echo(
        self, running: Program, node: Driver, back: BackEnd, cases: list[Case]
    ) -> None:
        """A page with Laravel Echo, which names events with a full stop before."""
        await node.echo("ann", echo(running, "7"))
        for channel in dict.fromkeys(case.channel for case in cases):
            await node.enter("ann", *method(channel))
        for channel, event in dict.fromkeys((case.channel, case.event) for case in cases):
            kind, name = method(channel)
            node.say("listen", client="ann", kind=kind, channel=name, event=f".{event}")

        at = await post(node, back, running, cases)

        for channel, event in {(case.channel, case.event) for case in cases}:
            fitting = [case for case in cases if (case.channel, case.event) == (channel, event)]
            due = [case.arrives(at) for case in fitting]
            words = {"channel": method(channel)[1], "listened": f".{event}"}
            heard = await node.wait(len(due), client="ann", **words)
            assert [item["data"] for item in heard] == due

    async def test_pusherjs(self, running: Program, node: Driver, back: BackEnd) -> None:
        """The page that watches alerts, with pusher-js and its options of old."""
        bearer = user_tokens.token(sub="7", **CLAIMS)
        await node.connect(
            "ann",
            KEY,
            cluster="us3",
            wsHost=running.host,
            wsPort=running.port,
            forceTLS=False,
            enabledTransports=["ws"],
            authEndpoint=f"{running.url}/broadcasting/auth",
            auth={"headers": {"Authorization": f"Bearer {bearer}"}},
        )
        for channel in dict.fromkeys(case.channel for case in ALERTS):
            await node.subscribe("ann", channel)

        at = await post(node, back, running, ALERTS)

        for channel in {case.channel for case in ALERTS}:
            due = [(case.event, case.arrives(at)) for case in ALERTS if case.channel == channel]
            assert await node.wait_for_events("ann", channel, len(due)) == due

    async def test_notification(self, running: Program, node: Driver, back: BackEnd) -> None:
        """Laravel's notifications come to the handler that Echo has for them."""
        notice = {"user_id": 1, "id": "n", "type": r"Modules\Core\TestNotification"}
        await node.echo("ann", echo(running, "1"))
        await node.enter("ann", "private", "App.Models.User.1")
        node.say("notification", client="ann", channel="App.Models.User.1")

        cases = whole("private-App.Models.User.1", NOTIFIED, "notification.created", notice)
        await post(node, back, running, cases)

        (heard,) = await node.wait_for("notified", client="ann")
        assert heard["notified"] == notice

    async def test_presence(self, running: Program, node: Driver) -> None:
        """Pages see who is in the chat as Laravel's own do, with id and name."""
        ann, bob = ({"id": user, "name": "Ann"} for user in ("1", "auth0|5f"))
        await node.echo("ann", echo(running, "1"))
        await node.echo("bob", echo(running, "auth0|5f"))

        alone = (await node.enter("ann", "join", "chat"))["here"]
        here = (await node.enter("bob", "join", "chat"))["here"]
        (joined,) = await node.wait_for("joining", client="ann", channel="chat")

        # The pages of other tests may not have left yet.
        assert ann in alone
        assert bob not in alone
        assert [member for member in here if member in (ann, bob)] in ([ann, bob], [bob, ann])
        assert joined["joining"] == bob

    async def test_another_id(self, running: Program, node: Driver, back: BackEnd) -> None:
        """A user whom an identity provider has named has a channel too."""
        channel, notice = "user.auth0=7C5f", {"user_id": "auth0|5f", "text": "hello"}
        await node.echo("bob", echo(running, "auth0|5f"))
        await node.enter("bob", "private", channel)
        event = ".NotificationCreated"
        node.say("listen", client="bob", kind="private", channel=channel, event=event)

        cases = whole(f"private-{channel}", "NotificationCreated", "notification.created", notice)
        await post(node, back, running, cases)

        (heard,) = await node.wait(client="bob", channel=channel, listened=event)
        assert heard["data"] == notice
