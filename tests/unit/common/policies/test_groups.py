"""Templates of groups."""

import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.policies.groups import BadTemplate, GroupTemplate
from libs.common.policies.patterns import Pattern

PATTERN = Pattern("private-{kind}.{id*}")
PARTS = st.text("ab-_=@,;", min_size=1, max_size=8)


class TestRender:
    """The group that a channel asks for."""

    @pytest.mark.parametrize(
        "text,group",
        [
            ("staff", "staff"),
            ("{kind}:{id}", "chat:4.2"),
            ("{id*}", "4.2"),
            ("{kind}:{kind}", "chat:chat"),
            ("Ä {id}!", "Ä 4.2!"),
        ],
    )
    def test_named(self, text: str, group: str) -> None:
        captures = PATTERN.match("private-chat.4.2")

        assert captures is not None
        assert GroupTemplate(text, PATTERN).render(captures) == group


class TestCaptures:
    """The captures of which a group was made."""

    @pytest.mark.parametrize(
        "text,group,captures",
        [
            ("staff", "staff", {}),
            ("staff", "staff2", None),
            ("{kind}:{id}", "chat:4.2", {"kind": "chat", "id": "4.2"}),
            ("{kind}:{id}", "ch.at:4", None),
            ("{kind}:{id}", "chat:", None),
            ("{kind}:{kind}", "chat:chat", {"kind": "chat"}),
            ("{kind}:{kind}", "chat:other", None),
            ("a.{id}", "axb", None),
        ],
    )
    def test_told(self, text: str, group: str, captures: Mapping[str, str] | None) -> None:
        assert GroupTemplate(text, PATTERN).captures_of(group) == captures

    @given(PARTS, PARTS)
    def test_one_answer(self, kind: str, name: str) -> None:
        """Whatever a channel is called, its group tells which it was."""
        template, captures = GroupTemplate("{kind}:{id}", PATTERN), {"kind": kind, "id": name}

        assert template.captures_of(template.render(captures)) == captures


class TestRefused:
    """Templates that cannot work are found at the start."""

    @pytest.mark.parametrize(
        "text,reason",
        [
            ("{other}", "{other} is not captured by the pattern"),
            ("a}", "'a}' cannot stand in a group's name"),
            ("a\n{id}", "'a\\n' cannot stand in a group's name"),
            ("x" * 201, "it is longer than 200 characters"),
            ("{kind}{id}", "between {kind} and {id} must stand a character"),
            ("{kind}-{id}", "between {kind} and {id} must stand a character"),
            ("{id}.{kind}", "between {id} and {kind} must stand a character"),
        ],
    )
    def test_reason(self, text: str, reason: str) -> None:
        with pytest.raises(BadTemplate, match=re.escape(reason)):
            GroupTemplate(text, PATTERN)

    def test_narrow_before_a_full_stop(self) -> None:
        """A full stop parts two captures if the first cannot have one."""
        template = GroupTemplate("{kind}.{id}", PATTERN)

        assert template.captures_of("chat.4.2") == {"kind": "chat", "id": "4.2"}
