"""Bodies of requests to auth, whatever they ask for."""

from libs.common.errors import Invalid

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
MAX_FIELDS = 200  # Of a form: a hundred channels, and what pages add of their own.


class BadBody(Invalid):
    """A request's body is not what the endpoint takes."""


class UnknownMediaType(Invalid):
    """A request's body is of a kind that we do not read."""

    status = 415

    def __init__(self) -> None:
        super().__init__(f"expected a body of {FORM} or {JSON}")
