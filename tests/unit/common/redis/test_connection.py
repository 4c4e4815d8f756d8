"""What is made of the replies to several calls."""

import pytest
from redis.exceptions import ResponseError

from libs.common.errors import Unavailable
from libs.common.redis.connection import raise_first

AWAY = Unavailable("roster")
REFUSED = ResponseError("WRONGTYPE")


class TestRaiseFirst:
    """Trouble among replies is raised, the first of it."""

    def test_none(self) -> None:
        """Where nothing went wrong nothing is raised, whatever the replies are."""
        raise_first([0, b"", None, [], -1], backend="bus")

    @pytest.mark.parametrize(
        "replies, first", [([1, AWAY, REFUSED], AWAY), ([REFUSED, 1, AWAY], REFUSED)]
    )
    def test_first(self, replies: list[object], first: Exception) -> None:
        """It is raised as it is."""
        with pytest.raises(type(first)) as caught:
            raise_first(replies)

        assert caught.value is first

    def test_refusal_of_a_backend(self) -> None:
        """Where a backend is named a refusal is its trouble, and what is trouble already stays."""
        with pytest.raises(Unavailable) as refused:
            raise_first([REFUSED, AWAY], backend="bus")
        with pytest.raises(Unavailable) as away:
            raise_first([AWAY, REFUSED], backend="bus")

        assert (refused.value.backend, refused.value.__cause__) == ("bus", REFUSED)
        assert away.value is AWAY
