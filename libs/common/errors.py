"""
The exception tree.

    Invalid         the peer sent something that the rules forbid
    Denied          the peer may not do what it asked for
    Unavailable     a backend is away; the same call may succeed later
    Misconfigured   the operator's settings cannot work; the start stops

Everything else is our own fault and is not caught.  Data stands in attributes, wording in one place, the
wire's code on the class.
"""


class Invalid(Exception):
    """The peer broke a rule of the protocol or of the API."""

    code = 4300  # Pusher, "Error codes": 4300-4399 inform, and the connection stays open.
    status = 400
    retry_after = 0.0  # Seconds after which the same may be tried again; 0: it will not help.


class Denied(Exception):
    """The peer is not allowed to do what it asked for."""

    code = 4009  # Pusher, "Error codes": connection is unauthorized.
    status = 401
    retry_after = 0.0
    detail = ""  # What operators alone are told.


class Forbidden(Denied):
    """The peer is known, and still may not."""

    status = 403


class Unavailable(Exception):
    """
    A backend cannot be reached or does not answer in time.

    Args:
        backend: Which port failed: ``bus``, ``roster``, ``events``, ``apps``, ``control``, ``rates``.
    """

    code = 4100  # Pusher, "Error codes": 4100-4199 mean come back after a second, not at once.
    status = 503
    retry_after = 1.0  # Seconds; backends are tried again with backoff by us, not by the caller.

    def __init__(self, backend: str) -> None:
        super().__init__(f"the {backend} backend is unavailable")
        self.backend = backend


class Misconfigured(Exception):
    """A setting cannot work; the message names it and says what was expected."""
