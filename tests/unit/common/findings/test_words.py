"""Findings in words: with values for a terminal, without for a log."""

from typing import Any

import pytest

from libs.common.expressions import Expression
from libs.common.findings.findings import found
from libs.common.findings.words import LONGEST, kinds_read, mismatches, shown, told, valued

KNOWN: dict[str, Any] = {
    "claims": {
        "company": 5,
        "companies": [5, 6, 7, 8],
        "texts": ["5"],
        "mixed": [5, "a"],
        "empty": [],
        "roles": {"5": "admin"},
        "teams": [{"id": 5}, {"id": 6}],
        "level": "3",
        "banned": False,
    },
    "user": {"id": "7", "info": {"name": "Ann"}},
    "company_id": "5",
}
NEVER = "a number never equals a text"


def say(source: str, *, shows: bool = False) -> list[str]:
    return mismatches(source, KNOWN, ["company_id"], shows=shows)


class TestMismatches:
    """A number that met a text, where that decided."""

    @pytest.mark.parametrize(
        "source,with_values,without",
        [
            (
                "company_id in claims.companies",
                'claims.companies holds the numbers 5, 6, 7 and 1 more, {company_id} is the text "5"',
                "claims.companies holds numbers, {company_id} is a text",
            ),
            (
                "claims.company in claims.texts",
                'claims.texts holds the text "5", claims.company is the number 5',
                "claims.texts holds texts, claims.company is a number",
            ),
            (
                "claims.company in claims.roles",
                'claims.roles has texts as keys ("5"), claims.company is the number 5',
                "claims.roles has texts as keys, claims.company is a number",
            ),
            (
                "claims.company == company_id",
                'claims.company is the number 5, {company_id} is the text "5"',
                "claims.company is a number, {company_id} is a text",
            ),
            (
                "company_id == claims.company",
                'claims.company is the number 5, {company_id} is the text "5"',
                "claims.company is a number, {company_id} is a text",
            ),
            (
                "5 == company_id",
                '5 is a number, {company_id} is the text "5"',
                "5 is a number, {company_id} is a text",
            ),
            (
                "company_id in [5, 6]",
                '[5, 6] holds numbers, {company_id} is the text "5"',
                "[5, 6] holds numbers, {company_id} is a text",
            ),
        ],
    )
    def test_said(self, source: str, with_values: str, without: str) -> None:
        """What is advised is an expression that holds."""
        (full,), (bare,) = say(source, shows=True), say(source)

        said, _, advice = full.partition(f": {NEVER}; write ")
        assert said == with_values
        assert bare == f"{without}: {NEVER}; write {advice}"
        assert Expression(source, KNOWN).evaluate(KNOWN) is False
        assert Expression(advice, KNOWN).evaluate(KNOWN) is True

    @pytest.mark.parametrize(
        "source,words",
        [
            (
                "claims.teams.exists(t, t.id == company_id)",
                f"t.id is a number, {{company_id}} is a text: {NEVER}; write string(t.id) == company_id",
            ),
            (
                "!(claims.company != company_id)",
                f"claims.company is a number, {{company_id}} is a text: {NEVER}; write string(claims.company) != company_id",
            ),
            (
                "claims.level > 2",
                "2 is a number, claims.level is a text: a number cannot be compared with a text; write double(claims.level) in the place of claims.level",
            ),
            (
                "company_id in claims.companies + [9]",
                f"claims.companies + [9] holds numbers, {{company_id}} is a text: {NEVER}; write (claims.companies + [9]).exists(each, string(each) == company_id)",
            ),
        ],
    )
    def test_elsewhere(self, source: str, words: str) -> None:
        assert say(source) == [words]

    @pytest.mark.parametrize(
        "source",
        [
            "user.id == company_id",
            "company_id in claims.texts && false",
            "company_id in claims.mixed",
            "company_id in claims.empty",
            "company_id in claims.nope",
            "claims.nope == company_id",
            "claims.banned == company_id",
            "claims.company == 6",
            "claims.company != company_id && false",
            "type(claims.company) == 'string' && claims.company == company_id",
            "claims.banned ? claims.company == company_id : false",
            "string(claims.company) == user.id",
        ],
    )
    def test_nothing_to_say(self, source: str) -> None:
        """Where no number met a text, or what came of it decided nothing."""
        assert say(source) == []

    def test_two_at_most(self) -> None:
        assert len(say("company_id == 1 || company_id == 2 || company_id == 3")) == 2


class TestTold:
    """A part, how it came out, and on which values."""

    @pytest.mark.parametrize(
        "source,words",
        [
            (
                "claims.company > 6",
                "claims.company > 6 is false: claims.company is the whole number 5",
            ),
            ("claims.banned", "claims.banned is false"),
            ("claims.level", 'claims.level is the text "3"'),
            (
                "claims.nope > company_id",
                'claims.nope > company_id needs what is absent: claims.nope is absent, company_id is the text "5"',
            ),
            (
                "claims.level > 2",
                'claims.level > 2 cannot be evaluated (a type does not fit): claims.level is the text "3"',
            ),
            (
                "user.info.name.startsWith('B')",
                "user.info.name.startsWith('B') is false: user.info.name is the text \"Ann\"",
            ),
        ],
    )
    def test_told(self, source: str, words: str) -> None:
        (finding,) = found(source, KNOWN)

        assert told(finding) == words.replace("the whole number", "the number")

    def test_kinds(self) -> None:
        source = "claims.company + claims.level > claims.nope.a && company_id.x"

        assert kinds_read(source, KNOWN) == (
            "claims.company is a whole number, claims.level is a text, claims.nope.a is absent, "
            "company_id.x cannot be evaluated (there is no 'x' in a text)"
        )

    @pytest.mark.parametrize(
        "value,words",
        [
            (None, "null"),
            (True, "true"),
            (5, "the number 5"),
            (1.5, "the number 1.5"),
            ("é\n\x1b", 'the text "é\\n\\u001b"'),
            ([1], "the list [1]"),
            ({"a": "\x9b"}, 'the object {"a": "?"}'),
        ],
    )
    def test_values(self, value: object, words: str) -> None:
        """What a terminal would take as an order is not written to it."""
        assert valued(value) == words

    def test_long_values(self) -> None:
        assert len(shown("x" * 1000)) == LONGEST + 1
