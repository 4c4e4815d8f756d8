"""Requests that publish, as the API takes them."""

import msgspec

from bench.deployment import APP
from bench.load.posts import data, posts, size
from libs.common.apps.signatures import check_digest, check_head
from libs.common.bus.messages import event_frame
from services.gateway.connections.socket import frame

NOW = 1_700_000_000
CHANNELS = ["bench-00000", "bench-00001"]


def taken_apart(request: bytes) -> tuple[str, str, str, bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    first, *headers = head.decode().split("\r\n")
    method, target, version = first.split(" ")
    assert version == "HTTP/1.1"
    assert f"Content-Length: {len(body)}" in headers
    path, _, query = target.partition("?")
    return method, path, query, body


def bodies(count: int, batch: int) -> list[bytes]:
    return [taken_apart(each)[3] for each in posts(CHANNELS, count, batch=batch, now=NOW)]


class TestPosts:
    """Requests, taken apart."""

    def test_is_signed(self) -> None:
        """
        All are signed so that the API takes them.
        """
        for batch in (1, 10):
            for request in posts(CHANNELS, 10, batch=batch, now=NOW):
                method, path, query, body = taken_apart(request)
                digest = check_head(APP, method, [path], raw_query=query, has_body=True, now=NOW)
                check_digest(digest, body)

    def test_single(self) -> None:
        """
        Channels have an event in turn, each with data of its own.
        """
        events = [msgspec.json.decode(body) for body in bodies(3, 1)]

        assert [event["channel"] for event in events] == [*CHANNELS, CHANNELS[0]]
        assert len({event["data"] for event in events}) == 3

    def test_batches(self) -> None:
        """
        The last batch has what is left.
        """
        batches = [msgspec.json.decode(body)["batch"] for body in bodies(25, 10)]

        assert [len(batch) for batch in batches] == [10, 10, 5]

    def test_endpoints(self) -> None:
        paths = [taken_apart(posts(CHANNELS, 1, batch=batch, now=NOW)[0])[1] for batch in (1, 10)]

        assert paths == ["/apps/1/events", "/apps/1/batch_events"]


def test_size() -> None:
    """What a subscriber receives is as long for all events."""
    sizes = {len(frame(event_frame(CHANNELS[1], "event", data(each)))) for each in (0, 99_999)}

    assert sizes == {size("bench-")}
