"""HTTP as all services speak it: the front door."""

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from structlog.testing import capture_logs

from libs.common.errors import Denied, Forbidden, Invalid, Unavailable
from libs.common.web.authentication import BadCredentials
from libs.common.web.http import Refusable, answered, errors


class Slow(Invalid):
    """What may be tried again."""

    status = 429
    retry_after = 1.2


class Known(Forbidden):
    """What operators are told more of."""

    facts = {"reason": "left", "user": "7"}  # noqa: RUF012 - as an instance has them


async def raised(error: Exception, *, challenge: bool = False) -> web.StreamResponse:
    """Return what a request is answered whose handler raises."""

    async def work(_: web.Request) -> web.Response:
        raise error

    words = _challenge if challenge else None
    return await answered(make_mocked_request("GET", "/x"), work, challenge=words)


def _challenge(error: Refusable) -> str:
    return f'Bearer error_description="{error}"'


class TestAnswered:
    """One front door: three kinds of errors are refusals, all others are our fault."""

    @pytest.mark.parametrize(
        "error,status,retry_after",
        [
            (Invalid("no"), 400, None),
            (Slow("no"), 429, "2"),
            (Denied("no"), 401, None),
            (Forbidden("no"), 403, None),
            (Unavailable("bus"), 503, "1"),
        ],
    )
    async def test_refused(self, error: Exception, status: int, retry_after: str | None) -> None:
        response = await raised(error)

        assert isinstance(response, web.Response)
        assert isinstance(response.body, bytes)
        assert (response.status, response.headers.get("Retry-After")) == (status, retry_after)
        assert msgspec.json.decode(response.body) == {"error": str(error)}
        assert not {"WWW-Authenticate", "Cache-Control"} & response.headers.keys()

    async def test_since(self) -> None:
        """Where it is known since when a backend is away, it is told."""
        error = Unavailable("roster")
        error.since = 1_764_000_000.25

        response = await raised(error)

        assert isinstance(response, web.Response)
        assert isinstance(response.body, bytes)
        assert msgspec.json.decode(response.body) == {
            "error": "the roster backend is unavailable",
            "since": "2025-11-24T16:00:00.250Z",
        }

    @pytest.mark.parametrize("error", [Invalid("no"), Forbidden("no"), Unavailable("bus")])
    async def test_known_and_refused(self, error: Exception) -> None:
        """Who is believed is not challenged, and still no cache keeps the answer."""
        response = await raised(error, challenge=True)

        assert "WWW-Authenticate" not in response.headers
        assert response.headers["Cache-Control"] == "no-store"

    async def test_error_with_a_scheme(self) -> None:
        """Where the proof that is missing has a scheme of HTTP, a 401 names it, whoever refuses."""
        response = await raised(BadCredentials())

        assert isinstance(response, web.Response)
        assert response.headers["WWW-Authenticate"] == 'Basic realm="fanfare"'

    async def test_challenged(self) -> None:
        response = await raised(Denied("who?"), challenge=True)

        assert response.headers["WWW-Authenticate"] == 'Bearer error_description="who?"'
        assert response.headers["Cache-Control"] == "no-store"

    @pytest.mark.parametrize("challenge,stored", [(None, None), (_challenge, "no-store")])
    async def test_answered(self, challenge: object, stored: str | None) -> None:
        """An answer is the handler's own; where askers must prove who they are, it is for them."""
        answer = web.StreamResponse()

        async def work(_: web.Request) -> web.StreamResponse:
            return answer

        words = _challenge if challenge else None
        response = await answered(make_mocked_request("GET", "/x"), work, challenge=words)

        assert response is answer
        assert response.headers.get("Cache-Control") == stored

    @pytest.mark.parametrize("error", [RuntimeError("bug"), web.HTTPNotFound()])
    async def test_others(self, error: Exception) -> None:
        """What is no refusal is not caught here."""
        with pytest.raises(type(error)):
            await raised(error, challenge=True)

    async def test_told(self) -> None:
        """The log has a line for each."""
        with capture_logs() as logs:
            await raised(Known("you may not"))

        (line,) = logs
        assert line == {
            "event": "request.refused",
            "log_level": "info",
            "method": "GET",
            "path": "/x",
            "address": "",
            "status": 403,
            "reason": "you may not",
            "pace_by": "Known",
        }

    async def test_told_otherwise(self) -> None:
        """Whoever answers may have more to say in the log."""
        noted: list[Refusable] = []

        async def work(_: web.Request) -> web.Response:
            raise refused

        refused = Denied("no")
        with capture_logs() as logs:
            await answered(
                make_mocked_request("GET", "/x"), work, note=lambda _, error: noted.append(error)
            )

        assert noted == [refused]
        assert logs == []


class TestErrors:
    """What no handler has answered the middleware does."""

    async def test_fault(self) -> None:
        """Peers never see our internals."""

        async def handler(_: web.Request) -> web.StreamResponse:
            raise RuntimeError("bug in line 7")

        with capture_logs() as logs:
            response = await errors(make_mocked_request("GET", "/x"), handler)

        assert isinstance(response, web.Response)
        assert (response.status, response.body) == (500, b'{"error":"internal error"}')
        assert [line["event"] for line in logs] == ["request.failed"]

    async def test_no_unicode(self) -> None:
        """No text of ours has half a surrogate pair: what cannot be passed on is the peer's."""

        async def handler(_: web.Request) -> web.StreamResponse:
            return web.Response(body=b"\xff".decode(errors="surrogateescape").encode())

        with capture_logs() as logs:
            response = await errors(make_mocked_request("GET", "/x"), handler)

        assert response.status == 400
        assert [(line["event"], line["pace_by"]) for line in logs] == [
            ("request.refused", "NotUnicode")
        ]

    async def test_method(self) -> None:
        """The headers that belong to a status stay."""

        async def handler(_: web.Request) -> web.StreamResponse:
            raise web.HTTPMethodNotAllowed("GET", ["POST"])

        response = await errors(make_mocked_request("GET", "/x"), handler)

        assert (response.status, response.headers["Allow"]) == (405, "POST")
