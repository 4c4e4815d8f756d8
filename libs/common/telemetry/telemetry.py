"""
The telemetry of one process: what it tells of itself, and where that is sent.

What is shown at ``/metrics`` and what is sent by OTLP are the same metrics.
"""

import asyncio
import os
import socket
import time
from collections.abc import Mapping, Sequence
from uuid import uuid4

import structlog
from opentelemetry.sdk.resources import OTELResourceDetector

from libs.common.telemetry.metrics.process import ProcessMetrics
from libs.common.telemetry.metrics.protobuf import MetricsEncoder
from libs.common.telemetry.metrics.registry import Measured, Registry
from libs.common.telemetry.otlp import OtlpReceiver
from libs.common.telemetry.settings import TelemetrySettings

log = structlog.get_logger()


class Telemetry:
    """
    What a process tells.

    Args:
        settings: Where metrics are sent, if anywhere.
        version: The release.
        services: Which services run in the process.

    Attributes:
        process: What the process counts of itself.
        measured: All parts that count here, beside the services.
    """

    def __init__(
        self, settings: TelemetrySettings, version: str, *, services: Sequence[str]
    ) -> None:
        self._settings = settings
        self._resource = resource(version, services)
        self.process = ProcessMetrics(version)
        self._receiver = OtlpReceiver(settings) if settings.otlp_endpoint else None
        parts: list[Measured | None] = [self.process, self._receiver]
        self.measured: Sequence[Measured] = [part for part in parts if part is not None]

    async def run(self, registry: Registry) -> None:
        """Measure the process, and send metrics, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.process.run())
            if self._receiver is not None:
                tasks.create_task(self._send(self._receiver, registry))

    async def _send(self, receiver: OtlpReceiver, registry: Registry) -> None:
        encoder = MetricsEncoder(self._resource, since=time.time())
        async with receiver.opened():
            while True:
                await asyncio.sleep(self._settings.otlp_interval)
                try:
                    body = encoder.encode(registry.read(), now=time.time())
                except Exception:  # A fault of ours; what the process is for goes on.
                    log.exception("metrics.failed", part="otlp")
                else:
                    await receiver.send("/v1/metrics", body)


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
