"""An explanation, for people and for programs."""

import json

from services.cli.explaining.explanation import Explanation, text_of

ONE = Explanation(is_good=True, lines=["why", "yes"], facts={"user": "7"})


def test_json() -> None:
    assert json.loads(ONE.json()) == {
        "ok": True,
        "user": "7",
        "verdict": "yes",
        "told": ["why", "yes"],
    }


def test_text() -> None:
    """Several have an empty line between them; what a terminal would obey is not printed."""
    assert text_of([ONE, Explanation(is_good=False, lines=["n\x1bo"])]) == "why\nyes\n\nn?o"
