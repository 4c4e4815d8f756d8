"""An OTLP receiver of the test's own: it reads the protobuf, answers what it is told to, hangs, goes and comes back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, ResourceMetrics

from tests.support.deadline import DEADLINE


class FakeReceiver:
    """
    A receiver.

    Attributes:
        status: What it answers with.
        rejected: How many data points it says that it refuses.
        answers: Cleared: it hangs.
        headers: Of the last request.
        requests: How many came.
    """

    def __init__(self) -> None:
        self.port = 0
        self.status = 200
        self.rejected = 0
        self.answers = asyncio.Event()
        self.answers.set()
        self.headers: dict[str, str] = {}
        self.requests = 0
        self._taken: asyncio.Queue[ResourceMetrics] = asyncio.Queue()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def taken(self) -> ResourceMetrics:
        """Wait for the next export."""
        async with asyncio.timeout(DEADLINE):
            return await self._taken.get()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Be there while the context is open, at the same port each time."""
        app = web.Application()
        app.add_routes([web.post("/v1/metrics", self._metrics)])
        runner = web.AppRunner(app, shutdown_timeout=0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = runner.addresses[0][1]
        try:
            yield
        finally:
            self.answers.set()
            await runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        self.requests += 1
        self.headers = dict(request.headers)
        sent = ExportMetricsServiceRequest.FromString(await request.read())
        for resource in sent.resource_metrics:
            self._taken.put_nowait(resource)
        await self.answers.wait()
        said = ExportMetricsServiceResponse()
        if self.rejected:
            said.partial_success.CopyFrom(
                ExportMetricsPartialSuccess(rejected_data_points=self.rejected)
            )
        return web.Response(status=self.status, body=said.SerializeToString())


def metrics_of(taken: ResourceMetrics) -> dict[str, Metric]:
    """Return what an export holds, by name."""
    return {metric.name: metric for scope in taken.scope_metrics for metric in scope.metrics}
