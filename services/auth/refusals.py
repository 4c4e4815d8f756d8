"""Refusals of auth, as its log tells them: with the names of who, what and why."""

import structlog
from aiohttp import web

from libs.common.errors import Denied, kind_of_refusal
from libs.common.web.entrance import sender
from libs.common.web.http import Refusable, audit_denial

log = structlog.get_logger()


def note_refusal(request: web.Request, error: Refusable) -> None:
    """Log why something that a request asked for is refused, with what operators alone are told."""
    facts = error.facts if isinstance(error, Denied) else {}
    told = {"reason": str(error), **sender(request), **facts}
    log.info(
        "auth.refused",
        path=request.path,
        status=error.status,
        reason=told.pop("reason"),
        **told,
        pace_by=kind_of_refusal(error),
    )
    audit_denial(request, error)
