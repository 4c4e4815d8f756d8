"""
Policies as the settings have them: who may join which channels.

Pure.  The section ``[[channels]]``.  Conditions and patterns are compiled by `policies`; what can
be told without them is checked here.
"""

from typing import Annotated

import msgspec
from msgspec import Meta


class ChannelPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Who may join the channels that a pattern names; the first that matches decides, none: 403.

    Attributes:
        pattern: A channel name, prefix included, with captures: ``private-company.{company_id}``.
            ``{name}`` takes a part without full stops, ``{name*}`` one with them.
        allow: A condition in CEL over ``claims``, ``user`` and the captures; empty: none.
        member_of: What the user must be a member of, with captures: ``campaign:{campaign_id}``;
            empty: nothing.
        app: The app's id; may be left out where only one app exists.
    """

    pattern: Annotated[str, Meta(min_length=1)]
    allow: str = ""
    member_of: str = ""
    app: str = ""

    def __post_init__(self) -> None:
        if not self.allow and not self.member_of:
            raise ValueError(
                f'the policy for "{self.pattern}" needs allow or member_of '
                '(allow = "true": all who are known)'
            )
