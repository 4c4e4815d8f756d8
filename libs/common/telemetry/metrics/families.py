"""
Families of metrics: what is counted or measured, under which name and with which labels.

Pure.  A family is declared once, as a constant of the module ``metrics`` of its service, and read
whenever somebody asks; docs/metrics.md is made from the declarations.  Names follow Prometheus'
rules ("Metric and label naming"): they end with the unit, counters with ``_total``.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from libs.common.telemetry.metrics.histogram import Histogram

FORBIDDEN = frozenset({"channel", "user", "user_id", "socket", "socket_id", "address"})

Labels = tuple[str, ...]
Value = int | float | Histogram
Key = TypeVar("Key", bound=str | Labels)

_NAME = re.compile(r"fanfare(_[a-z0-9]+)+")
_UNITS = {"seconds": "s", "bytes": "By", "ratio": "1"}


@dataclass(frozen=True, slots=True)
class Family:
    """
    A family of metrics.

    Attributes:
        name: As Prometheus and OTLP have it.
        kind: ``counter``: it only grows until the process ends; ``gauge``: it is as it is now;
            ``histogram``: how many were at most so large.
        means: What it says, and where it matters what it does not say; whole sentences.
        labels: By what it is told apart.  Few values each: none is a channel, a user or a socket.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    means: str
    labels: Labels = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name} is no name of a metric of ours")
        if (self.kind == "counter") != self.name.endswith("_total"):
            raise ValueError(f"counters end with _total, and {self.name} is a {self.kind}")
        if forbidden := FORBIDDEN & {*self.labels}:
            raise ValueError(f"{self.name} has labels without bound: {sorted(forbidden)}")

    @property
    def unit(self) -> str:
        """The unit, as UCUM writes it (OpenTelemetry, "Instrument units"); empty: it is a count."""
        return _UNITS.get(self.name.removesuffix("_total").rpartition("_")[2], "")

    def of(self, value: Value | None) -> "Metric":
        """Read a family that has no labels; None: it is not known here."""
        return Metric(self, {} if value is None else {(): value})

    def by(self, values: Mapping[Key, Value], *, known: Iterable[Key] = ()) -> "Metric":
        """
        Read a family by its labels.

        Args:
            values: By the values of all labels, in their order; of a single label by its value.
            known: Those that are there with 0 before they are counted, so that the rate of the
                first one is seen (Prometheus, "Instrumentation": avoid missing metrics).
        """
        whole: dict[Labels, Value] = {
            (key,) if isinstance(key, str) else key: value
            for key, value in (dict.fromkeys(known, 0) | {**values}).items()
        }
        return Metric(self, whole)


@dataclass(frozen=True, slots=True)
class Metric:
    """
    What a family is now.

    Attributes:
        family: The family.
        values: By the values of its labels, in their order; none of a family that knows nothing.
    """

    family: Family
    values: Mapping[Labels, Value]

    def __post_init__(self) -> None:
        expected = len(self.family.labels)
        if any(len(labels) != expected for labels in self.values):
            raise ValueError(f"{self.family.name} has {expected} labels")


def counter(name: str, means: str, *labels: str) -> Family:
    """Declare what only grows."""
    return Family(name, "counter", means, labels)


def gauge(name: str, means: str, *labels: str) -> Family:
    """Declare what comes and goes."""
    return Family(name, "gauge", means, labels)


def histogram(name: str, means: str, *labels: str) -> Family:
    """Declare what is read from a `Histogram`."""
    return Family(name, "histogram", means, labels)
