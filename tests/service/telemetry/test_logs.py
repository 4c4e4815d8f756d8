"""What other libraries say, and what of it is written."""

import asyncio
import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from libs.common.config.address import Address
from libs.common.telemetry import logs
from libs.common.telemetry.settings import LogSettings
from libs.common.telemetry.tracing.names import publishing
from libs.common.telemetry.tracing.queue import SpanQueue
from libs.common.telemetry.tracing.tracer import Tracer
from libs.common.web.server import Server
from tests.support.deadline import DEADLINE
from tests.support.fakes.logs import Logs, events
from tests.support.serving import serving

LOOPBACK = (Address("127.0.0.1", 0),)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Configure the logs as the program does, yield what is written, and put all back."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure(LogSettings(format="json"))
    yield stream
    structlog.reset_defaults()
    root.handlers = handlers
    root.setLevel(level)


def lines(written: io.StringIO) -> Logs:
    """Read what was written."""
    return [json.loads(line) for line in written.getvalue().splitlines()]


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer hush\x01\r\n\r\n",
        b"GET /apps/1/events?auth_signature=hush\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"hush\r\n\r\n",
    ],
)
async def test_malformed_requests(request_text: bytes, written: io.StringIO) -> None:
    """
    A request that is no HTTP is answered with 400 or cut off, and nothing of it is logged.
    """
    server = Server([], LOOPBACK, LOOPBACK)
    async with asyncio.timeout(DEADLINE), serving(server) as bound:
        reader, writer = await asyncio.open_connection("127.0.0.1", bound.public[0].port)
        writer.write(request_text)
        await reader.read()
        writer.close()

    assert "hush" not in written.getvalue()


def test_faults_are_kept(written: io.StringIO) -> None:
    """
    What else aiohttp complains of is written.
    """
    logging.getLogger("aiohttp.server").error("a handler failed", exc_info=RuntimeError("ours"))

    assert "ours" in written.getvalue()


def test_current_span(written: io.StringIO) -> None:
    """
    Lines of ours and of other libraries have the ids of the span that is current.
    """
    tracer = Tracer(SpanQueue(), {})
    with tracer.spanning(publishing("1"), "") as span:
        structlog.get_logger().info("meanwhile")
        logging.getLogger("theirs").warning("meanwhile too")
    structlog.get_logger().info("later")

    own = span.get_span_context()
    ids = (f"{own.trace_id:032x}", f"{own.span_id:016x}")
    said = [(line.get("trace_id"), line.get("span_id")) for line in lines(written)]
    assert said == [ids, ids, (None, None)]


def test_another_level(written: io.StringIO) -> None:
    """
    A level that changes holds at once, for loggers that were made before too, and is changed back.
    """
    made_before = structlog.get_logger().bind()
    made_before.debug("thing.first")
    logs.set_level("debug")
    made_before.debug("thing.second")
    is_enabled = made_before.is_enabled_for(logging.DEBUG)
    logs.set_level("error")
    structlog.get_logger().warning("thing.third")
    logging.getLogger("elsewhere").warning("fourth")
    logs.set_level("info")
    made_before.info("thing.fifth")
    logging.getLogger("elsewhere").info("sixth")

    assert is_enabled
    assert [line["event"] for line in lines(written)] == ["thing.second", "thing.fifth"]


class TestCommand:
    """The log of a command that ends."""

    @pytest.fixture(autouse=True)
    def restored(self) -> Iterator[None]:
        yield
        structlog.reset_defaults()

    def test_errors(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        Errors alone are written, beside the answer.
        """
        logs.configure_command()
        log = structlog.get_logger()
        log.warning("backend.lost")
        log.error("memberships.query_failed")

        output, complaint = capsys.readouterr()

        assert output == ""
        assert "memberships.query_failed" in complaint
        assert "backend.lost" not in complaint

    def test_captured(self) -> None:
        """
        Whoever runs one in a test leaves nothing behind that hides what later tests look for.
        """
        logs.configure_command()

        with structlog.testing.capture_logs() as captured:
            structlog.get_logger().info("process.ready")

        assert [line["event"] for line in captured] == ["process.ready"]


class TestPace:
    """Whoever writes is held to it."""

    def test_our_own(self, written: io.StringIO) -> None:
        """
        Of many lines at once few are written, what they are paced by is not, and others are not held back.
        """
        log = structlog.get_logger()
        for _ in range(1000):
            log.info("event.unrouted", type="order.created", pace_by="order.created")
            log.info("request.refused")
        log.info("process.stopped")

        here = lines(written)

        (unrouted,) = events(here, "event.unrouted")
        assert unrouted["type"] == "order.created"
        assert "pace_by" not in unrouted
        assert len(events(here, "request.refused")) < 500
        assert events(here, "process.stopped")

    def test_debug(self, written: io.StringIO) -> None:
        """
        Whoever has everything written sees each line of a kind, and as few again afterwards.
        """
        log = structlog.get_logger()
        for event, level in (("a.refused", "info"), ("b.refused", "debug"), ("c.refused", "info")):
            logs.set_level(level)
            for _ in range(20):
                log.info(event, pace_by="BadOrigin")

        here = lines(written)
        told = [len(events(here, event)) for event in ("a.refused", "b.refused", "c.refused")]
        assert told == [1, 20, 1]

    def test_texts(self, written: io.StringIO) -> None:
        """
        What is in a line is cut, and neither ends it nor moves a cursor; a kind is not in it.
        """
        structlog.get_logger().info("a.done", path="\x1b[2J\n" * 500, pace_by="x")
        logging.getLogger("other").warning("\n" * 9000)

        own, other = lines(written)
        assert own["path"] == (r"\x1b[2J\n" * 40) + "…"
        assert other["event"] == r"\n" * 200 + "…"

    def test_others(self, written: io.StringIO) -> None:
        """
        Lines of other libraries go by the name of their logger, whatever they say.
        """
        for number in range(1000):
            logging.getLogger("noisy").error("failed %d times", number)
        logging.getLogger("quiet").error("failed once")

        said = [line["event"] for line in lines(written)]

        assert "failed 0 times" in said
        assert "failed once" in said
        assert len(said) < 500

    def test_below_level(self, written: io.StringIO) -> None:
        """
        What is below the level is not counted either.
        """
        log = structlog.get_logger()
        for _ in range(1000):
            log.debug("request.refused")
        log.info("request.refused")

        assert [line["event"] for line in lines(written)] == ["request.refused"]
