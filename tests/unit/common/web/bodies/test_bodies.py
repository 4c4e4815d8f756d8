"""Bodies have room, in bounds, and whoever has none is told so."""

import pytest
from structlog.testing import capture_logs

from libs.common.web.bodies.bodies import Bodies, TooManyBodies


def counted(bodies: Bodies) -> dict[str, object]:
    return {metric.family.name: metric.values[()] for metric in bodies.metrics()}


class TestTake:
    """Room is taken, or refused."""

    def test_refused(self) -> None:
        """
        A line for each app tells of it, with the setting, and is paced.
        """
        bodies = Bodies(1000)
        bodies.take("1", 500)

        with capture_logs() as lines, pytest.raises(TooManyBodies) as caught:
            bodies.take("1", 1)

        (line,) = lines
        assert (line["event"], line["app"], line["bytes"]) == ("bodies.refused", "1", 500)
        assert (line["pace_by"], line["setting"]) == ("1", "server.max_bodies")
        assert (caught.value.status, caught.value.retry_after) == (503, 1.0)

    def test_user(self) -> None:
        """
        What a user has is not his app's; the line is about the app, however many users there are.
        """
        bodies = Bodies(1000)
        bodies.take(("1", "ann"), 500)
        bodies.take("1", 250)

        with capture_logs() as lines, pytest.raises(TooManyBodies):
            bodies.take(("1", "ann"), 1)

        (line,) = lines
        assert (line["app"], line["pace_by"]) == ("1", "1")

    def test_counted(self) -> None:
        bodies = Bodies(1000)
        bodies.take("1", 300)
        bodies.take("", 200)
        with pytest.raises(TooManyBodies):
            bodies.take("2", 400)
        bodies.give_back("", 200)

        assert counted(bodies) == {
            "fanfare_http_body_bytes": 300,
            "fanfare_http_bodies_refused_total": 1,
        }
