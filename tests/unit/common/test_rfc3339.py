"""RFC 3339, 5.6: "Internet Date/Time Format"."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.rfc3339 import instant, text_of

NEW_YEAR_2017 = 1_483_228_800.0


class TestInstant:
    """What is a time."""

    @pytest.mark.parametrize(
        "text,epoch",
        [
            ("2016-12-31T23:59:59Z", NEW_YEAR_2017 - 1),
            ("2016-12-31t23:59:59z", NEW_YEAR_2017 - 1),
            ("2016-12-31T23:59:59.5Z", NEW_YEAR_2017 - 0.5),
            ("2016-12-31T23:59:59.123456789Z", NEW_YEAR_2017 - 1 + 0.123456),
            ("2017-01-01T05:29:59+05:30", NEW_YEAR_2017 - 1),
            ("2016-12-31T15:59:59-08:00", NEW_YEAR_2017 - 1),
            ("2017-01-01T00:00:00-00:00", NEW_YEAR_2017),
        ],
    )
    def test_read(self, text: str, epoch: float) -> None:
        assert instant(text) == pytest.approx(epoch, abs=1e-6)

    @pytest.mark.parametrize(
        "text,epoch",
        [
            ("2016-12-31T23:59:60Z", NEW_YEAR_2017),
            ("2016-12-31t23:59:60z", NEW_YEAR_2017),
            ("2016-12-31T23:59:60.25Z", NEW_YEAR_2017 + 0.25),
            ("2016-12-31T15:59:60-08:00", NEW_YEAR_2017),
            ("2017-01-01T05:29:60+05:30", NEW_YEAR_2017),
            ("2015-06-30T23:59:60Z", 1_435_708_800.0),
        ],
    )
    def test_leap_second(self, text: str, epoch: float) -> None:
        """RFC 3339, 5.7: the last second of a month in UTC may be the sixtieth."""
        assert instant(text) == epoch

    @pytest.mark.parametrize(
        "text",
        [
            *("", "yesterday", "1483228799", "2016-12-31", "2016-12-31T23:59Z"),
            *("2016-12-31 23:59:59Z", "2016-12-31_23:59:59Z", "2016-12-31T23:59:59"),
            *("2016-12-31T23:59:59+0530", "2016-12-31T23:59:59+05", "2016-12-31T23:59:59 Z"),
            *("2016-12-31T23:59:59,5Z", "2016-12-31T23:59:59.Z", "2016-12-31T24:00:00Z"),
            *("2016-13-01T00:00:00Z", "2016-02-30T00:00:00Z", "0000-01-01T00:00:00Z"),
            *("2016-12-31T23:59:61Z", "2016-12-31T12:00:60Z", "2016-12-30T23:59:60Z"),
            *("2016-12-31T23:59:59+24:00", "2016-12-31T23:59:60+05:30", "٢٠١٦-12-31T23:59:59Z"),
            *("2016-12-31T23:59:59Z\n", "9999-12-31T23:59:60Z", "9999-12-31T18:59:60-05:00"),
        ],
    )
    def test_refused(self, text: str) -> None:
        with pytest.raises(
            ValueError, match=r"RFC 3339|leap|must be|out of|Invalid|day|month|hour"
        ):
            instant(text)


class TestTextOf:
    """An instant in words, as JavaScript writes it."""

    @pytest.mark.parametrize(
        "seconds,text",
        [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_700_000_000.5, "2023-11-14T22:13:20.500Z"),
            (1_700_000_000.0004, "2023-11-14T22:13:20.000Z"),
            (1_699_999_999.9996, "2023-11-14T22:13:20.000Z"),
            (-1, "1969-12-31T23:59:59.000Z"),
            (253_402_300_799, "9999-12-31T23:59:59.000Z"),
        ],
    )
    def test_written(self, seconds: float, text: str) -> None:
        assert text_of(seconds) == text

    @pytest.mark.parametrize("seconds", [1e12, -1e12, 1e300, float("inf"), float("nan")])
    def test_refused(self, seconds: float) -> None:
        with pytest.raises(ValueError, match=r"no instant|cannot convert"):
            text_of(seconds)

    @given(st.integers(-62_135_596_800_000, 253_402_300_799_000))
    def test_read_again(self, milliseconds: int) -> None:
        assert instant(text_of(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, abs=1e-4)
