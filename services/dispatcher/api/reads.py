"""
HTTP for back ends that ask: which channels there are, and who is in them.

Counts are those that live gateways report; they follow what happens within a moment.
"""

from collections.abc import Iterable, Sequence

from aiohttp import web

from libs.common.bus.port import Bus
from libs.common.channels import Channel, check_channel
from libs.common.errors import Unavailable
from libs.common.fairness.turns import in_turns
from libs.common.rates.port import Act
from libs.common.rates.throttle import Throttle
from libs.common.roster.port import Roster
from libs.common.tally.port import Subject, Tally
from libs.common.web import http
from libs.common.web.authentication import AppAuthenticator, AppCall
from services.dispatcher.api.queries import (
    CACHE,
    SUBSCRIPTION_COUNT,
    USER_COUNT,
    Attributes,
    BadQuery,
    Facts,
    applicable,
    attributes_of,
    check_channel_query,
    check_listing,
    described,
    occupation,
    statistics,
    users,
)

MOST_CHANNELS = 100_000  # Channels of one answer.
BATCH = 500  # Channels of one round trip.

_ALL = frozenset({USER_COUNT, SUBSCRIPTION_COUNT, CACHE})


class TooManyOccupied(BadQuery):
    """More channels are occupied than one answer names."""

    def __init__(self) -> None:
        super().__init__(
            f"more than {MOST_CHANNELS} channels are occupied: ask for fewer with filter_by_prefix"
        )


class Reads:
    """
    The handlers.

    Args:
        authenticator: Tells which app's back end asks.
        bus: Keeps the last events of cache channels.
        roster: Tells which users are in a presence channel.
        tally: Tells how many subscribe to a channel.
        throttle: Holds apps to their rates.
    """

    def __init__(
        self,
        authenticator: AppAuthenticator,
        bus: Bus,
        roster: Roster,
        *,
        tally: Tally,
        throttle: Throttle,
    ) -> None:
        self._authenticator = authenticator
        self._bus = bus
        self._roster = roster
        self._tally = tally
        self._throttle = throttle

    def routes(self, prefix: str) -> Iterable[web.AbstractRouteDef]:
        """Serve the queries below a prefix."""
        return [
            web.get(prefix + "/channels", self._get_channels),
            web.get(prefix + "/channels/{channel}", self._get_channel),
            web.get(prefix + "/channels/{channel}/users", self._get_users),
            web.get(prefix + "/channels/{channel}/stats", self._get_statistics),
            web.get(prefix + "/connections", self._get_connections),
        ]

    async def _get_channels(self, request: web.Request) -> web.Response:
        call = await self._asked(request)
        prefix = request.query.get("filter_by_prefix", "")
        asked = attributes_of(request.query.get("info", ""))
        check_listing(prefix, asked)
        names = await self._tally.channels(call.app.id, prefix=prefix, limit=MOST_CHANNELS + 1)
        if len(names) > MOST_CHANNELS:
            raise TooManyOccupied
        channels = [Channel(call.app.id, name) for name in names]
        return http.answer({"channels": await self.descriptions(channels, [asked] * len(names))})

    async def _get_channel(self, request: web.Request) -> web.Response:
        call = await self._asked(request)
        channel = _channel(request, call)
        asked = attributes_of(request.query.get("info", ""))
        check_channel_query(channel, asked)
        facts = await self._facts([channel], [asked | {USER_COUNT, SUBSCRIPTION_COUNT}])
        return http.answer(occupation(channel, facts[0], asked))

    async def _get_users(self, request: web.Request) -> web.Response:
        call = await self._asked(request)
        channel = _channel(request, call)
        if not channel.is_presence:
            raise BadQuery("only presence channels have users")
        (members,) = await self._roster.members([channel])
        with_info = request.query.get("with_user_info") == "1"
        return http.answer(users(members.infos, with_info=with_info))

    async def _get_statistics(self, request: web.Request) -> web.Response:
        call = await self._asked(request)
        channel = _channel(request, call)
        (facts,) = await self._facts([channel], [_ALL])
        return http.answer(statistics(channel, facts))

    async def _get_connections(self, request: web.Request) -> web.Response:
        """As Reverb has it."""
        call = await self._asked(request)
        (total,) = await self._tally.totals([Subject("app", call.app.id)])
        return http.answer({"connections": total})

    async def _asked(self, request: web.Request) -> AppCall:
        call = await self._authenticator.signed(request)
        await self._throttle.check(Act(call.app.id, "reads"), rate=call.app.limits.reads)
        return call

    async def descriptions(
        self, channels: Sequence[Channel], asked: Sequence[Attributes]
    ) -> dict[str, dict[str, object]]:
        """
        Describe channels.

        Args:
            channels: The channels to describe.
            asked: For each of them, the attributes that are wanted.

        Raises:
            Unavailable: A backend that knows is away.
        """
        told: dict[str, dict[str, object]] = {}
        async for start in in_turns(range(0, len(channels), BATCH), turn=1):
            some, wanted = channels[start : start + BATCH], asked[start : start + BATCH]
            facts = await self._facts(some, wanted)
            told |= {
                channel.name: described(channel, fact, each)
                for channel, fact, each in zip(some, facts, wanted, strict=True)
            }
        return told

    async def _facts(self, channels: Sequence[Channel], asked: Sequence[Attributes]) -> list[Facts]:
        """Read what is asked of channels, and nothing else, in one round trip to each port."""
        wanted = {
            channel: applicable(channel, each)
            for channel, each in zip(channels, asked, strict=True)
        }
        crowded = [channel for channel, each in wanted.items() if SUBSCRIPTION_COUNT in each]
        peopled = [channel for channel, each in wanted.items() if USER_COUNT in each]
        keeping = [channel for channel, each in wanted.items() if CACHE in each]
        subjects = [Subject("channel", *channel) for channel in crowded]
        totals = dict(zip(crowded, await self._tally.totals(subjects), strict=True))
        sizes = dict(zip(peopled, await self._roster.sizes(peopled), strict=True))
        kept = await self._bus.last(keeping) if keeping else {}
        if len(kept) < len(keeping):
            raise Unavailable("bus")
        return [
            Facts(totals.get(channel, 0), sizes.get(channel, 0), kept.get(channel))
            for channel in channels
        ]


def _channel(request: web.Request, call: AppCall) -> Channel:
    name = request.match_info["channel"]
    check_channel(name, longest=call.app.limits.longest_channel_name)
    return Channel(call.app.id, name)
