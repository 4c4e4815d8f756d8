"""What auth tells of itself in numbers: docs/metrics.md is made from these declarations."""

from collections.abc import Iterator, Mapping

from libs.common.telemetry.metrics.families import Metric, counter, gauge, histogram
from services.auth.counters import AuthCounters
from services.auth.identity.jwks import Jwks
from services.auth.memberships.lookups import MembershipLookups

REQUESTS = counter(
    "fanfare_auth_requests_total",
    "Requests of clients for channels and sign-ins, by the status of the answer: 401 not believed, "
    "403 not allowed, 429 too many, 503 a backend is away.",
    "status",
)
CHANNELS = counter(
    "fanfare_auth_channels_total",
    "Channels that clients asked for, several in one request counted each: `granted`, `refused`, "
    "or `unavailable`, as a backend that must be asked is away.",
    "result",
)
SECONDS = histogram(
    "fanfare_auth_decision_seconds",
    "How long the answers to these requests took: who it is, what is allowed, and the signature.",
)
JWKS_AGE = gauge(
    "fanfare_jwks_age_seconds",
    "Since the keys of an issuer were last read; `auth.jwks_max_age` is how old they may be. "
    "Missing until they were read once.",
    "issuer",
)
JWKS_READS = counter(
    "fanfare_jwks_reads_total",
    "Attempts to read these keys: `read` or `failed`.",
    "issuer",
    "result",
)
LOOKUPS = counter(
    "fanfare_membership_lookups_total",
    "Memberships that a decision hung on: `remembered`, or `asked` of the backend.",
    "result",
)
QUESTIONS = gauge("fanfare_membership_questions", "Memberships that wait for the backend's answer.")


STATUSES = ("200", "400", "401", "403", "429", "503")


def read(
    counters: AuthCounters, jwks: Mapping[str, Jwks], lookups: MembershipLookups
) -> Iterator[Metric]:
    """
    Read all.

    Args:
        counters: What is counted of requests.
        jwks: The keys of issuers, by the issuer.
        lookups: What is asked about memberships.
    """
    answers = {str(status): count for status, count in counters.requests.items()}
    yield REQUESTS.by(answers, known=STATUSES)
    yield CHANNELS.by(counters.channels)
    yield SECONDS.of(counters.seconds)
    yield JWKS_AGE.by({name: keys.age for name, keys in jwks.items() if keys.is_read})
    yield JWKS_READS.by(
        {
            (name, result): count
            for name, keys in jwks.items()
            for result, count in keys.reads.items()
        }
    )
    yield LOOKUPS.by(lookups.counts)
    yield QUESTIONS.of(lookups.questions)
