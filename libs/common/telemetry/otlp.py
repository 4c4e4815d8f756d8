"""
The OTLP receiver of a deployment: takes what this process sends it, over HTTP, or is away.

One request at a time, each with a deadline and a bound, and none is repeated: nothing waits for the
receiver but who sends, and nothing is kept for it.  What became of each is counted; that it is
away, and that it is back, is logged once, as for every backend.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)

from libs.common.egress.client import EgressClient, NoAnswer, OutgoingRequest
from libs.common.egress.policy import Egress
from libs.common.outage import Outage
from libs.common.telemetry.metrics.families import Metric, counter
from libs.common.telemetry.settings import TelemetrySettings

# OTLP, "OTLP/HTTP Request".
METRICS_PATH, SPANS_PATH = PATHS = "/v1/metrics", "/v1/traces"
LONGEST_ANSWER = 65_536  # Bytes of an answer that are read.
# The operator names the receiver, as the backends: it may be anywhere.
_ANYWHERE = Egress(allow=(ip_network("0.0.0.0/0"), ip_network("::/0")))

EXPORTS = counter(
    "fanfare_otlp_exports_total",
    "What was sent by OTLP, by what became of it: `taken`, `refused` in part by the receiver, or "
    "`lost`, as the receiver was away.",
    "result",
)


class OtlpReceiver:
    """
    The receiver that the settings name.

    Args:
        settings: Where it is, and how long it may take.
    """

    def __init__(self, settings: TelemetrySettings) -> None:
        self._settings = settings
        self._client = EgressClient("telemetry", _ANYWHERE, connections=1, per_host=1)
        self._outage = Outage("telemetry", server=str(settings.otlp_endpoint))
        self._results = {"taken": 0, "refused": 0, "lost": 0}

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Hold the connection while the context is open."""
        async with self._client.opened():
            yield

    def metrics(self) -> Iterator[Metric]:
        """See `Measured.metrics`."""
        yield EXPORTS.by(self._results)

    async def send(self, path: str, body: bytes) -> bool:
        """
        Send one export; what goes wrong is noted here.

        Returns whether the receiver was there.

        Args:
            path: The signal's, such as ``/v1/metrics``.
            body: The protobuf message.
        """
        result = await self._sent(path, body)
        self._results[result] += 1
        return result != "lost"

    async def check(self) -> None:
        """
        Send exports of nothing, which change nothing, one of each signal.

        Raises:
            NoAnswer: One was not taken.
        """
        for path in PATHS:
            await self._answer(path, b"")

    async def _sent(self, path: str, body: bytes) -> str:
        signal = path.rpartition("/")[2]  # A receiver may take one signal and not the other.
        try:
            answer = await self._answer(path, body)
        except NoAnswer as error:
            self._outage.lost(error.reason, by=signal)
            return "lost"
        self._outage.found(by=signal)
        return "refused" if _is_refused(answer) else "taken"

    async def _answer(self, path: str, body: bytes) -> bytes:
        answer = await self._client.ask(self._request(path, body))
        if not 200 <= answer.status < 300:
            raise NoAnswer("telemetry", f"it answers with status {answer.status}")
        return answer.body

    def _request(self, path: str, body: bytes) -> OutgoingRequest:
        headers = {"Content-Type": "application/x-protobuf"}
        if authorization := self._settings.otlp_authorization.reveal():
            headers["Authorization"] = authorization
        return OutgoingRequest(
            "POST",
            self._settings.url(path),
            LONGEST_ANSWER,
            self._settings.otlp_timeout,
            headers=headers,
            body=body,
        )


def _is_refused(answer: bytes) -> bool:
    """Tell whether a part was refused: of all signals the answers say so in the same fields."""
    try:
        said = ExportMetricsServiceResponse.FromString(answer)
    except DecodeError:
        return False  # Some receivers answer with JSON, or with words.
    return bool(said.partial_success.rejected_data_points)
