"""
What an expression of PromQL names, and whether there is such a thing.

Pure.  Not a parser: whether an expression is valid promtool says.  What promtool cannot know is which metrics, labels and
values Fanfare shows; that is compared with the declarations.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from libs.common.telemetry.metrics.families import Family

TARGET = frozenset({"job", "instance"})  # Prometheus gives them to whatever it scrapes.
# Their values no family lists.
OPEN = frozenset({"backend", "server", "group", "topic", "issuer", "sink", "status", "code"})

_SERIES = re.compile(r"(?<![\w:])((?:\w+:)?fanfare_\w+(?::\w+)?|up)(?![\w:(])(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')
_LISTS = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_GROWTH = re.compile(r"\b(?:rate|irate|increase)\(\s*((?:\w+:)?fanfare_\w+)")
_QUOTED = re.compile(r'"[^"]*"')
_WORD = re.compile(r"[a-z][a-z_]*")


@dataclass(frozen=True, slots=True)
class Series:
    """
    A series that can be asked for.

    Attributes:
        labels: All that it has.
        grows: Whether it may be put into ``rate``.
        means: What is said of it; the values that its labels may have stand in back quotes.
    """

    labels: frozenset[str]
    grows: bool
    means: str


@dataclass(frozen=True, slots=True)
class Named:
    """
    A series as an expression names it.

    Attributes:
        name: Of the metric.
        wanted: Labels and the values that are asked for, as they are written.
    """

    name: str
    wanted: tuple[tuple[str, str], ...]


def shown(families: Mapping[str, Family]) -> Iterator[tuple[str, Series]]:
    """Yield the series that Prometheus has of Fanfare, by the name of the metric."""
    yield "up", Series(TARGET, grows=False, means="")
    for name, family in families.items():
        labels = TARGET | {*family.labels}
        if family.kind != "histogram":
            yield name, Series(labels, grows=family.kind == "counter", means=family.means)
            continue
        yield f"{name}_bucket", Series(labels | {"le"}, grows=True, means=family.means)
        for part in ("_sum", "_count"):
            yield f"{name}{part}", Series(labels, grows=True, means=family.means)


def recorded(name: str) -> Series:
    """Return what a recording rule records, by its name: its labels stand before the first colon."""
    return Series(frozenset(name.partition(":")[0].split("_")), grows=False, means="")


def named(expression: str) -> list[Named]:
    """Find the series that an expression names."""
    return [
        Named(name, tuple(_MATCHER.findall(matchers)))
        for name, matchers in _SERIES.findall(expression)
    ]


def faults(expression: str, known: Mapping[str, Series]) -> Iterator[str]:
    """Say what an expression names that is not there."""
    every: set[str] = set()
    for each in named(expression):
        if (series := known.get(each.name)) is None:
            yield f"there is no metric {each.name}"
            continue
        every |= series.labels
        yield from _mismatches(each, series)
    bare = _QUOTED.sub('""', expression)
    for label in re.findall(r"\w+", " ".join(_LISTS.findall(bare))):
        if label not in every:
            yield f"nothing here has a label {label}"
    for name in _GROWTH.findall(bare):
        if name in known and not known[name].grows:
            yield f"{name} is a gauge, and has no rate"


def _mismatches(each: Named, series: Series) -> Iterator[str]:
    for label, value in each.wanted:
        if label not in series.labels:
            yield f"{each.name} has no label {label}"
        elif label not in TARGET | OPEN | {"le"}:
            words = [word for word in value.split("|") if _WORD.fullmatch(word)]
            for word in words:
                if f"`{word}`" not in series.means:
                    yield f"{each.name} has no {label} {word}"
