"""
Devices: the members of the channel in which a user's connections are seated.

Pure.  Such a channel is `libs.common.channels.online_channel`.  Its members are the user's devices,
its seats the connections; what a device is stands in the ``info`` of the member.
"""

from dataclasses import dataclass
from typing import Literal

import msgspec

from libs.common.json_text import JsonReader, write

LONGEST = 64  # Characters of a device's name.
MOST = 100  # Devices of one user that are told apart.
# The member that stands for all devices above that number; no client has this name.
OTHERS = "\x00others"

Activity = Literal["active", "away"]


@dataclass(frozen=True, slots=True)
class Device:
    """
    A device of a user.

    Attributes:
        name: What the client names it; empty: it names none, and each connection counts as one.
        is_away: Whether nobody is at it.
    """

    name: str = ""
    is_away: bool = False

    @property
    def activity(self) -> Activity:
        """Say in a word whether somebody is at it."""
        return "away" if self.is_away else "active"

    def written(self) -> str:
        """Write it as the ``info`` of a member."""
        named = {"device": self.name} if self.name else {}
        return write({**named, "activity": self.activity}).decode()


class _Info(msgspec.Struct, frozen=True):
    activity: Activity = "active"
    device: str = ""


_info = JsonReader(_Info)


def read(info: str) -> Device:
    """Read the ``info`` of a member, as `Device.written` has written it."""
    found = _info.read(info)
    return Device(found.device, found.activity == "away")


def is_name(text: object) -> bool:
    """Tell whether a device can have this name: 1 to `LONGEST` characters that can be printed."""
    return isinstance(text, str) and 0 < len(text) <= LONGEST and text.isprintable()
