"""
Templates of channel and event names, and what the values in them may not do.

Pure.  A value may not change the kind of a channel (public, private, cached and so on): that is
what the template's own text before the first value says.  Nor may it produce a name out of bounds
or a reserved event.  It may hold the separators that the template uses.
"""

from typing import Any

from libs.common.channels import (
    BadChannelName,
    BadEventName,
    Channel,
    Kind,
    check_channel,
    check_event,
    is_settled,
)
from services.dispatcher.routing.templates import Template

_CLIENT_EVENTS = "client-"


class ChannelTemplate:
    """
    A template of channel names.

    Args:
        source: The text of the template.
        longest: Characters that a name may have.

    Raises:
        BadRule: The text cannot be compiled.
        BadChannelName: Whatever the values, a name would be out of bounds.
    """

    __slots__ = ("_constant", "_is_settled", "_kind", "_longest", "_template")

    def __init__(self, source: str, *, longest: int) -> None:
        self._template = Template(source)
        self._longest = longest
        self._kind = _kind(self._template.prefix)
        self._is_settled = is_settled(self._template.prefix)
        if self._kind[0] is Kind.ENCRYPTED:
            raise BadChannelName(
                source, "a route cannot feed an encrypted channel, nothing encrypts"
            )
        sample = self._check(self._template.sample("0"))
        self._constant = sample if self._template.is_constant else None

    def render(self, scope: dict[str, Any]) -> str:
        """
        Render a name.

        Raises:
            AbsentField: See `Template.render`.
            Unevaluable: See `Template.render`.
            BadChannelName: The name is out of bounds, or of another kind than the template.
        """
        if self._constant is not None:
            return self._constant
        return self._check(self._template.render(scope))

    def _check(self, name: str) -> str:
        check_channel(name, longest=self._longest)
        if not self._is_settled and _kind(name) != self._kind:
            raise BadChannelName(name, "a value changes what kind of channel it is")
        return name


class EventTemplate:
    """
    A template of event names.

    Args:
        source: The text of the template.
        longest: Characters that a name may have.

    Raises:
        BadRule: The text cannot be compiled.
        BadEventName: Whatever the values, a name would be out of bounds.
    """

    __slots__ = ("_constant", "_longest", "_template")

    def __init__(self, source: str, *, longest: int) -> None:
        self._template = Template(source)
        self._longest = longest
        sample = self._check(self._template.sample("0"))
        self._constant = sample if self._template.is_constant else None

    def render(self, scope: dict[str, Any]) -> str:
        """
        Render a name.

        Raises:
            AbsentField: See `Template.render`.
            Unevaluable: See `Template.render`.
            BadEventName: The name is out of bounds or reserved.
        """
        if self._constant is not None:
            return self._constant
        return self._check(self._template.render(scope))

    def _check(self, name: str) -> str:
        check_event(name, longest=self._longest)
        if name.startswith(_CLIENT_EVENTS):
            raise BadEventName(name, "names that begin with client- are for clients")
        return name


def _kind(name: str) -> tuple[Kind, bool]:
    channel = Channel("", name)
    return channel.kind, channel.is_cache
