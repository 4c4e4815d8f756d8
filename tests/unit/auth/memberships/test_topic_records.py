"""Records that tell of memberships."""

import pytest

from libs.common.eventlog.records import Record
from libs.common.memberships.membership import Membership
from services.auth.memberships.topic_records import Malformed, latest, membership_of

ANN = Membership("1", "7", "campaign:5")
BEN = Membership("1", "8", "campaign:5")


def record(key: bytes | None, value: bytes | None = b"{}") -> Record:
    return Record("members", 0, 0, 0.0, key, value, ())


class TestRecord:
    """The key names a membership, the value says whether it is there."""

    @pytest.mark.parametrize(
        "key,membership",
        [
            (b"1/7/campaign:5", ANN),
            (b'{"app": "1", "user": "7", "group": "campaign:5", "more": 1}', ANN),
            (b"1/7/a/b", Membership("1", "7", "a/b")),
            (b'{"app": "1", "user": "a/b", "group": "c"}', Membership("1", "a/b", "c")),
            ("1/Zoë/ü".encode(), Membership("1", "Zoë", "ü")),
        ],
    )
    def test_key(self, key: bytes, membership: Membership) -> None:
        assert membership_of(record(key)) == (membership, True)

    @pytest.mark.parametrize(
        "value,is_there",
        [(None, False), (b"null", False), (b"", True), (b"{}", True), (b"x", True)],
    )
    def test_value(self, value: bytes | None, *, is_there: bool) -> None:
        assert membership_of(record(b"1/7/campaign:5", value)) == (ANN, is_there)

    @pytest.mark.parametrize(
        "key,reason",
        [
            (None, "the key is missing"),
            (b"", "the key is missing"),
            (b"1/7", "neither app/user/group nor JSON"),
            (b"\xff/7/x", "neither app/user/group nor JSON"),
            (b"{", "JSON without app, user and group"),
            (b'{"app": "1", "user": 7.5, "group": "x"}', "JSON without app, user and group"),
            (b'{"a":' + b"[" * 5000, "JSON without app, user and group"),
            (b"1//x", "a membership's user"),
            (b"1/7/" + b"x" * 201, "a membership's group"),
            (b"1/7/\x00", "a membership's group"),
        ],
    )
    def test_malformed(self, key: bytes | None, reason: str) -> None:
        """What names no membership is said, and not quoted: it may be anything."""
        with pytest.raises(Malformed, match=reason):
            membership_of(record(key))


class TestLatest:
    """Of several records about a membership the last counts."""

    def test_latest(self) -> None:
        told = [(ANN, True), (BEN, True), (ANN, False), (BEN, False), (BEN, True)]

        assert latest(told) == ([BEN], [ANN])
