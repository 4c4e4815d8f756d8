"""Records of the event log."""

from libs.common.errors import Invalid
from libs.common.eventlog.records import NewRecord, RecordTooLarge, size_of


def test_size() -> None:
    """Key, value and headers count, names of headers too."""
    headers = (("ce_id", b"42"), ("ce_id", b""))

    assert size_of(NewRecord("topic", b"value", b"key", headers)) == 5 + 3 + 7 + 5


def test_tombstone() -> None:
    """What is not there has no size."""
    assert size_of(NewRecord("topic", None)) == 0


def test_too_large() -> None:
    """It is the caller's fault, and trying again will not help."""
    error = RecordTooLarge()

    assert isinstance(error, Invalid)
    assert (error.status, error.retry_after) == (413, 0)
