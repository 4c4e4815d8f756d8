"""What a connection is told when it passes a limit."""

import pytest

from services.gateway.protocol.limits import TooMuchUserInfo, check_user_info


class TestUserInfo:
    """The bytes of a member's ``user_info``."""

    @pytest.mark.parametrize("limit", [4, 5, 0, -1])
    def test_within(self, limit: int) -> None:
        check_user_info('"é"', limit)

    def test_beyond(self) -> None:
        """
        They are counted as they are sent, not as characters.
        """
        with pytest.raises(TooMuchUserInfo, match="3 bytes"):
            check_user_info('"é"', 3)
