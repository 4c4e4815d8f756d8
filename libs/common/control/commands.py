"""
Commands to every gateway, as values.  `Control` announces and remembers them.

Pure.
"""

import msgspec


class Command(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    Something that every gateway must do, and must go on to hold to.

    Attributes:
        verb: ``terminate`` (close what a user has open), ``revoke`` (refuse a token, and end its
            sessions), ``expel`` (end a user's subscriptions of some channels) or ``debug`` (show
            more in the log, `libs.common.debugging.orders`).  A reader ignores verbs and fields
            that it does not know.
        app: The app's id.
        subject: Whom or what it concerns: a user id, a token's ``jti``, or a channel's name.
        issued_at: UTC epoch seconds.
        expires_at: Until when it is remembered, UTC epoch seconds.
        kind: What the subject is: ``user``, ``jti`` or ``token``; of ``debug`` what is shown.
        channels: Those that an ``expel`` is about: names, in which ``*`` stands for any characters.
        level: The level of the log that a ``debug`` orders.
        processes: Names of those that a ``debug`` concerns; none: all.
        by: The machine from which a ``debug`` was ordered, as it calls itself; empty: not said.
    """

    verb: str
    app: str
    subject: str
    issued_at: float
    expires_at: float
    kind: str = "user"
    channels: tuple[str, ...] = ()
    level: str = ""
    processes: tuple[str, ...] = ()
    by: str = ""
