"""
Requests to identity servers, under the bounds of `libs.common.egress.client`.

Where they may go is said in `services.auth.settings`.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiohttp.abc import AbstractResolver

from libs.common.config.address import Network
from libs.common.egress.client import EgressClient, NoAnswer, OutgoingRequest
from libs.common.egress.policy import Egress, names_loopback
from services.auth.identity.asking.fair_line import PLACES
from services.auth.identity.provider import ProviderQuery, ProviderReply, ProviderUnavailable
from services.auth.settings import provider_egress

CONNECTIONS = 0  # Any number: each server has its bound, and servers are those of the settings.
PER_HOST = PLACES + 10  # The rest is for keys.  Beyond, questions wait within their timeout.


class ProviderClient:
    """
    Asks identity servers while it is open.

    Args:
        allow: Networks that may be asked in any case.
        resolver: Knows the addresses of names; None: the system's.
    """

    def __init__(
        self, allow: Sequence[Network] = (), *, resolver: AbstractResolver | None = None
    ) -> None:
        self._afar = _client(provider_egress(allow, is_here=False), resolver)
        self._here = _client(provider_egress(allow, is_here=True), resolver)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Hold connections while the context is open."""
        async with self._afar.opened(), self._here.opened():
            yield

    async def ask(self, question: ProviderQuery) -> ProviderReply:
        """
        Ask.

        Raises:
            ProviderUnavailable: There is no reply in time, or a longer one than asked for, or the
                address may not be asked.
        """
        client = self._here if names_loopback(question.url) else self._afar
        request = OutgoingRequest(
            question.method,
            question.url,
            question.limit,
            question.timeout,
            headers={"Accept": "application/json", **question.headers},
            body=question.form,
        )
        try:
            answer = await client.ask(request)
        except NoAnswer as error:
            raise ProviderUnavailable(error.reason) from error
        return ProviderReply(answer.status, answer.body)


def _client(egress: Egress, resolver: AbstractResolver | None) -> EgressClient:
    return EgressClient(
        "identity", egress, connections=CONNECTIONS, per_host=PER_HOST, resolver=resolver
    )
