"""HTTP as all services speak it: JSON answers, errors with their status."""


from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import structlog
from aiohttp import web

from libs.common.errors import Denied, Invalid, Unavailable

RETRY_AFTER = "1"  # Seconds; backends are tried again with backoff by us, not by the caller.

log = structlog.get_logger()
_encode = msgspec.json.Encoder().encode

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answer(
    payload: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Answer with JSON."""
    return web.Response(
        body=_encode(payload), status=status, headers=headers, content_type="application/json"
    )


def refusal(error: Invalid | Denied | Unavailable) -> web.Response:
    """Answer with what is wrong: ``{"error": …}`` and the error's status."""
    headers = {"Retry-After": RETRY_AFTER} if isinstance(error, Unavailable) else None
    return answer({"error": str(error)}, status=error.status, headers=headers)


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn exceptions into answers.  Peers never see our internals."""
    try:
        return await handler(request)
    except (Invalid, Denied, Unavailable) as error:
        log.info("request.refused", path=request.path, status=error.status, reason=str(error))
        return refusal(error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return answer({"error": error.reason}, status=error.status, headers=_kept(error))
    except Exception:
        log.exception("request.failed", path=request.path)
        return answer({"error": "internal error"}, status=500)


def _kept(error: web.HTTPException) -> dict[str, str]:
    """Keep the headers that belong to the status, such as ``Allow``."""
    return {name: error.headers[name] for name in ("Allow", "Location") if name in error.headers}
