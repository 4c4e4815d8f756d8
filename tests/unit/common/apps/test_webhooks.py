"""Webhooks as the settings have them."""

from ipaddress import ip_network
from typing import Any

import msgspec
import pytest

from libs.common.apps.app import App
from libs.common.apps.webhooks import (
    USUAL,
    WebhookSettings,
    changed_webhooks,
    json_of,
    named,
    refusals,
    refused_webhooks,
    webhooks_of,
)
from libs.common.config.secret import Secret
from libs.common.lifecycle.facts import KINDS, Fact, Kind, ToldKind

URL = "https://example.org/hook"
PLAIN = WebhookSettings(url=URL)
FULL = WebhookSettings(
    url=URL,
    name="orders",
    events=("client_event",),
    channel_prefix="private-",
    headers={"Authorization": Secret("hush")},
    batching=True,
)


def fact(kind: Kind, channel: str = "", **fields: Any) -> Fact:
    return Fact(kind=kind, app="1", channel=channel, **fields)


class TestTakes:
    """Which facts are posted."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_usual(self, kind: Kind) -> None:
        """What says who is where, as Pusher does; the rest is for who names it."""
        assert PLAIN.takes(fact(kind, "a")) == (kind in USUAL)

    @pytest.mark.parametrize("kind", KINDS)
    def test_named(self, kind: ToldKind) -> None:
        assert WebhookSettings(url=URL, events=(kind,)).takes(fact(kind, "a"))
        assert not WebhookSettings(url=URL, events=("cache_miss",)).takes(fact("member_added", "a"))

    def test_prefix(self) -> None:
        hook = WebhookSettings(url=URL, channel_prefix="private-")

        assert hook.takes(fact("channel_occupied", "private-a"))
        assert not hook.takes(fact("channel_occupied", "presence-a"))

    def test_users(self) -> None:
        """What is about a user alone has no channel, and no prefix keeps it."""
        hook = WebhookSettings(url=URL, channel_prefix="private-", events=("user_online",))

        assert hook.takes(fact("user_online", user="7"))

    def test_watched(self) -> None:
        """Who is told of vacated channels has to know of occupied ones: they may never have been."""
        hook = WebhookSettings(url=URL, events=("channel_vacated",))

        assert hook.watched == {"channel_vacated", "channel_occupied"}
        assert hook.concerns(fact("channel_occupied", "a"))
        assert not hook.takes(fact("channel_occupied", "a"))

    def test_concerns_its_channels(self) -> None:
        hook = WebhookSettings(url=URL, channel_prefix="private-")

        assert not hook.concerns(fact("channel_occupied", "a"))
        assert not hook.concerns(fact("cache_miss", "private-a"))

    def test_internal(self) -> None:
        """Nobody is told of channels that are ours."""
        assert not PLAIN.takes(fact("channel_occupied", "#server-to-user-7"))


class TestRefused:
    """What cannot be sent."""

    @pytest.mark.parametrize(
        "values",
        [
            {"url": "http://example.org/"},
            {"url": "https://u:p@example.org/"},
            {"url": URL, "name": "a.b"},
            {"url": URL, "events": ["occupied"]},
            {"url": URL, "headers": {"a b": "c"}},
            {"url": URL, "headers": {"a": "c\r\nd"}},
            {"url": URL, "headers": {"X-Pusher-Key": "k"}},
            {"url": URL, "headers": {"webhook-id": "1"}},
            {"url": URL, "headers": {"Content-Type": "text/plain"}},
            {"url": URL, "headers": {"host": "internal"}},
        ],
    )
    def test_refused(self, values: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"^webhooks: "):
            webhooks_of(msgspec.json.encode([values]).decode())

    def test_plain_http(self) -> None:
        assert WebhookSettings(url="http://shop:80/", plain_http=True)
        assert WebhookSettings(url="http://127.0.0.1:80/")

    def test_private(self) -> None:
        """The URL's own address must be public, or allowed."""
        app = App(
            id="1",
            key="k",
            secrets=(Secret("s"),),
            webhooks=(WebhookSettings(url="https://10.0.0.1/"), PLAIN),
        )

        (said,) = refused_webhooks([app], ())

        assert said.startswith('the webhook "1" of app 1 leads to 10.0.0.1, which is not public')
        assert not [*refused_webhooks([app], [ip_network("10.0.0.0/8")])]
        assert refusals(app, ()) == {"1": said}


class TestNames:
    """Each has a name of its own."""

    def test_by_place(self) -> None:
        assert [each.name for each in named([PLAIN, FULL, PLAIN])] == ["1", "orders", "3"]

    def test_twice(self) -> None:
        with pytest.raises(ValueError, match='two webhooks have the name "orders"'):
            named([FULL, FULL])

    def test_of_an_app(self) -> None:
        app = App(id="1", key="k", secrets=(Secret("s"),), webhooks=(PLAIN,))

        assert app.webhooks[0].name == "1"
        assert [kind for kind in KINDS if app.wants(kind)] == [*USUAL]

    def test_app_with_two(self) -> None:
        with pytest.raises(ValueError, match=r'app 1: two webhooks .* "orders"'):
            App(id="1", key="k", secrets=(Secret("s"),), webhooks=(FULL, FULL))


class TestJson:
    """As PostgreSQL keeps them."""

    def test_same(self) -> None:
        assert len({PLAIN, FULL, *webhooks_of(json_of([PLAIN, FULL]))}) == 2
        assert webhooks_of(json_of([PLAIN, FULL])) == (PLAIN, FULL)

    def test_stated(self) -> None:
        """Only what differs from the defaults, which may change with a release."""
        assert json_of([PLAIN]) == '[{"url":"https://example.org/hook"}]'

    def test_no_secret_said(self) -> None:
        with pytest.raises(ValueError, match="webhooks: ") as caught:
            webhooks_of('[{"url": "https://e.org", "headers": {"a": ["hush"]}}]')

        assert "hush" not in str(caught.value)
        assert "hush" not in repr(FULL)


class TestChanges:
    """One is put in, replaced or taken out; the others stay."""

    def test_put(self) -> None:
        assert webhooks_of(changed_webhooks("[]", {"orders": FULL})) == (FULL,)

    def test_replaced(self) -> None:
        """It keeps its place; others without a name keep theirs by it."""
        other = msgspec.structs.replace(FULL, batching=False)
        before = json_of([PLAIN, FULL])

        first, second = webhooks_of(changed_webhooks(before, {"orders": other}))

        assert (first.name, second) == ("1", other)

    def test_taken_out(self) -> None:
        after = webhooks_of(changed_webhooks(json_of([PLAIN, FULL]), {"1": None}))

        assert after == (FULL,)

    def test_unknown(self) -> None:
        with pytest.raises(ValueError, match=r"no webhook 'x' \(orders\)"):
            changed_webhooks(json_of([FULL]), {"x": None})
        with pytest.raises(ValueError, match="there are none"):
            changed_webhooks("[]", {"x": None})
