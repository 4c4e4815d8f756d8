"""Scripts of several files, the calls of them, and durations for Redis."""

from hashlib import sha1
from pathlib import Path

import pytest

from libs.common.redis.scripts import Call, Script, milliseconds


@pytest.mark.parametrize(
    "seconds, expected",
    [(0.0, 0), (0.0001, 1), (0.25, 250), (3600.0, 3_600_000), (-1.0, -1000)],
)
def test_milliseconds(seconds: float, expected: int) -> None:
    """
    Durations are whole milliseconds for Redis, and the shortest is still one.
    """
    assert milliseconds(seconds) == expected


class TestScript:
    """A script is known to the server by the digest of its text."""

    def test_joined(self, tmp_path: Path) -> None:
        """Files follow each other under a shebang with the flags."""
        for name, text in (("a.lua", "local a = 1\n"), ("b.lua", "return a\n")):
            (tmp_path / name).write_text(text)

        script = Script.joined(tmp_path / "a.lua", tmp_path / "b.lua", flags="allow-oom")

        assert script.text == "#!lua flags=allow-oom\nlocal a = 1\n\nreturn a\n"
        assert script.digest == sha1(script.text.encode(), usedforsecurity=False).hexdigest()

    def test_call(self) -> None:
        """A call goes where its first key is, with how many keys there are."""
        script = Script("return 1")

        call = script.call(["one", "two"], "word", 3)

        words = ("EVALSHA", script.digest, 2, "one", "two", "word", 3)
        assert call == Call("one", words, script)
