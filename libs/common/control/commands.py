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
            sessions) or ``expel`` (end a user's subscriptions of some channels).  A reader ignores
            verbs it does not know.
        app: The app's id.
        subject: Whom or what it concerns: a user id, or a token's ``jti``.
        issued_at: UTC epoch seconds.
        expires_at: Until when it is remembered, UTC epoch seconds.
        kind: What the subject is: ``user``, ``jti`` or ``token``.
        channels: Those that an ``expel`` is about: names, in which ``*`` stands for any characters.
    """

    verb: str
    app: str
    subject: str
    issued_at: float
    expires_at: float
    kind: str = "user"
    channels: tuple[str, ...] = ()
