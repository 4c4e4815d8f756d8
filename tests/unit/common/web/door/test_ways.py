"""Which paths take a short way."""

import asyncio

import pytest
from aiohttp import web

from libs.common.web.door.short_request import ShortRequest
from libs.common.web.door.ways import NO_WAYS, ShortWay, Ways


async def handler(request: web.Request) -> web.Response:
    return web.Response(text=request.path)


class Taker:
    """An upgrader that takes nobody."""

    def is_full(self) -> bool:
        """See `Upgrader.is_full`."""
        return False

    def upgraded(
        self, request: ShortRequest, transport: asyncio.Transport, *, answer: bytes, rest: bytes
    ) -> None:
        raise AssertionError(request, transport, answer, rest)


WAY = ShortWay("apps/{app_id}/events", handler)


class TestPattern:
    """A path below any prefix, spelled so that it means the same to everybody."""

    @pytest.mark.parametrize(
        "path,found",
        [
            ("/apps/1/events", {"prefix": "", "app_id": "1"}),
            ("/ws/apps/a-b_c.d~e/events", {"prefix": "ws/", "app_id": "a-b_c.d~e"}),
            ("/a/b/apps/1/events", {"prefix": "a/b/", "app_id": "1"}),
            ("/apps/2/apps/1/events", {"prefix": "apps/2/", "app_id": "1"}),
        ],
    )
    def test_found(self, path: str, found: dict[str, str]) -> None:
        match = WAY.pattern.fullmatch(path)

        assert match is not None
        assert match.groupdict() == found

    @pytest.mark.parametrize(
        "path",
        [
            "/apps/1/events/",
            "/apps//events",
            "//apps/1/events",
            "/apps/1/event",
            "/apps/1/eventss",
            "/apps/1%2F2/events",
            "/%61pps/1/events",
            "/apps/1/events?x",
            "http://a/apps/1/events",
            "apps/1/events",
            "/apps/1;x/events",
            "/apps/é/events",
            "",
        ],
    )
    def test_not_found(self, path: str) -> None:
        assert WAY.pattern.fullmatch(path) is None

    def test_long(self) -> None:
        """A path that is made to be long is looked through once, or this would take for ever."""
        for path in ("/" + "a/" * 8000, "/" + "a" * 16_000, "/" + "apps/" * 3000):
            assert WAY.pattern.fullmatch(path) is None


class TestJoined:
    """The ways of several services are those of the process."""

    def test_joined(self) -> None:
        taker, other = Taker(), ShortWay("other", handler)

        joined = Ways.joined([NO_WAYS, Ways((WAY,)), Ways((other,), taker), NO_WAYS])

        assert joined == Ways((WAY, other), taker)

    def test_none(self) -> None:
        assert Ways.joined([]) == NO_WAYS
