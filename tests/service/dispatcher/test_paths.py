"""The HTTP API behind proxies: prefixes before its paths, and what of a path is signed."""

from collections.abc import AsyncIterator
from urllib.parse import unquote

import aiohttp
import pytest
from yarl import URL

from tests.support.clients.back_ends import signed
from tests.support.services.dispatcher import APP, ServedDispatcher, served_dispatcher


@pytest.fixture
async def here() -> AsyncIterator[ServedDispatcher]:
    async with served_dispatcher() as here:
        yield here


class TestPaths:
    """What stands after a prefix is read by everybody alike, or is no path."""

    @pytest.mark.parametrize("prefix", ["", "/", "/s//", "/p%C3%A9"])
    @pytest.mark.parametrize("is_with_prefix", [True, False])
    @pytest.mark.parametrize("is_decoded", [True, False])
    async def test_signed_as_it_likes(
        self, here: ServedDispatcher, prefix: str, *, is_with_prefix: bool, is_decoded: bool
    ) -> None:
        """Whatever an SDK signed: the path with the prefix or without it, as sent or decoded."""
        path = "/apps/1/channels/presence-a%3Bb"
        said = prefix + path if is_with_prefix else path
        query = signed(APP, unquote(said) if is_decoded else said, b"", "GET", body_md5=None)
        url = URL(f"{here.url}{prefix}{path}?{query}", encoded=True)

        async with aiohttp.ClientSession() as http, http.get(url) as response:
            assert response.status == 200, await response.text()

    @pytest.mark.parametrize(
        "path",
        [
            "/x/../apps/1/channels",
            "/./apps/1/channels",
            "/%2e%2e/apps/1/channels",
            "/%61pps/1/channels",
            "/apps/2/apps/1/channels",
            "/apps/apps/1/channels",
        ],
    )
    async def test_odd_paths(self, here: ServedDispatcher, path: str) -> None:
        """A path that not everybody reads alike is none, however it is signed."""
        for said in (path, unquote(path), "/apps/1/channels"):
            query = signed(APP, said, b"", "GET", body_md5=None)
            async with (
                aiohttp.ClientSession() as http,
                http.get(URL(f"{here.url}{path}?{query}", encoded=True)) as response,
            ):
                assert response.status == 404

    async def test_proof_that_stands_twice(self, here: ServedDispatcher) -> None:
        query = signed(APP, "/apps/1/channels", b"", "GET", body_md5=None)
        signature = query.rpartition("auth_signature=")[2]
        for doubled in (f"{query}&auth_signature={signature}", f"AUTH_KEY=app-key&{query}"):
            async with (
                aiohttp.ClientSession() as http,
                http.get(f"{here.url}/apps/1/channels?{doubled}") as response,
            ):
                assert response.status == 401
                assert "stands there 2 times" in (await response.json())["error"]
