"""
Which device a client says that it is: the field ``device`` of its ``user_info``.

Pure.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from libs.common.json_text import JsonReader
from libs.common.roster.device import is_name

_object = JsonReader(dict[str, Any])


def device_of(info: Mapping[str, Any] | None) -> str:
    """Tell which device a ``user_info`` names; empty: none, or by what is no name."""
    name = (info or {}).get("device")
    return str(name) if is_name(name) else ""


def device_in(info: str) -> str:
    """Tell which device a ``user_info`` names that is JSON text; see `device_of`."""
    if '"device"' not in info:  # Most name none, and need not be read.
        return ""
    try:
        return device_of(_object.read(info))
    except (msgspec.DecodeError, RecursionError):  # It is no object.
        return ""
