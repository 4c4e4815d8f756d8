"""What this machine must have for the settings: descriptors of files, and a certificate in time."""

import resource
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from libs.common.errors import Misconfigured
from libs.common.web.certificates import lifetime
from services.cli.checking.remarks import Remark, error
from services.program import check_file_limit
from services.settings import Settings

DAY = 86_400.0
SOON = 14 * DAY  # Seconds.  Whoever renews certificates does so weeks before.


def of_files(settings: Settings, services: Collection[str]) -> Iterator[Remark]:
    """Compare the files that a process may open with those that clients would need."""
    if "gateway" not in services:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        check_file_limit(settings.gateway.max_connections, hard)
    except Misconfigured as wrong:
        yield error(str(wrong))


def of_certificate(settings: Settings, now: float | None = None) -> Iterator[Remark]:
    """Judge when the certificate, which can be loaded, is good; ``now`` is UTC epoch seconds."""
    if not settings.server.certificate:
        return
    now = time.time() if now is None else now
    file = Path(settings.server.certificate)
    begins_at, ends_at = lifetime(file)
    if now < begins_at:
        yield error(f"server.certificate: {file} is not good before {_day(begins_at)}")
    if now >= ends_at:
        yield error(f"server.certificate: {file} expired on {_day(ends_at)}: clients refuse it")
    elif now >= ends_at - SOON:
        yield Remark(f"server.certificate: {file} expires on {_day(ends_at)}: is it renewed?")


def _day(instant: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(instant))
