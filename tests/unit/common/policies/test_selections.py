"""Selections of channels."""

import pytest

from libs.common.channels import Channel
from libs.common.policies.patterns import BadPattern
from libs.common.policies.selections import ReceiptRule, SelectedChannels, TypingRule

FIRST = ReceiptRule(pattern="private-chat.{id}", app="1")
SECOND = ReceiptRule(pattern="private-{any*}", marks="positions", app="1")


def test_first_that_fits_counts() -> None:
    selection = SelectedChannels([FIRST, SECOND])

    assert selection.rule(Channel("1", "private-chat.7")) is FIRST
    assert selection.rule(Channel("1", "private-chat.7.8")) is SECOND
    assert [rule.are_positions for rule in (FIRST, SECOND)] == [False, True]


def test_other_channels_and_apps_are_not_selected() -> None:
    selection = SelectedChannels([FIRST])

    assert selection.rule(Channel("1", "presence-chat.7")) is None
    assert selection.rule(Channel("2", "private-chat.7")) is None
    assert SelectedChannels[TypingRule]().rule(Channel("1", "private-chat.7")) is None


def test_apps_that_have_rules() -> None:
    selection = SelectedChannels([FIRST])

    assert [selection.selects(app) for app in ("1", "2")] == [True, False]
    assert [bool(each) for each in (selection, SelectedChannels[ReceiptRule]())] == [True, False]


def test_captures() -> None:
    """Those of the rule that counts."""
    selection = SelectedChannels([FIRST, SECOND])

    assert selection.captures(Channel("1", "private-chat.7")) == {"id": "7"}
    assert selection.captures(Channel("1", "private-x.7")) == {"any": "x.7"}
    assert selection.captures(Channel("2", "private-chat.7")) == {}


def test_pattern_that_cannot_be_read() -> None:
    with pytest.raises(BadPattern):
        SelectedChannels([TypingRule(pattern="private-{", app="1")])
