"""Families: names that Prometheus' users expect, and labels that have few values."""

import pytest

from libs.common.telemetry.metrics.families import Family, Metric, counter, gauge, histogram
from libs.common.telemetry.metrics.histogram import Histogram

CLOSED = counter("fanfare_closed_total", "Closed.", "code")


class TestNames:
    """Prometheus, "Metric and label naming"."""

    @pytest.mark.parametrize("name", ["closed_total", "fanfare_Closed_total", "fanfare__total", ""])
    def test_malformed(self, name: str) -> None:
        with pytest.raises(ValueError, match="no name"):
            counter(name, "Closed.")

    def test_counters(self) -> None:
        """What only grows ends with ``_total``, and nothing else does."""
        with pytest.raises(ValueError, match="_total"):
            counter("fanfare_closed", "Closed.")
        with pytest.raises(ValueError, match="_total"):
            gauge("fanfare_closed_total", "Closed.")

    @pytest.mark.parametrize("label", ["channel", "user_id", "socket_id"])
    def test_unbounded_labels(self, label: str) -> None:
        """
        No label is a channel, a user or a socket.
        """
        with pytest.raises(ValueError, match=label):
            counter("fanfare_closed_total", "Closed.", "code", label)

    @pytest.mark.parametrize(
        "family,unit",
        [
            (histogram("fanfare_latency_seconds", "How long."), "s"),
            (gauge("fanfare_rss_bytes", "How much."), "By"),
            (counter("fanfare_sent_bytes_total", "How much."), "By"),
            (CLOSED, ""),
        ],
        ids=lambda given: given if isinstance(given, str) else given.name,
    )
    def test_units(self, family: Family, unit: str) -> None:
        """
        The name ends with the unit.
        """
        assert family.unit == unit


class TestReadings:
    """What a family is now."""

    def test_alone(self) -> None:
        family = gauge("fanfare_connections", "How many.")

        assert family.of(3) == Metric(family, {(): 3})
        assert family.of(None) == Metric(family, {})

    def test_one_label(self) -> None:
        assert CLOSED.by({"4200": 3}).values == {("4200",): 3}

    def test_several_labels(self) -> None:
        lag = gauge("fanfare_lag", "How far.", "topic", "partition")

        assert lag.by({("orders", "0"): 7}).values == {("orders", "0"): 7}

    def test_histogram(self) -> None:
        taken = Histogram()
        family = histogram("fanfare_latency_seconds", "How long.")

        assert family.of(taken).values[()] is taken

    def test_missing_label(self) -> None:
        """
        A value without its labels is a fault of ours.
        """
        with pytest.raises(ValueError, match="1 labels"):
            CLOSED.of(3)
