"""
The exception tree.

    Invalid         the peer sent something that the rules forbid
        AbsentField
        AppUnnamed
        BadBody
        BadCallback
        BadChannelName
        BadEventName
        BadIdempotencyKey
        BadListing
            ForeignCursor
        BadMark
        BadMessage
        BadName
        BadQuery
            TooManyOccupied
        BadReading
        BadRequest
        BadSocketId
        BadUserId
        BadUserList
        BadWebSocketKey
        BadWord
        BodyTooLarge
        BrokenBody
        ClientEventRefused
        CompressedBody
        IdempotencyKeyUsed
        LongLife
        LongToken
        Malformed
        MalformedVersion
        NoEventLog
        NoMembers
        NoReceipts
        NoSigningKey
        NoSuchApp
        NoTyping
        NoUser
        NotInUse
        NotKeptHere
        NotUnicode
        NothingToRotate
        OddPath
        OverCapacity
        PastEpoch
        PathNotFound
        PayloadTooLarge
        QuotaInDoubt
        RecordTooLarge
        SlowBody
        Taken
        TooFast
        TooManyChannels
        TooManyClientEvents
        TooManyCommands
        TooManyEvents
        TooManyMarks
        TooManyMembers
        TooManyOfApp
        TooManyRequests
        TooManyTypists
        TooManyUnknownTokens
        TooManyWatched
        TooMuchUserInfo
        Unclear
        Undecodable
            TooDeep
        Unevaluable
            BadArgument
            Unspellable
        Unfit
        UnknownEvent
        UnknownMediaType
        UnknownWebSocketVersion
        Unroutable
        UnsupportedVersion
        UpgradeRequired
        Violation
        WatchlistTooLong
    Denied          the peer may not do what it asked for
        BadBodyDigest
        BadChannelToken
            RevokedToken
            StaleToken
        BadCredentials
            UnknownKey
            WrongSecret
        BadSignature
            NotSigned
        BadToken
        Forbidden
            AppDisabled
            EncryptionOff
            Expelled
            ForeignOrigin
            LongClaims
            NotAllowed
            NotCovered
            NotNamed
            OriginNotAllowed
            RefusedByGuard
            WrongApp
        MissingToken
        NotIdentified
        NotSignedIn
        OverQuota
        SignedInOtherwise
        StaleTimestamp
        TlsRequired
        UnknownApp
        UnknownCaller
    Unavailable     a backend is away; the same call may succeed later
        Fenced
        LeaseLost
        MigrationsBusy
        NoAnswer
        NotInformed
        ProviderUnavailable
        SpoiltKey
        TooManyBodies
        TooManyQuestions
        TooManyWaiting
    Misconfigured   the operator's settings cannot work; the start stops
        BadPattern
        BadPolicy
        BadRoute
        BadRule
        BadTemplate
        ChangedMigration
        FailedMigration
        UnknownMigration

Everything else is our own fault and is not caught.  Data stands in attributes, wording in one
place, the wire's code on the class.
"""

from collections.abc import Mapping
from types import MappingProxyType


class Invalid(Exception):
    """The peer broke a rule of the protocol or of the API."""

    code = 4300  # Pusher, "Error codes": 4300-4399 inform, and the connection stays open.
    status = 400
    retry_after = 0.0  # Seconds after which the same may be tried again; 0: it will not help.
    may_quote = True  # Whether its words may have a part that the peer chose.


class Denied(Exception):
    """The peer is not allowed to do what it asked for."""

    code = 4009  # Pusher, "Error codes": connection is unauthorized.
    status = 401
    retry_after = 0.0
    may_quote = True
    detail = ""  # What operators alone are told.
    facts: Mapping[str, str] = MappingProxyType({})  # The same by name, for the log.
    # What a 401 says of how to prove who one is (RFC 9110, 11.6.1); empty: HTTP has no such scheme.
    challenge = ""


class Forbidden(Denied):
    """The peer is known, and still may not."""

    status = 403


class Unavailable(Exception):
    """
    A backend cannot be reached or does not answer in time.

    Args:
        backend: What failed: one of the ports ``apps``, ``bus``, ``control``, ``events``,
            ``marks``, ``memberships``, ``rates``, ``roster`` and ``sightings``; ``receipts``, what
            waits for the marks; ``identity``, a server that knows users; ``webhook``, a receiver;
            ``postgres``, while it is migrated; ``memory``, our own.

    Attributes:
        backend: What failed.
        since: Since when, in UTC epoch seconds, where whoever asked is told; else None.
    """

    code = 4100  # Pusher, "Error codes": 4100-4199 mean come back after a second, not at once.
    status = 503
    retry_after = 1.0  # Seconds; backends are tried again with backoff by us, not by the caller.
    may_quote = False

    def __init__(self, backend: str) -> None:
        super().__init__(f"the {backend} backend is unavailable")
        self.backend = backend
        self.since: float | None = None


def kind_of_refusal(error: Invalid | Denied | Unavailable) -> str:
    """Tell the kind of a refusal, whatever the peer chose: the log has a line a minute of each."""
    pattern = error.facts.get("pattern", "") if isinstance(error, Denied) else ""  # A policy's.
    words = "" if error.may_quote else str(error)
    return f"{type(error).__name__} {pattern or words}".rstrip()


class Misconfigured(Exception):
    """A setting cannot work; the message names it and says what was expected."""
