"""
The telemetry of one process: what it tells of itself, and where that is sent.

What is shown at ``/metrics`` and what is sent by OTLP are the same metrics.
"""

import asyncio
import os
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from uuid import uuid4

import structlog
from opentelemetry.sdk.resources import OTELResourceDetector

from libs.common.telemetry.metrics.process import ProcessMetrics
from libs.common.telemetry.metrics.protobuf import MetricsEncoder
from libs.common.telemetry.metrics.registry import Measured, Registry
from libs.common.telemetry.otlp import METRICS_PATH, SPANS_PATH, OtlpReceiver
from libs.common.telemetry.settings import TelemetrySettings
from libs.common.telemetry.tracing.protobuf import SpansEncoder
from libs.common.telemetry.tracing.queue import MOST, SpanQueue
from libs.common.telemetry.tracing.tracer import Tracer

log = structlog.get_logger()

SPANS_INTERVAL = 1.0  # Seconds that a span waits at most, unless metrics are sent more often.
FLUSH_TIMEOUT = 2.0  # Seconds that the receiver has for what waits when the process ends.
MOST_SPANS = 128  # Of one export: all else waits while it is written.


class Telemetry:
    """
    What a process tells.

    Args:
        settings: Where metrics and spans are sent, if anywhere.
        version: The release.
        services: Which services run in the process.

    Attributes:
        process: What the process counts of itself.
        measured: All parts that count here, beside the services.
        tracer: Makes the spans of this process; none where they are not sent.
    """

    def __init__(
        self, settings: TelemetrySettings, version: str, *, services: Sequence[str]
    ) -> None:
        self._settings = settings
        self._resource = resource(version, services)
        self.process = ProcessMetrics(version)
        self._receiver = OtlpReceiver(settings) if settings.otlp_endpoint else None
        self._spans = SpanQueue() if settings.otlp_endpoint else None
        self.tracer = Tracer(self._spans, self._resource, ratio=settings.sample_ratio)
        parts: list[Measured | None] = [self.process, self._receiver, self._spans]
        self.measured: Sequence[Measured] = [part for part in parts if part is not None]

    async def run(self, registry: Registry) -> None:
        """Measure the process, and send metrics and spans, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.process.run())
            if self._receiver is not None and self._spans is not None:
                tasks.create_task(self._send(self._receiver, registry, self._spans))

    async def _send(self, receiver: OtlpReceiver, registry: Registry, spans: SpanQueue) -> None:
        async with receiver.opened():
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._send_metrics(receiver, registry))
                    tasks.create_task(self._send_spans(receiver, spans))
            finally:
                await self._flush(receiver, spans)

    async def _send_metrics(self, receiver: OtlpReceiver, registry: Registry) -> None:
        encoder = MetricsEncoder(self._resource, since=time.time())
        while True:
            await asyncio.sleep(self._settings.otlp_interval)
            try:
                body = encoder.encode(registry.read(), now=time.time())
            except Exception:  # A fault of ours; what the process is for goes on.
                log.exception("metrics.failed", part="otlp")
            else:
                await receiver.send(METRICS_PATH, body)

    async def _send_spans(self, receiver: OtlpReceiver, spans: SpanQueue) -> None:
        encoder = SpansEncoder(self._resource)
        while True:
            await asyncio.sleep(min(SPANS_INTERVAL, self._settings.otlp_interval))
            await _send_waiting(receiver, encoder, spans)

    async def _flush(self, receiver: OtlpReceiver, spans: SpanQueue) -> None:
        """Send what waits when the process ends; what is not taken in time is lost, and counted."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_TIMEOUT):
                await _send_waiting(receiver, SpansEncoder(self._resource), spans)
        spans.note(len(spans.take(MOST)), is_sent=False)


async def _send_waiting(receiver: OtlpReceiver, encoder: SpansEncoder, spans: SpanQueue) -> None:
    while taken := spans.take(MOST_SPANS):
        try:
            body = encoder.encode(taken)
        except Exception:  # A fault of ours, as above.
            log.exception("spans.failed", spans=len(taken))
            continue
        try:
            is_sent = await receiver.send(SPANS_PATH, body)
        except asyncio.CancelledError:
            spans.put_back(taken)
            raise
        spans.note(len(taken), is_sent=is_sent)


def resource(version: str, services: Sequence[str]) -> Mapping[str, str]:
    """
    Say which process it is, in OpenTelemetry's words ("Resource Semantic Conventions").

    ``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES`` say more, or otherwise.
    """
    ours = {
        "service.name": "fanfare",
        "service.version": version,
        "service.instance.id": str(uuid4()),
        "host.name": socket.gethostname(),
        "process.pid": str(os.getpid()),
        "fanfare.services": ",".join(services),
    }
    told = OTELResourceDetector().detect().attributes
    return ours | {name: str(value) for name, value in told.items()}
