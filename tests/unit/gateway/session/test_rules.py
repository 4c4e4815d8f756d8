"""What holds for all sessions of a gateway."""

from libs.common.channels import Channel
from libs.common.policies.guards import Guards
from libs.common.policies.policies import Policies
from libs.common.policies.selections import ReceiptRule, SelectedChannels, TypingRule
from services.gateway.session.rules import SessionRules
from services.reload import Rules

CHAT = Channel("1", "private-chat")


def test_adopted() -> None:
    """Selections are replaced, for all who hold the rules; timers stay."""
    rules = SessionRules(1.0, 2.0)
    assert rules.typing.rule(CHAT) is None
    assert rules.receipts.rule(CHAT) is None
    typing = SelectedChannels([TypingRule(pattern="private-{any}", app="1")])
    receipts = SelectedChannels([ReceiptRule(pattern="private-chat", app="1")])

    rules.adopt(Rules(Policies([]), Guards([]), (), typing=typing, receipts=receipts))

    assert rules.typing.rule(CHAT) is not None
    assert rules.receipts.rule(CHAT) is not None
    assert (rules.away_after, rules.typing_ttl) == (1.0, 2.0)
