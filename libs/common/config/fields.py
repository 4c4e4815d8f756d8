"""Types of fields that several sections have."""

from typing import Annotated

from msgspec import Meta

from libs.common.config.address import Address
from libs.common.config.types import ALONE

Seconds = Annotated[float, Meta(gt=0)]
Addresses = Annotated[tuple[Address, ...], Meta(min_length=1), ALONE]
