"""Whether a user is active or away."""

from math import inf

import pytest

from services.gateway.protocol.effects import Away
from services.gateway.session.activity import Activity

AFTER = 300.0


@pytest.fixture
def activity() -> Activity:
    return Activity(AFTER, heard_at=0.0)


class TestSilence:
    """No sign of life for long."""

    def test_away(self, activity: Activity) -> None:
        """
        It is away from then on, which is said once, until it is heard again.
        """
        assert activity.due == AFTER
        assert activity.judged(AFTER - 1) == []
        assert activity.judged(AFTER) == [Away(is_away=True)]
        assert activity.judged(AFTER + 1) == []
        assert activity.due == inf

        assert activity.heard(AFTER + 2) == [Away(is_away=False)]
        assert activity.due == 2 * AFTER + 2

    def test_heard_in_time(self, activity: Activity) -> None:
        assert activity.heard(10.0) == []

        assert activity.judged(AFTER) == []
        assert activity.judged(AFTER + 10) == [Away(is_away=True)]

    def test_never(self) -> None:
        """
        Without a bound nobody is away by silence.
        """
        activity = Activity(0, heard_at=0.0)

        assert activity.due == inf
        assert activity.judged(1e9) == []


class TestWord:
    """What the user says."""

    def test_said(self, activity: Activity) -> None:
        """
        It counts until the contrary is said, whatever else is heard meanwhile; each once.
        """
        assert activity.says(is_away=True) == [Away(is_away=True)]
        assert activity.says(is_away=True) == []
        assert activity.heard(1.0) == []

        assert activity.says(is_away=False) == [Away(is_away=False)]

    def test_both(self, activity: Activity) -> None:
        """
        Who said so and fell silent is away until neither is so.
        """
        activity.says(is_away=True)
        assert activity.judged(AFTER) == []

        assert activity.heard(AFTER + 1) == []
        assert activity.says(is_away=False) == [Away(is_away=False)]
