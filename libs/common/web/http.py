"""HTTP as all services speak it: JSON answers, and one front door that words refusals."""

from collections.abc import Awaitable, Callable, Mapping
from math import ceil
from typing import Any, TypeVar

import structlog
from aiohttp import hdrs, web

from libs.common.errors import Denied, Invalid, Unavailable, kind_of_refusal
from libs.common.json_text import write
from libs.common.rfc3339 import text_of
from libs.common.telemetry.audit import audit_log
from libs.common.web.bodies.reading import EXPECTATION, GO_ON, let_go
from libs.common.web.door.short_request import AnyRequest
from libs.common.web.entrance import sender
from libs.common.web.paths import meant

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Refusable = Invalid | Denied | Unavailable  # The peer is told why; all else is our fault.
Challenge = Callable[[Refusable], str]
Note = Callable[[web.Request, Refusable], None]
R = TypeVar("R", bound=web.StreamResponse)


class NotUnicode(Invalid):
    """A request has text that UTF-8 cannot say, where it must be passed on."""

    def __init__(self) -> None:
        super().__init__("the request has text that is not UTF-8")


def answer(
    payload: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Answer with JSON."""
    return web.Response(
        body=write(payload), status=status, headers=headers, content_type="application/json"
    )


async def answered(
    request: web.Request,
    work: Callable[[web.Request], Awaitable[R]],
    *,
    note: Note | None = None,
    challenge: Challenge | None = None,
) -> R | web.Response:
    """
    Answer what a request is worth, or why it is refused.

    Args:
        request: As received.
        work: Answers it, or raises one of the three errors that peers are told.
        note: Logs a refusal; None: as ``request.refused``.
        challenge: Words the ``WWW-Authenticate`` of a refusal with status 401 (RFC 9110, 11.6.1)
            whose error words none itself, `Denied.challenge`.
            Where there is one, all answers are for the asker alone, and may not be stored.
    """
    response: R | web.Response
    try:
        response = await work(request)
    except (Invalid, Denied, Unavailable) as error:
        (note or note_refusal)(request, error)
        response = refusal(error)
        if challenge is not None and error.status == 401:
            response.headers.setdefault(hdrs.WWW_AUTHENTICATE, challenge(error))
    if challenge is not None:
        response.headers[hdrs.CACHE_CONTROL] = "no-store"
    return response


def note_refusal(request: AnyRequest, error: Refusable) -> None:
    """Log why a request is refused."""
    _note(request, error.status, str(error), kind=kind_of_refusal(error))
    audit_denial(request, error)


def audit_denial(request: AnyRequest, error: Refusable) -> None:
    """Have the audit log tell who may not do what a request asks for."""
    if isinstance(error, Denied):
        kind = type(error).__name__
        facts = {"path": request.path, "reason": str(error), **sender(request), **error.facts}
        audit_log.info("audit.denied", kind=kind, pace_by=kind, **facts)


def _note(request: AnyRequest, status: int, reason: str, *, kind: str) -> None:
    log.info(
        "request.refused",
        method=request.method,
        path=request.path,
        status=status,
        reason=reason,
        **sender(request),
        pace_by=kind,
    )


def refusal(error: Refusable) -> web.Response:
    """Answer with what is wrong: ``{"error": …}`` and the error's status; perhaps since when."""
    headers: dict[str, str] = {}
    told = {"error": str(error)}
    if error.retry_after:
        headers[hdrs.RETRY_AFTER] = str(ceil(error.retry_after))
    if isinstance(error, Denied) and error.challenge and error.status == 401:
        headers[hdrs.WWW_AUTHENTICATE] = error.challenge
    if isinstance(error, Unavailable) and error.since is not None:
        told["since"] = text_of(error.since)
    return answer(told, status=error.status, headers=headers)


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn exceptions into answers, and let go of the body.  Peers never see our internals."""
    response: web.StreamResponse
    try:
        if EXPECTATION in request and request[EXPECTATION] != GO_ON:
            raise web.HTTPExpectationFailed  # noqa: TRY301 - worded as those of handlers are.
        response = await answered(request, handler)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        response = _worded(request, error)
    except UnicodeEncodeError:  # No text of ours is such: it came with the request.
        response = _refused(request, NotUnicode())
    except Exception:
        log.exception("request.failed", path=request.path)
        response = answer({"error": "internal error"}, status=500)
    finally:
        is_over = let_go(request)
    if is_over:
        response.force_close()
        response.headers[hdrs.CONNECTION] = "close"
    return response


def _worded(request: web.Request, error: web.HTTPException) -> web.Response:
    reason = error.reason + (_hint(request) if error.status == 404 else "")
    _note(request, error.status, reason, kind=type(error).__name__)
    return answer({"error": reason}, status=error.status, headers=_kept(error))


def _refused(request: web.Request, error: Refusable) -> web.Response:
    note_refusal(request, error)
    return refusal(error)


def _hint(request: web.Request) -> str:
    near = meant(request.path, (each.canonical for each in request.app.router.resources()))
    return f"; did you mean {near}?" if near else ""


def _kept(error: web.HTTPException) -> dict[str, str]:
    """Keep the headers that belong to the status, such as ``Allow``."""
    return {name: error.headers[name] for name in ("Allow", "Location") if name in error.headers}
