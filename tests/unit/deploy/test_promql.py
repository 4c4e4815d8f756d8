"""What an expression names is found, and what is not there is said."""

import pytest

from libs.common.telemetry.metrics.families import counter, gauge, histogram
from tests.support.monitoring.promql import Named, Series, faults, named, recorded, shown

FAMILIES = [
    counter("fanfare_sent_total", "Sent: `broadcast` or `answer`.", "kind"),
    gauge("fanfare_waiting", "What waits.", "queue"),
    histogram("fanfare_latency_seconds", "How late."),
]
KNOWN = dict(shown({each.name: each for each in FAMILIES})) | {
    "job:fanfare_sent:rate5m": recorded("job:fanfare_sent:rate5m")
}


class TestNamed:
    """Series are found wherever they stand."""

    def test_all(self) -> None:
        expression = 'sum by (job) (rate(fanfare_sent_total{kind="answer"}[5m])) > job:fanfare_sent:rate5m and up{job=~"fanfare.*"} == 1'

        assert named(expression) == [
            Named("fanfare_sent_total", (("kind", "answer"),)),
            Named("job:fanfare_sent:rate5m", ()),
            Named("up", (("job", "fanfare.*"),)),
        ]

    def test_recorded(self) -> None:
        assert recorded("job_topic:fanfare_records:rate5m") == Series(
            frozenset({"job", "topic"}), grows=False, means=""
        )


class TestFaults:
    """What is not there is said."""

    @pytest.mark.parametrize(
        "expression",
        [
            'sum by (job, kind) (rate(fanfare_sent_total{kind=~"answer|broadcast"}[5m])) > 1',
            "histogram_quantile(0.99, sum by (le) (rate(fanfare_latency_seconds_bucket[5m])))",
            'fanfare_waiting{job="x", instance=~"y.*"} > 0 unless on (job) job:fanfare_sent:rate5m',
            "max_over_time(fanfare_waiting[10m])",
        ],
    )
    def test_none(self, expression: str) -> None:
        assert not [*faults(expression, KNOWN)]

    @pytest.mark.parametrize(
        "expression, fault",
        [
            ("rate(fanfare_gone_total[5m])", "there is no metric fanfare_gone_total"),
            ("job:fanfare_gone:rate5m > 1", "there is no metric job:fanfare_gone:rate5m"),
            ("fanfare_latency_seconds > 1", "there is no metric fanfare_latency_seconds"),
            ('fanfare_waiting{kind="x"}', "fanfare_waiting has no label kind"),
            ('fanfare_sent_total{kind="word"}', "fanfare_sent_total has no kind word"),
            ("sum by (queue) (fanfare_sent_total)", "nothing here has a label queue"),
            ("rate(fanfare_waiting[5m])", "fanfare_waiting is a gauge, and has no rate"),
        ],
    )
    def test_one(self, expression: str, fault: str) -> None:
        assert [*faults(expression, KNOWN)] == [fault]
