"""Where requests come in: who sends each, and what the log is told of them."""

import structlog
from aiohttp import web

from libs.common.web.door.short_request import AnyRequest
from libs.common.web.proxies import FORWARDED_FOR, Caller, Proxies

log = structlog.get_logger()


class Entrance:
    """
    Where requests come in: knows who sends them, and tells operators once if that may be wrong.

    Args:
        proxies: Those whose word about their clients is taken.
    """

    def __init__(self, proxies: Proxies) -> None:
        self._proxies = proxies
        self._has_warned = False

    def caller(self, request: AnyRequest) -> Caller:
        """Tell who sent a request, proxies aside."""
        peer = request.remote or ""
        if not self._has_warned and FORWARDED_FOR in request.headers:
            self._warn(peer)
        return self._proxies.caller(peer, request.headers.items(), is_secure=request.secure)

    def _warn(self, peer: str) -> None:
        # Else limits by address would count all who come through a proxy as one, and nobody knew.
        if not self._proxies.has(peer):
            self._has_warned = True  # Anybody can send the header: never a line for each.
            # As it is written in the setting: without what IPv6 puts before addresses of IPv4.
            peer = self._proxies.caller(peer, ()).address
            log.warning("proxy.untrusted", peer=peer, setting="server.trusted_proxies")


ENTRANCE: web.AppKey[Entrance] = web.AppKey("entrance", Entrance)
_APP: web.RequestKey[str] = web.RequestKey("app", str)
_CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)  # Asked for more than once.


def caller_of(request: AnyRequest) -> Caller:
    """Tell who sent a request, proxies aside; the internal address trusts none."""
    if _CALLER not in request:
        request[_CALLER] = _caller(request)
    return request[_CALLER]


def _caller(request: AnyRequest) -> Caller:
    if ENTRANCE in request.app:
        return request.app[ENTRANCE].caller(request)
    return Proxies().caller(request.remote or "", ())


def name_app(request: AnyRequest, app_id: str) -> None:
    """Keep, for the log, which app a request names, whether it proves to be that app's or not."""
    request[_APP] = app_id


def sender(request: AnyRequest) -> dict[str, str]:
    """Tell the log who sent a request: ``address``, proxies aside, and ``app`` if it named one."""
    facts = {"address": caller_of(request).address}
    return facts | ({"app": request[_APP]} if _APP in request else {})
