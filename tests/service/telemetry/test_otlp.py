"""What is sent by OTLP, to a receiver that reads it; one that is away costs nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
from structlog.testing import capture_logs

from libs.common.config.address import Url
from libs.common.config.secret import Secret
from libs.common.telemetry import telemetry as sending
from libs.common.telemetry.metrics.families import Metric, Value, counter
from libs.common.telemetry.metrics.registry import Registry
from libs.common.telemetry.otlp import OtlpReceiver
from libs.common.telemetry.settings import TelemetrySettings
from libs.common.telemetry.telemetry import MOST_SPANS, Telemetry
from libs.common.telemetry.tracing.names import publishing
from libs.common.telemetry.tracing.queue import SPANS
from tests.support.deadline import DEADLINE
from tests.support.fakes.otlp_receiver import FakeReceiver, metrics_of

ASKED = counter("fanfare_asked_total", "Times that somebody asked.", "by")
SHORT = 0.05  # Seconds.


class Asked:
    """Counts who asked."""

    by = "somebody"

    def metrics(self) -> Iterator[Metric]:
        yield ASKED.by({self.by: 3})


@pytest.fixture
async def receiver() -> AsyncIterator[FakeReceiver]:
    fake = FakeReceiver()
    async with fake.listening():
        yield fake


def settings(url: str, *, authorization: str = "", timeout: float = DEADLINE) -> TelemetrySettings:
    return TelemetrySettings(
        otlp_endpoint=Url(url),
        otlp_authorization=Secret(authorization),
        otlp_interval=SHORT,
        otlp_timeout=timeout,
    )


@asynccontextmanager
async def telling(given: TelemetrySettings) -> AsyncIterator[Registry]:
    """Send what one part and the process count, until the context is left."""
    telemetry = Telemetry(given, "1.2.3", services=["gateway", "auth"])
    registry = Registry([Asked(), *telemetry.measured])
    async with running(telemetry, registry):
        yield registry


@asynccontextmanager
async def running(telemetry: Telemetry, registry: Registry) -> AsyncIterator[Registry]:
    """Send until the context is left."""
    task = asyncio.create_task(telemetry.run(registry))
    yield registry
    task.cancel()
    await asyncio.wait([task], timeout=DEADLINE)
    assert task.cancelled()


def exports(registry: Registry) -> dict[str, int]:
    """Tell what became of what was sent."""
    (found,) = (each for each in registry.read() if each.family.name.startswith("fanfare_otlp"))
    return {labels[0]: int(value) for labels, value in found.values.items() if value}  # type: ignore[arg-type]


def results(registry: Registry) -> dict[str, Value]:
    """Tell what became of spans."""
    (found,) = (each for each in registry.read() if each.family is SPANS)
    return {labels[0]: value for labels, value in found.values.items()}


def have_become(registry: Registry, result: str, count: int) -> bool:
    return results(registry)[result] == count


def end(telemetry: Telemetry, count: int) -> None:
    """Make so many spans, and end them."""
    for _ in range(count):
        telemetry.tracer.begin(publishing("1"), "").end()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not holds():
            await asyncio.sleep(SHORT / 5)


class TestSent:
    """OTLP, "OTLP/HTTP"."""

    async def test_metrics(self, receiver: FakeReceiver) -> None:
        """
        What is counted arrives, with who counted it.
        """
        async with telling(settings(receiver.url)):
            taken = await receiver.taken()

        asked = metrics_of(taken)["fanfare_asked_total"]
        (point,) = asked.sum.data_points
        said = {each.key: each.value.string_value for each in taken.resource.attributes}
        assert (point.as_int, point.attributes[0].value.string_value) == (3, "somebody")
        assert "fanfare_event_loop_lag_seconds" in metrics_of(taken)
        assert (said["service.version"], said["fanfare.services"]) == ("1.2.3", "gateway,auth")
        assert receiver.headers["Content-Type"] == "application/x-protobuf"

    async def test_again(self, receiver: FakeReceiver) -> None:
        """
        It goes on at its interval.
        """
        async with telling(settings(receiver.url)):
            first, second = await receiver.taken(), await receiver.taken()

        assert metrics_of(first).keys() <= metrics_of(second).keys()

    async def test_authorization(self, receiver: FakeReceiver) -> None:
        async with telling(settings(receiver.url, authorization="Bearer hush")):
            await receiver.taken()

        assert receiver.headers["Authorization"] == "Bearer hush"

    async def test_resource_of_the_environment(
        self, receiver: FakeReceiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        OpenTelemetry, "Resource SDK": operators name their processes by the environment.
        """
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=push,k8s.pod.name=push-0")
        async with telling(settings(receiver.url)):
            taken = await receiver.taken()

        said = {each.key: each.value.string_value for each in taken.resource.attributes}
        assert (said["service.name"], said["k8s.pod.name"]) == ("push", "push-0")

    async def test_refused_in_part(self, receiver: FakeReceiver) -> None:
        """
        It is counted; the receiver is there.
        """
        receiver.rejected = 2
        with capture_logs() as lines:
            async with telling(settings(receiver.url)) as registry:
                await until(lambda: exports(registry).get("refused", 0) > 1)

        assert lines == []

    async def test_nowhere(self) -> None:
        """
        Without a receiver the process counts for who scrapes.
        """
        telemetry = Telemetry(TelemetrySettings(), "1.2.3", services=["auth"])

        assert telemetry.measured == [telemetry.process]


class TestSpans:
    """What `Telemetry.tracer` makes."""

    async def test_sent(self, receiver: FakeReceiver) -> None:
        """
        Spans arrive with who made them, though there are more than fit into one request.
        """
        telemetry = Telemetry(settings(receiver.url), "1.2.3", services=["gateway"])
        end(telemetry, MOST_SPANS + 1)
        async with running(telemetry, Registry(telemetry.measured)) as registry:
            spans = await receiver.wait_for_spans(MOST_SPANS + 1)
            await until(lambda: results(registry)["sent"] == MOST_SPANS + 1)

        assert {span.name for span in spans} == {"publish"}
        assert len({*receiver.processes}) == 1

    async def test_away(self, receiver: FakeReceiver) -> None:
        """
        A receiver that takes metrics and no spans is said once; what it did not take is lost.
        """
        telemetry = Telemetry(settings(receiver.url), "1.2.3", services=["gateway"])
        receiver.traces_status = 404
        with capture_logs() as lines:
            async with running(telemetry, Registry(telemetry.measured)) as registry:
                for lost in (1, 2):
                    end(telemetry, 1)
                    await until(partial(have_become, registry, "lost", lost))
                    await receiver.taken()
                receiver.traces_status = 200
                end(telemetry, 1)
                await until(lambda: results(registry)["sent"] == 1)

        assert [(line["event"], line.get("by")) for line in lines] == [
            ("backend.lost", "traces"),
            ("backend.found", None),
        ]

    async def test_unwritable(
        self, receiver: FakeReceiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        A fault of ours is said, and the next spans are sent.
        """
        telemetry = Telemetry(settings(receiver.url), "1.2.3", services=["gateway"])
        with capture_logs() as lines:
            async with running(telemetry, Registry(telemetry.measured)):
                monkeypatch.setattr("libs.common.telemetry.tracing.protobuf.SCOPE", object())
                end(telemetry, 1)
                await until(lambda: bool(lines))
                monkeypatch.undo()
                end(telemetry, 1)
                await receiver.wait_for_spans(1)

        assert [(line["event"], line["spans"]) for line in lines] == [("spans.failed", 1)]


class TestEnd:
    """Spans that wait when the process ends."""

    async def test_sent(self, receiver: FakeReceiver) -> None:
        """
        They are sent, all of them.
        """
        telemetry = Telemetry(settings(receiver.url), "1.2.3", services=["gateway"])
        async with running(telemetry, Registry([])):
            await receiver.taken()
            for _ in range(MOST_SPANS + 1):
                telemetry.tracer.begin(publishing("1"), "").end()

        assert len(await receiver.wait_for_spans(MOST_SPANS + 1)) == MOST_SPANS + 1

    async def test_away(self, receiver: FakeReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        A receiver that hangs keeps the end waiting for no longer than it may.
        """
        monkeypatch.setattr(sending, "FLUSH_TIMEOUT", SHORT)
        telemetry = Telemetry(settings(receiver.url), "1.2.3", services=["gateway"])
        registry = Registry(telemetry.measured)
        async with running(telemetry, registry):
            await receiver.taken()
            receiver.answers.clear()
            telemetry.tracer.begin(publishing("1"), "").end()

        (spans,) = (each for each in registry.read() if each.family is SPANS)
        assert spans.values["sent",] == 0
        assert spans.values["lost",] == 1


class TestFaults:
    """A fault of ours ends nothing but the export."""

    async def test_unwritable(
        self, receiver: FakeReceiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        What protobuf cannot write is said, and the next export is as good as any.
        """
        monkeypatch.setattr(Asked, "by", "half a pair \ud800")
        with capture_logs() as lines:
            async with telling(settings(receiver.url)):
                await until(lambda: bool(lines))
                monkeypatch.setattr(Asked, "by", "somebody")
                await receiver.taken()

        assert {(line["event"], line["part"]) for line in lines} == {("metrics.failed", "otlp")}


class TestAway:
    """A receiver that is away costs nothing: bounded, counted, said once."""

    async def test_hangs(self, receiver: FakeReceiver) -> None:
        """
        One request is under way, and is given up in time; the next one finds it back.
        """
        receiver.answers.clear()
        with capture_logs() as lines:
            async with telling(settings(receiver.url, timeout=SHORT)) as registry:
                await until(lambda: exports(registry).get("lost", 0) > 2)
                receiver.answers.set()
                await until(lambda: "taken" in exports(registry))

        assert [(line["event"], line["backend"]) for line in lines] == [
            ("backend.lost", "telemetry"),
            ("backend.found", "telemetry"),
        ]
        assert lines[0]["reason"] == f"no answer within {SHORT} s"

    @pytest.mark.parametrize("status", [302, 401, 404, 503])
    async def test_refuses(self, receiver: FakeReceiver, status: int) -> None:
        receiver.status = status
        with capture_logs() as lines:
            async with telling(settings(receiver.url)) as registry:
                await until(lambda: exports(registry).get("lost", 0) > 1)

        assert [line["reason"] for line in lines] == [f"it answers with status {status}"]

    async def test_gone_and_back(self) -> None:
        """
        Nothing listens; then it is there, and is told the sums of all the time.
        """
        receiver = FakeReceiver()
        async with receiver.listening():
            pass
        with capture_logs() as lines:
            async with telling(settings(receiver.url)) as registry:
                await until(lambda: exports(registry).get("lost", 0) > 1)
                async with receiver.listening():
                    taken = await receiver.taken()
                    await until(lambda: "taken" in exports(registry))

        assert metrics_of(taken)["fanfare_asked_total"].sum.data_points[0].as_int == 3
        assert [line["event"] for line in lines] == ["backend.lost", "backend.found"]

    async def test_words(self, receiver: FakeReceiver) -> None:
        """
        A receiver that answers 200 with what is no protobuf has taken it.
        """
        sender = OtlpReceiver(settings(receiver.url))
        async with sender.opened():
            await sender.send("/v1/metrics", b"")

        assert exports(Registry([sender])) == {"taken": 1}

    async def test_closed(self) -> None:
        """
        Before it is opened nothing is sent, and nothing fails.
        """
        sender = OtlpReceiver(settings("http://127.0.0.1:1"))

        await sender.send("/v1/metrics", b"")

        assert exports(Registry([sender])) == {"lost": 1}
