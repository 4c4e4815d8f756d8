"""What there is to say of a question or an event: lines for people, and an object for programs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from libs.common.findings.words import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """
    An answer, and why.

    Attributes:
        is_good: Whether the user may join, or something would be sent.
        lines: For people; the last one is the verdict.
        facts: For programs, as JSON has them.
    """

    is_good: bool
    lines: list[str]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def json(self) -> str:
        """Write it as one object."""
        whole = {"ok": self.is_good, **self.facts, "verdict": self.lines[-1], "told": self.lines}
        return msgspec.json.encode(whole).decode()


def text_of(explanations: Iterable[Explanation]) -> str:
    """Write several for people, an empty line between them."""
    return "\n\n".join("\n".join(map(printable, each.lines)) for each in explanations)
