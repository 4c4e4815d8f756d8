"""What is logged: the section ``[log]``."""

from typing import Literal

import msgspec


class LogSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What is logged, and how: ``[log]``.

    Attributes:
        level: The least that is written.
        format: ``json`` for machines, ``console`` for people; ``auto`` is console on a terminal,
            else json.
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"
