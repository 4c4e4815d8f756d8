"""Types of fields that several sections have."""

import msgspec
import pytest

from libs.common.config.fields import Seconds


class TestSeconds:
    """A time that passes."""

    def test_taken(self) -> None:
        assert msgspec.convert(0.05, Seconds) == 0.05
        assert msgspec.convert(2, Seconds) == 2.0

    @pytest.mark.parametrize("value", [0, -1.0, "1", True])
    def test_refused(self, value: object) -> None:
        """Nothing is waited for in no time."""
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(value, Seconds)
