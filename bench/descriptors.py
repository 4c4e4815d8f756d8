"""Open files: how many a process is allowed here, and thus how many connections."""

import resource

from bench.workers import Failed

SPARE = 300  # Of a process, beside those of clients.


def allow_all(needed: int) -> None:
    """
    Allow ourselves, and the processes that we start, as many as the system lets us.

    Raises:
        Failed: That is less than what is needed.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < needed:
        raise Failed(f"a process may open {most} files here, and {needed} are needed: ulimit -n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def connections(wanted: int) -> int:
    """Return as many connections as are wanted, or those for which a process may open files."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if most == resource.RLIM_INFINITY else min(wanted, most - SPARE)
