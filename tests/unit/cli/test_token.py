"""`fanfare token`: what a claim on the command line stands for."""

import pytest

from services.cli.token import claims_of


class TestClaims:
    """A value is JSON, or else text."""

    @pytest.mark.parametrize(
        "text,value",
        [("n=1", 1), ('n=["1"]', ["1"]), ("n=Ann", "Ann"), ("n=a=b", "a=b"), ("n=", "")],
    )
    def test_read(self, text: str, value: object, capsys: pytest.CaptureFixture[str]) -> None:
        assert claims_of([text]) == {"n": value}
        assert capsys.readouterr() == ("", "")

    @pytest.mark.parametrize("value", ["[1", '{"a": 1', '"x', "['1']"])
    def test_broken(self, value: str, capsys: pytest.CaptureFixture[str]) -> None:
        """What begins as JSON does and is none is taken as a text, with a warning."""
        assert claims_of([f"companies={value}"]) == {"companies": value}

        said = (
            f"fanfare: warning: --claim companies: {value!r} is no JSON, and is taken as a text\n"
        )
        assert capsys.readouterr() == ("", said)
