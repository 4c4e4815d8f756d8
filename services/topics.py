"""
Topics of the event log: which is whose, so that what is put aside or noted is not read as news.

A route that read the topic of dead letters would bury what it cannot send again and again;
an app whose ``/events`` went there, or where memberships or facts are told, would write for others.
"""

from collections.abc import Iterable, Iterator, Mapping

from libs.common.apps.app import App
from services.auth.settings import AuthSettings
from services.dispatcher.settings import DispatcherSettings, Route
from services.presence.settings import PresenceSettings


def named_topics(
    dispatcher: DispatcherSettings, auth: AuthSettings, presence: PresenceSettings
) -> dict[str, str]:
    """Return the topics that belong to no app, by the settings that name them."""
    named = {
        "dispatcher.dead_letter_topic": dispatcher.dead_letter_topic,
        "auth.memberships.topic": auth.memberships.topic,
        "presence.lifecycle_topic": presence.lifecycle_topic,
    }
    return {setting: topic for setting, topic in named.items() if topic}


def refused_topics(
    named: Mapping[str, str], apps: Iterable[App], routes: Iterable[Route]
) -> Iterator[str]:
    """
    Say which topics have two uses that cannot be together.

    Routes may read facts, and memberships.

    Args:
        named: See `named_topics`.
        apps: Those of the file.
        routes: All.
    """
    owners: dict[str, str] = {}
    for setting, topic in named.items():
        if owners.setdefault(topic, setting) != setting:
            yield f"{setting} ({topic}) is {owners[topic]}, too: name two topics"
    for app in apps:
        if app.events_topic in owners:
            yield f"app {app.id}: topic: {app.events_topic} is {owners[app.events_topic]}"
    letters = named["dispatcher.dead_letter_topic"]
    for route in routes:
        if route.topic == letters:
            yield (
                f'the route "{route.name}" reads {letters}, dispatcher.dead_letter_topic: '
                "what it could not send would be put there again and again"
            )
