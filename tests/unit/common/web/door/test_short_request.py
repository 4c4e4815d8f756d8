"""A request of the short way, as handlers read it."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.http import RawRequestMessage

from libs.common.web.door.heads import Heads
from libs.common.web.door.short_request import ShortRequest


async def message_of(target: str) -> RawRequestMessage:
    """Parse a head with a target."""
    heads = Heads(asyncio.get_running_loop())
    message = heads.parsed(f"POST {target} HTTP/1.1\r\nHost: a\r\nX-Y: z\r\n\r\n".encode())
    assert message is not None
    return message


@pytest.mark.parametrize(
    "target,path,raw_path,query",
    [
        ("/apps/1/events", "/apps/1/events", "/apps/1/events", []),
        ("/a%20b/1?x=%20y+z&x=&w#v", "/a b/1", "/a%20b/1", [("x", " y z"), ("x", ""), ("w", "")]),
        ("//a/./b", "//a/./b", "//a/./b", []),
        ("http://b:1/app/k?c=d", "/app/k", "/app/k", [("c", "d")]),
        ("http://b", "", "", []),
    ],
)
async def test_target(target: str, path: str, raw_path: str, query: list[tuple[str, str]]) -> None:
    """What it asks for is read as aiohttp reads it, whose a whole URL is (RFC 9112, 3.2)."""
    message = await message_of(target)

    short = ShortRequest(message, b"", size=0, remote="::1", secure=True, match_info={}, app={})

    assert (short.path, short.rel_url.raw_path) == (path, raw_path)
    assert [*short.query.items()] == query
    assert (short.method, short.headers["x-y"]) == ("POST", "z")


async def test_keeps() -> None:
    """What handlers keep with it is kept, and nothing is there before."""
    name: web.RequestKey[str] = web.RequestKey("name", str)
    short = ShortRequest(
        await message_of("/"),
        b"x",
        size=1,
        remote=None,
        secure=False,
        match_info={"a": "b"},
        app={},
    )

    assert name not in short
    short[name] = "kept"

    assert (short[name], short.body, short.match_info["a"]) == ("kept", b"x", "b")
