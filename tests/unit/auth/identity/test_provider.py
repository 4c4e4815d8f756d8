"""What is said between us and an identity server."""

from libs.common.errors import Unavailable
from services.auth.identity.provider import ProviderQuery, ProviderReply, ProviderUnavailable


def test_nothing_secret_in_repr() -> None:
    """Tokens, and what is known of a user, do not get into logs by accident."""
    query = ProviderQuery(
        "POST", "https://id/introspect", 100, 1.0, {"Authorization": "hush"}, {"token": "hush"}
    )

    assert "hush" not in repr(query)
    assert "https://id/introspect" in repr(query)
    assert "hush" not in repr(ProviderReply(200, b"hush"))


def test_away() -> None:
    """It is a backend that is away; why, operators alone are told."""
    error = ProviderUnavailable("it does not answer")

    assert isinstance(error, Unavailable)
    assert (error.backend, error.reason) == ("identity", "it does not answer")
    assert "does not answer" not in str(error)
