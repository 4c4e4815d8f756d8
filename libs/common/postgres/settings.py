"""How PostgreSQL is used: the section ``[postgres]``."""

from typing import Annotated

import msgspec
from msgspec import Meta

from libs.common.config.fields import Seconds


class PostgresSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    How PostgreSQL is used: ``[postgres]``.

    Attributes:
        pool_size: Most connections of this process to one database.
        connect_timeout: Seconds to wait for a connection, new or from the pool.
        command_timeout: Seconds to wait for an answer.
        prepared_statements: Statements of a connection that PostgreSQL keeps prepared; 0 behind a
            pooler that changes servers between transactions (PgBouncer's ``pool_mode =
            transaction``).
    """

    pool_size: Annotated[int, Meta(ge=2, le=100)] = 4
    connect_timeout: Seconds = 5.0
    command_timeout: Seconds = 10.0
    prepared_statements: Annotated[int, Meta(ge=0)] = 100
