"""The table of what can never be sent, in docs/events.md: what it names is refused, and what it offers is taken."""

import re
import tomllib
from typing import Any

import pytest

from libs.common.apps.limits import Limits
from services.dispatcher.routing.rules import BadRoute, Rule
from tests.support.purity import ROOT
from tests.unit.dispatcher.examples import route

PAGE = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("### What can never be sent")[2].partition("\n## ")[0]
ROWS = re.findall(r"^\| `(.+?)` \| .+? \| (`.+`.*) \|$", TABLE, re.MULTILINE)


def rule(fields: dict[str, Any]) -> Rule:
    return Rule(route(**fields), app="1", limits=Limits())


@pytest.mark.parametrize("written,instead", ROWS)
def test_row(written: str, instead: str) -> None:
    fields = tomllib.loads(written)
    ((field, value),) = fields.items()
    with pytest.raises(BadRoute):
        rule(fields)

    for other in re.findall(r"`(.+?)`", instead):
        rule({field: dict.fromkeys(value, other) if isinstance(value, dict) else other})


def test_rows() -> None:
    assert len(ROWS) == 6
