"""
What holds for all sessions of a gateway, and may change while they run.

Pure.  Who makes the sessions gives all of them the same rules, and replaces what is in these.
"""

from dataclasses import dataclass, field
from typing import Protocol

from libs.common.policies.guards import Guards
from libs.common.policies.selections import ReceiptRule, SelectedChannels, TypingRule
from services.gateway.session.activity import AWAY_AFTER


class GatewayRules(Protocol):
    """What a gateway takes of the rules that may change while it runs."""

    @property
    def guards(self) -> Guards:
        """Return the policies of public channels."""

    @property
    def typing(self) -> SelectedChannels[TypingRule]:
        """Return the channels in which clients may say that they type in any case."""

    @property
    def receipts(self) -> SelectedChannels[ReceiptRule]:
        """Return the channels in which it is kept how far each user has read."""


@dataclass(slots=True)
class SessionRules:
    """
    What holds for all sessions.

    Attributes:
        away_after: Seconds without a sign of life after which a user is away; 0: never.
        typing_ttl: Seconds for which a user types, unless that is said again; 0: nobody ever does.
        typing: The channels in which clients may say that they type, whether or not their app has
            client events.
        receipts: The channels in which it is kept how far each user has read.
    """

    away_after: float = AWAY_AFTER
    typing_ttl: float = 0.0
    typing: SelectedChannels[TypingRule] = field(default_factory=SelectedChannels)
    receipts: SelectedChannels[ReceiptRule] = field(default_factory=SelectedChannels)

    def adopt(self, rules: GatewayRules) -> None:
        """Put other selections in the place of all."""
        self.typing = rules.typing
        self.receipts = rules.receipts
