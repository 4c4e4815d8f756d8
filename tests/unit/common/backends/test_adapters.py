"""What the adapters of a deployment are told of its apps."""

import pytest

from libs.common.apps.app import App
from libs.common.apps.webhooks import WebhookSettings
from libs.common.backends.adapters import Plan, opened
from libs.common.backends.settings import BackendSettings
from libs.common.bus.settings import HistorySettings
from libs.common.config.secret import Secret
from libs.common.eventlog.kafka.settings import KafkaSettings
from libs.common.lifecycle.facts import KINDS, Kind
from libs.common.postgres.settings import PostgresSettings

HOOK = WebhookSettings(
    url="https://example.org/hooks", name="a", events=("cache_miss", "subscription_count")
)


def app(app_id: str, *, counts: bool, hooked: bool) -> App:
    """Make an app, with or without subscription counts and a webhook."""
    return App(
        id=app_id,
        key=f"key-{app_id}",
        secrets=(Secret("s"),),
        subscription_counts=counts,
        webhooks=(HOOK,) if hooked else (),
    )


@pytest.mark.parametrize(
    "recorded,expected",
    [
        ((), {"1": set(), "2": {"cache_miss"}, "3": {"cache_miss", "subscription_count"}}),
        (
            ("member_added", "subscription_count"),
            {
                "1": {"member_added"},
                "2": {"member_added", "cache_miss"},
                "3": {"member_added", "cache_miss", "subscription_count"},
            },
        ),
    ],
)
async def test_wanted(recorded: tuple[Kind, ...], expected: dict[str, set[Kind]]) -> None:
    """
    What is recorded for all, and what an app's webhooks want; a number that no subscriber is told is nobody's.
    """
    plan = Plan(
        BackendSettings(),
        HistorySettings(),
        KafkaSettings(),
        PostgresSettings(),
        [
            app("1", counts=False, hooked=False),
            app("2", counts=False, hooked=True),
            app("3", counts=True, hooked=True),
        ],
        recorded=frozenset(recorded),
    )
    async with opened(plan) as backends:
        wanted = {
            each: {kind for kind in KINDS if backends.wanted(each, kind)} for each in expected
        }

    assert wanted == expected
