"""What this machine must have for the settings: descriptors of files, and certificates in time."""

import resource
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from libs.common.errors import Misconfigured
from libs.common.web.certificates import Lifetime, lifetimes
from services.cli.checking.remarks import Remark, error
from services.descriptors import SPARE_FILES, check_file_limit
from services.settings import Settings

DAY = 86_400.0
SOON = 14 * DAY  # Seconds.  Whoever renews certificates does so weeks before.


FEW_FILES = 4096  # As many as old systems gave a process; none that serves clients lives on them.


def of_files(
    settings: Settings, services: Collection[str], *, hard: int | None = None
) -> Iterator[Remark]:
    """Compare the files that a process may open, ``hard``, with those that clients would need."""
    if "gateway" not in services:
        return
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1] if hard is None else hard
    connections = settings.gateway.max_connections
    try:
        check_file_limit(connections, hard)
    except Misconfigured as wrong:
        yield error(str(wrong))
    else:
        if connections <= 0 and hard != resource.RLIM_INFINITY and hard < FEW_FILES:
            yield Remark(
                f"gateway.max_connections is not set, and a process may open {hard} files, which "
                f"some {hard - SPARE_FILES} clients use up: allow it more (ulimit -n), or set "
                "gateway.max_connections"
            )


def of_certificate(settings: Settings, now: float | None = None) -> Iterator[Remark]:
    """Judge when the certificates, which can be loaded, are good; ``now`` is UTC epoch seconds."""
    if not settings.server.certificate:
        return
    now = time.time() if now is None else now
    file = Path(settings.server.certificate)
    own, *above = lifetimes(file)
    yield from _of_lifetime(own, f"server.certificate: {file}", now=now)
    for each in above:
        named = f"server.certificate: {each.subject}, which signs in {file},"
        yield from _of_lifetime(each, named, now=now)


def _of_lifetime(lifetime: Lifetime, named: str, *, now: float) -> Iterator[Remark]:
    ends = _day(lifetime.ends_at)
    if now < lifetime.begins_at:
        yield error(f"{named} is not good before {_day(lifetime.begins_at)}")
    if now >= lifetime.ends_at:
        yield error(f"{named} expired on {ends}: clients refuse it")
    elif now >= lifetime.ends_at - SOON:
        yield Remark(f"{named} expires on {ends}: is it renewed?")


def _day(instant: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(instant))
