"""
What is measured beside an earlier release: both by turns, and the ratio of each pair of turns.

Pure.  Where there is no earlier release, what is measured here stands alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.figures import Figure, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """
    A line of the report, with one for the earlier release and one for the ratio of the two.

    Attributes:
        name: What samples call it.
        title: What it measures, in words.
        unit: In which it is printed.
        scale: From the sample's unit to this one.
        at_most: The most that the ratio to the earlier release may be.
        here_at_most: The most that is allowed here, as printed.
    """

    name: str
    title: str
    unit: str
    scale: float = 1.0
    at_most: float | None = None
    here_at_most: float | None = None

    def figures(self, *, base: bool) -> list[Figure]:
        """Return the lines, with those of the earlier release if there is one."""
        here = Figure(
            name=self.name,
            title=self.title,
            unit=self.unit,
            scale=self.scale,
            at_most=self.here_at_most,
        )
        if not base:
            return [here]
        return [
            here,
            Figure(
                name=f"{self.name}_base", title="  the same, BASE", unit=self.unit, scale=self.scale
            ),
            Figure(name=f"{self.name}_ratio", title=f"{self.title}, by BASE", at_most=self.at_most),
        ]


def lines(comparisons: Sequence[Comparison], *, base: bool) -> list[Figure]:
    """Return the lines of all."""
    return [figure for each in comparisons for figure in each.figures(base=base)]


def compared(name: str, turns: Sequence[Sequence[float]]) -> Sample:
    """
    Return the sample of a run.

    Args:
        name: Of the `Comparison`.
        turns: What each turn measured: what is here, then the earlier release if there is one.
    """
    here, *others = zip(*turns, strict=True)
    sample = {name: median(here)}
    for base in others:
        ratios = [one / other for one, other in zip(here, base, strict=True)]
        sample |= {f"{name}_base": median(base), f"{name}_ratio": median(ratios)}
    return sample
