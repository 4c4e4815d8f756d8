"""What a page says of the command line: commands, and what they print."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Transcript:
    """
    A command of a page, and what it prints there.

    Attributes:
        command: The line after the dollar sign.
        output: What follows it; ``…`` stands for anything.
    """

    command: str
    output: str

    def fits(self, printed: str) -> bool:
        """Tell whether it prints so, whatever the times that it measured."""
        parts = [re.escape(part) for part in _NUMBER.sub("…", self.output.strip()).split("…")]
        return re.fullmatch(".*".join(parts), _NUMBER.sub("", printed.strip())) is not None


_NUMBER = re.compile(r" *\d+\.\d+(?= ms)|(?<=\"seconds\":)[\d.e-]+")


def fenced(page: Path, language: str) -> list[str]:
    """Return the blocks of a page that are in a language."""
    text = page.read_text(encoding="utf-8")
    return [body for name, body in _FENCE.findall(text) if name == language]


def transcripts(page: Path) -> list[Transcript]:
    """Return the commands of a page whose output stands there too."""
    blocks = [block.removeprefix("$ ").partition("\n") for block in fenced(page, "console")]
    return [Transcript(command, output) for command, _, output in blocks]


def commands(page: Path) -> Iterator[str]:
    """Yield every line of a page that runs fanfare, without its comment."""
    yield from (each.command for each in transcripts(page) if each.command.startswith("fanfare"))
    for block in fenced(page, "sh"):
        for line in block.splitlines():
            if line.startswith("fanfare "):
                yield line.partition("  #")[0].strip()
