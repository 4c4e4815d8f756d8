"""
The development configuration, deploy/dev.toml.

It promises a channel and an event for everything that the example teams name; each is tested here, one by one.
"""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from libs.common.apps.memory import MemoryApps
from libs.common.channels import Kind, check_channel, kind_of
from libs.common.config.address import Address
from libs.common.eventlog.records import Record
from libs.common.policies.guards import Guards
from libs.common.policies.policies import Policies
from services.auth.identity.bearer_tokens import Identity
from services.dispatcher.events.decoding import decode
from services.dispatcher.routing.rules import Routed
from services.dispatcher.service import compiled
from services.settings import load
from tests.support.tokens.user_tokens import token, user_of

FILE = Path(__file__).parents[2] / "deploy" / "dev.toml"
NOW = 1_700_000_000.0
SETTINGS = load(path=FILE, environ={})
POLICIES = Policies(SETTINGS.channels)
ROUTER = compiled(SETTINGS.routes, MemoryApps(SETTINGS.apps), SETTINGS.dispatcher)
EVENTS = "fanfare.events.1"
DEBEZIUM = "bookings.public.reservation"


def user(**claims: Any) -> Identity:
    """Make a user with the development secret."""
    return user_of(token(**claims), SETTINGS.auth.issuers, now=NOW)


def may_join(channel: str, **claims: Any) -> bool:
    check_channel(channel)
    return POLICIES.decide("1", channel, user(**claims)).allowed


def routed(topic: str, value: dict[str, Any], *, now: float = NOW) -> tuple[Routed, ...]:
    """Decode and route a record, as the pipeline does."""
    headers = (("content-type", b"application/cloudevents+json"),) if "specversion" in value else ()
    event = decode(Record(topic, 0, 0, NOW, None, msgspec.json.encode(value), headers))
    assert event
    return ROUTER.route(topic, event, now=now).broadcasts


def published(kind: str, data: dict[str, Any], *, now: float = NOW) -> dict[tuple[str, str], Any]:
    """Route a CloudEvent: channel and event to data."""
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/upstream",
        "type": kind,
        "time": "2023-11-14T22:13:20Z",  # The present of these tests.
        "data": data,
    }
    return {
        (sent.channel, sent.event): msgspec.json.decode(sent.data)
        for sent in routed(EVENTS, event, now=now)
    }


class TestDefaults:
    """What a first try finds without reading."""

    def test_address(self) -> None:
        assert SETTINGS.server.listen == (Address("127.0.0.1", 6001),)

    def test_app(self) -> None:
        (app,) = SETTINGS.apps
        master_key = "nxzvbGF+f8FGhk/jOaZvgMle1tqxzF/VfUZLBLhhaH0="

        assert (app.id, app.key) == ("1", "app-key")
        assert [secret.reveal() for secret in app.secrets] == ["app-secret"]
        assert app.client_events
        assert app.watchlists
        assert app.subscription_counts
        assert app.encryption_master_key.reveal() == master_key

    def test_issuer(self) -> None:
        (issuer,) = SETTINGS.auth.issuers

        assert (issuer.issuer, issuer.audience) == ("fanfare-dev", "fanfare")
        assert issuer.algorithms == ("HS256",)
        assert issuer.secret.reveal() == "fanfare-development-secret-0123456789"

    def test_everything_in_memory(self) -> None:
        """Nothing needs to be installed."""
        backends = SETTINGS.backends
        urls = [backends.bus, backends.events, backends.apps, backends.roster, backends.memberships]

        assert {url.scheme for url in urls} == {"memory"}


class TestChannels:
    """Who may join the channels that the teams name."""

    @pytest.mark.parametrize(
        "channel,claims",
        [
            ("private-company.1", {"companies": ["1", "2"]}),
            ("private-user.7", {}),
            ("private-user.auth0=7C5f", {"sub": "auth0|5f"}),
            ("private-user.ann=40x=2Eorg", {"sub": "ann@x.org"}),
            ("private-encrypted-user.7", {}),
            ("private-products.acme", {"tenant": "acme"}),
            ("presence-chat", {}),
            ("private-chat.7.8", {}),
            ("private-chat.8.7", {}),
            ("private-chat.8.auth0=7C5f", {"sub": "auth0|5f"}),
            ("private-campaign.5", {"campaigns": ["5"]}),
            ("presence-campaign.5", {"campaigns": ["5"]}),
            ("private-financial.7", {}),
            ("private-App.Models.User.7", {}),
            ("private-tenant.acme.notifications", {"tenant": "acme"}),
            ("private-tenant.acme.inventory", {"tenant": "acme"}),
            ("private-tenant.acme.stock-alerts", {"tenant": "acme"}),
            ("private-admin.notifications", {"roles": ["admin"]}),
            ("private-admin.health-alerts", {"roles": ["admin"]}),
            ("private-admin.security", {"roles": ["admin"]}),
            ("private-admin.security", {"roles": ["security"]}),
        ],
    )
    def test_allowed(self, channel: str, claims: dict[str, Any]) -> None:
        assert may_join(channel, **claims)

    @pytest.mark.parametrize(
        "channel,claims",
        [
            ("private-company.3", {"companies": ["1", "2"]}),
            ("private-company.1", {"companies": "1"}),
            ("private-company.1", {}),
            ("private-user.8", {}),
            ("private-user.7.x", {}),
            ("private-user.auth0=7c5f", {"sub": "auth0|5f"}),
            ("private-encrypted-user.8", {}),
            ("private-products.acme", {"tenant": "other"}),
            ("private-products.acme", {}),
            ("private-chat.8.9", {}),
            ("private-chat.7", {}),
            ("private-chat.7.8.9", {}),
            ("private-campaign.6", {"campaigns": ["5"]}),
            ("private-campaign.5", {}),
            ("presence-campaign.6", {"campaigns": ["5"]}),
            ("presence-campaign.5", {}),
            ("private-financial.8", {}),
            ("private-financial.8", {"roles": ["admin"]}),
            ("private-App.Models.User.8", {}),
            ("private-App.Models.Order.7", {}),
            ("private-tenant.acme.notifications", {"tenant": "other"}),
            ("private-tenant.acme.inventory", {"tenant": "other"}),
            ("private-tenant.acme.stock-alerts", {}),
            ("private-tenant.acme.payroll", {"tenant": "acme"}),
            ("private-admin.notifications", {"roles": ["security"]}),
            ("private-admin.health-alerts", {"roles": []}),
            ("private-admin.security", {"roles": ["editor"]}),
            ("private-admin.security", {}),
            ("private-anything", {"roles": ["admin"]}),
            ("presence-anything", {"roles": ["admin"]}),
        ],
    )
    def test_denied(self, channel: str, claims: dict[str, Any]) -> None:
        assert not may_join(channel, **claims)

    @pytest.mark.parametrize("channel", ["products.acme", "chat"])
    def test_public(self, channel: str) -> None:
        """The public channels of the teams are public here too: nobody is asked."""
        check_channel(channel)

        assert kind_of(channel) is Kind.PUBLIC
        assert not Guards(SETTINGS.channels).has("1", channel)


RESOURCE = {
    "id": 3,
    "name": "Room",
    "type": "room",
    "company_id": 1,
    "updated_at": "2025-12-20",
    "industry_data": {"secret": True},
}
SHOWN = {name: value for name, value in RESOURCE.items() if name != "industry_data"}
AT = "2023-11-14T22:13:20.000Z"  # `NOW`, as JavaScript reads it.
PRODUCT = {"tenant_id": "acme", "id": 9, "user_id": 7, "user_name": "Ann", "cost": 4.2}
PRODUCT_SHOWN = {"productId": 9, "userId": 7, "userName": "Ann", "timestamp": AT}
PRODUCTS = {"tenant_id": "acme", "ids": [9, 10], "user_id": 7, "user_name": "Ann"}
PRODUCTS_SHOWN = {"productIds": [9, 10], "userId": 7, "userName": "Ann", "timestamp": AT}
CLASS = {"tenantId": "acme", "productId": 9, "userId": 7, "userName": "Ann"}
CLASS_SHOWN = PRODUCT_SHOWN | {"productIds": None}
TYPING = {"user_id": "7", "name": "Ann"}
MESSAGE = {"id": 1, "from": "7", "to": "8", "author_id": "7", "text": "hello"}
CAMPAIGN = {"id": 5, "budget": 100}
MONEY = {"user_id": 7, "amount": "10.00"}
ALERT = {"id": "a", "category": "system", "text": "disk"}
INTRUSION = {"id": "b", "category": "security", "text": "door"}
NOTICE = {"user_id": 7, "text": "hello"}
TENANT_NOTICE = {"tenant_id": "acme", "text": "hello"}
STOCK = {"tenant_id": "acme", "sku": "bolt", "quantity": 50, "threshold": 10}
LOW_STOCK = STOCK | {"quantity": 5}
LEFT = {"sku": "bolt", "left": 5, "threshold": 10}
LARAVEL = r"Illuminate\Notifications\Events\BroadcastNotificationCreated"

CASES: list[tuple[str, dict[str, Any], dict[tuple[str, str], Any]]] = [
    ("resource.created", RESOURCE, {("private-company.1", "resource.created"): SHOWN}),
    ("resource.updated", RESOURCE, {("private-company.1", "resource.updated"): SHOWN}),
    ("resource.deleted", RESOURCE, {("private-company.1", "resource.deleted"): {"id": 3}}),
    *(
        (
            f"reservation.{verb}",
            {"id": 1, "company_id": 1},
            {("private-company.1", f"reservation.{verb}"): {"id": 1, "company_id": 1}},
        )
        for verb in ("created", "updated", "deleted")
    ),
    ("test.event", {"company_id": 1}, {("private-company.1", "test.event"): {"company_id": 1}}),
    *(
        (
            kind,
            PRODUCT,
            {
                ("products.acme", kind): PRODUCT_SHOWN,
                ("private-products.acme", kind): PRODUCT,
                ("private-tenant.acme.inventory", kind): PRODUCT,
            },
        )
        for kind in ("product.created", "product.updated")
    ),
    (
        "product.deleted",
        PRODUCT,
        {
            ("products.acme", "product.deleted"): PRODUCT_SHOWN,
            ("private-products.acme", "product.deleted"): PRODUCT,
        },
    ),
    (
        "product.bulk_updated",
        PRODUCTS,
        {
            ("products.acme", "product.bulk_updated"): PRODUCTS_SHOWN,
            ("private-products.acme", "product.bulk_updated"): PRODUCTS,
        },
    ),
    (
        "product.updated",
        CLASS,
        {
            ("products.acme", "product.updated"): CLASS_SHOWN,
            ("private-products.acme", "product.updated"): CLASS,
            ("private-tenant.acme.inventory", "product.updated"): CLASS,
        },
    ),
    ("message.sent", MESSAGE, {("chat", "MessageSent"): MESSAGE}),
    ("user.typing", TYPING, {("chat", "UserTyping"): TYPING}),
    ("message.read", MESSAGE, {("private-user.7", "MessageRead"): MESSAGE}),
    ("user.joined", TYPING, {("presence-chat", "UserJoined"): TYPING}),
    ("user.left", TYPING, {("presence-chat", "UserLeft"): TYPING}),
    (
        "private-message.sent",
        MESSAGE,
        {
            ("private-chat.7.8", "PrivateMessageSent"): MESSAGE,
            ("private-chat.8.7", "PrivateMessageSent"): MESSAGE,
        },
    ),
    (
        "notification.created",
        NOTICE,
        {
            ("private-user.7", "NotificationCreated"): NOTICE,
            ("private-App.Models.User.7", LARAVEL): NOTICE,
        },
    ),
    ("notification.read", NOTICE, {("private-user.7", "NotificationRead"): NOTICE}),
    ("campaign.updated", CAMPAIGN, {("private-campaign.5", "CampaignUpdated"): CAMPAIGN}),
    ("campaign.budget_changed", CAMPAIGN, {("private-campaign.5", "BudgetChanged"): CAMPAIGN}),
    ("campaign.activated", CAMPAIGN, {("private-campaign.5", "CampaignActivated"): CAMPAIGN}),
    ("campaign.deactivated", CAMPAIGN, {("private-campaign.5", "CampaignDeactivated"): CAMPAIGN}),
    ("deposit.completed", MONEY, {("private-financial.7", "DepositCompleted"): MONEY}),
    ("withdrawal.processed", MONEY, {("private-financial.7", "WithdrawalProcessed"): MONEY}),
    ("balance.updated", MONEY, {("private-financial.7", "BalanceUpdated"): MONEY}),
    (
        "notification.created",
        TENANT_NOTICE,
        {("private-tenant.acme.notifications", "notification.created"): TENANT_NOTICE},
    ),
    ("inventory.update", STOCK, {("private-tenant.acme.inventory", "inventory.update"): STOCK}),
    ("stock.adjusted", STOCK, {("private-tenant.acme.stock-alerts", "stock.adjusted"): STOCK}),
    ("stock.low", LOW_STOCK, {("private-tenant.acme.stock-alerts", "stock.low"): LEFT}),
    (
        "stock.adjusted",
        LOW_STOCK,
        {
            ("private-tenant.acme.stock-alerts", "stock.adjusted"): LOW_STOCK,
            ("private-tenant.acme.stock-alerts", "stock.low"): LEFT,
        },
    ),
    ("admin.notification", ALERT, {("private-admin.notifications", "admin.notification"): ALERT}),
    (
        "admin.notification",
        INTRUSION,
        {("private-admin.security", "admin.notification"): INTRUSION},
    ),
    ("health.alert", ALERT, {("private-admin.health-alerts", "health.alert"): ALERT}),
]


class TestRoutes:
    """Every event that the teams name arrives at its channel."""

    @pytest.mark.parametrize("kind,data,expected", CASES)
    def test_event(
        self, kind: str, data: dict[str, Any], expected: dict[tuple[str, str], Any]
    ) -> None:
        assert published(kind, data) == expected

    @pytest.mark.parametrize(
        "operation,sides,event",
        [
            ("c", ["after"], "reservation.created"),
            ("u", ["before", "after"], "reservation.updated"),
            ("d", ["before"], "reservation.deleted"),
        ],
    )
    def test_rows(self, operation: str, sides: list[str], event: str) -> None:
        """A row that Debezium read tells only the fields that its route lists."""
        row = {"id": 1, "company_id": 1, "resource_id": 3, "status": "held", "note": "private"}
        source = {"connector": "postgresql", "name": "bookings", "table": "reservation"}
        change: dict[str, Any] = {"op": operation, "before": None, "after": None, "source": source}
        change |= dict.fromkeys(sides, row)

        (sent,) = routed(DEBEZIUM, change)

        assert (sent.channel, sent.event) == ("private-company.1", event)
        assert msgspec.json.decode(sent.data) == {"id": 1, "resource_id": 3, "status": "held"}

    @pytest.mark.parametrize(
        "kind,data,age", [("user.typing", TYPING, 11), ("health.alert", ALERT, 301)]
    )
    def test_too_old(self, kind: str, data: dict[str, Any], age: float) -> None:
        """What an outage held back is not told when nobody cares any more."""
        assert published(kind, data, now=NOW + age) == {}
        assert published("balance.updated", MONEY, now=NOW + age)

    def test_every_route(self) -> None:
        """No route stands there untested."""
        tested = {
            sent.route
            for kind, data, _ in CASES
            for sent in routed(
                EVENTS,
                {"specversion": "1.0", "id": "1", "source": "/u", "type": kind, "data": data},
            )
        }

        assert {route.name for route in SETTINGS.routes if not route.topic} == tested
        assert {route.topic for route in SETTINGS.routes if route.topic} == {DEBEZIUM}
