"""An OTLP receiver of the test's own: it reads the protobuf, answers what it is told to, hangs, goes and comes back."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from aiohttp import web
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, ResourceMetrics
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.deadline import DEADLINE


class FakeReceiver:
    """
    A receiver.

    Attributes:
        status: What it answers with.
        traces_status: What it answers spans with; 0: the same.
        rejected: How many data points it says that it refuses.
        answers: Cleared: it hangs.
        headers: Of the last request.
        requests: How many came.
        spans: All that came, in order.
        processes: What the processes that sent them call themselves, in the same order.
    """

    def __init__(self) -> None:
        self.port = 0
        self.status = 200
        self.traces_status = 0
        self.rejected = 0
        self.answers = asyncio.Event()
        self.answers.set()
        self.headers: dict[str, str] = {}
        self.requests = 0
        self.spans: list[Span] = []
        self.processes: list[str] = []
        self._news = asyncio.Condition()
        self._taken: asyncio.Queue[ResourceMetrics] = asyncio.Queue()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def taken(self) -> ResourceMetrics:
        """Wait for the next export."""
        async with asyncio.timeout(DEADLINE):
            return await self._taken.get()

    async def wait_for_spans(self, count: int) -> list[Span]:
        """Wait until so many came."""
        async with asyncio.timeout(DEADLINE), self._news:
            await self._news.wait_for(lambda: len(self.spans) >= count)
        return self.spans

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Be there while the context is open, at the same port each time."""
        app = web.Application()
        app.add_routes(
            [web.post("/v1/metrics", self._metrics), web.post("/v1/traces", self._traces)]
        )
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

    async def _traces(self, request: web.Request) -> web.Response:
        sent = ExportTraceServiceRequest.FromString(await request.read())
        await self.answers.wait()
        if self.traces_status not in {0, 200}:
            return web.Response(status=self.traces_status)
        async with self._news:
            for resource in sent.resource_spans:
                said = attributes_of(resource.resource.attributes)
                for span in resource.scope_spans[0].spans:
                    self.spans.append(span)
                    self.processes.append(str(said["service.instance.id"]))
            self._news.notify_all()
        return web.Response(status=self.status)


def attributes_of(pairs: Iterable[KeyValue]) -> dict[str, str | int]:
    """Return the attributes of a span, or of a resource, by name."""
    return {
        each.key: each.value.int_value
        if each.value.HasField("int_value")
        else each.value.string_value
        for each in pairs
    }


def metrics_of(taken: ResourceMetrics) -> dict[str, Metric]:
    """Return what an export holds, by name."""
    return {metric.name: metric for scope in taken.scope_metrics for metric in scope.metrics}
