"""That a conversation which goes otherwise than it is written is noticed, on whatever stage."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.core import Core
from tests.conformance.play import app_of, play, settings_of
from tests.conformance.transcript import Conversation, Unreadable, read
from tests.conformance.wording import is_alike

Written = Callable[[str], Conversation]
SUBSCRIBED = """\
> {"event":"pusher:subscribe","data":{"channel":"news"}}
< {"event":"pusher_internal:subscription_succeeded","channel":"news","data":"{}"}
"""


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Write a conversation, and read it."""

    def write(lines: str) -> Conversation:
        file = tmp_path / "file.txt"
        file.write_text(f"# Why.\n== Title\n{lines}", encoding="utf-8")
        (conversation,) = read(file)
        return conversation

    return write


async def played(conversation: Conversation) -> None:
    await play(conversation, Core(app_of(conversation), settings_of(conversation)))


class TestPlay:
    """`play.play`."""

    async def test_as_written(self, written: Written) -> None:
        """
        What goes as it is written, passes.
        """
        await played(written(SUBSCRIBED))

    @pytest.mark.parametrize(
        "lines",
        [
            SUBSCRIBED.replace('"{}"', "{}"),
            SUBSCRIBED.replace('"{}"', '""'),
            SUBSCRIBED.replace(',"data":"{}"', ""),
            SUBSCRIBED.replace('"data":"{}"', '"data":"{}","more":1'),
            SUBSCRIBED.replace("succeeded", "count"),
            SUBSCRIBED.replace("<", "bob<"),
            SUBSCRIBED + SUBSCRIBED.splitlines()[1],
            SUBSCRIBED.splitlines()[0],
            SUBSCRIBED + "<< close 4009",
            SUBSCRIBED + "<< ping",
            SUBSCRIBED + '@ backend publishes news {"name":"x","data":"1"}',
            SUBSCRIBED.replace("<", "<*"),
            '@ client opens /app/app-key\n< {"event":"pusher:connection_established","data":"{}"}',
            "@ client opens /app/no-key\n",
        ],
    )
    async def test_otherwise(self, written: Written, lines: str) -> None:
        """
        Another frame, one too many, and one too few are noticed.
        """
        with pytest.raises(AssertionError):
            await played(written(lines))

    async def test_place(self, written: Written) -> None:
        """
        It is told in which line.
        """
        with pytest.raises(AssertionError) as caught:
            await played(written(SUBSCRIBED.replace("succeeded", "count")))

        assert caught.value.__notes__[0].startswith("file.txt:4: client ")


class TestAlike:
    """`wording.is_alike`."""

    @pytest.mark.parametrize(
        "expected,heard",
        [
            ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
            ({"a": "<text>"}, {"a": "whatever"}),
            ({"event": "pusher:x", "data": '{"a": 1}'}, {"event": "pusher:x", "data": '{"a":1}'}),
        ],
    )
    def test_alike(self, expected: object, heard: object) -> None:
        """
        Order and white space mean nothing in what the server composes, and a wording may be any.
        """
        assert is_alike(expected, heard)

    @pytest.mark.parametrize(
        "expected,heard",
        [
            ({"a": 1}, {"a": 1, "b": 2}),
            ({"a": 1}, {"a": True}),
            ({"a": [1, 2]}, {"a": [2, 1]}),
            ({"a": "<text>"}, {"a": ""}),
            ({"event": "x", "data": '{"a": 1}'}, {"event": "x", "data": '{"a":1}'}),
            ({"event": "pusher:x", "data": '{"a": 1}'}, {"event": "pusher:x", "data": {"a": 1}}),
            ({"event": "pusher:x", "data": '{"a": 1}'}, {"event": "pusher:x", "data": "a"}),
        ],
    )
    def test_not_alike(self, expected: object, heard: object) -> None:
        """
        Everything else does, and in what is passed on for others every character.
        """
        assert not is_alike(expected, heard)


class TestRead:
    """`transcript.read`."""

    @pytest.mark.parametrize(
        "line", ["nonsense", "@ nonsense", "on core", "on neither: why", "app []"]
    )
    def test_unreadable(self, written: Written, line: str) -> None:
        """
        A line that means nothing is refused, with its place.
        """
        with pytest.raises(Unreadable, match=r"file\.txt:3"):
            written(line)

    def test_before_the_first(self, tmp_path: Path) -> None:
        """
        So is one that stands in no conversation.
        """
        file = tmp_path / "file.txt"
        file.write_text(SUBSCRIBED, encoding="utf-8")

        with pytest.raises(Unreadable, match=r"file\.txt:1"):
            read(file)

    def test_settings(self, written: Written) -> None:
        """
        Stages and settings are read.
        """
        lines = 'on live: why\napp {"tls_only": true}\ngateway {"max_message": 1024}\n'

        conversation = written(lines)

        assert conversation.stages == {"live"}
        assert app_of(conversation).tls_only
        assert settings_of(conversation).max_message == 1024

    def test_long_lines(self, written: Written) -> None:
        """
        A line that is indented goes on with the one before, and its place is that of its first.
        """
        (step,) = written('\n> {"event":\n   "x"}').steps

        assert (step.text, step.line) == ('{"event": "x"}', 4)
