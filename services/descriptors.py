"""How many files, sockets among them, the process may have open."""

import resource

import structlog

from libs.common.errors import Misconfigured

log = structlog.get_logger()

SPARE_FILES = 200  # File descriptors beside those of clients: backends, listeners, logs.


def raise_file_limit(connections: int) -> None:
    """
    Allow as many files as the system lets us.

    Raises:
        Misconfigured: That is less than the connections that the settings promise.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS has no hard limit, and refuses a soft one that is as high.
    is_open = hard == resource.RLIM_INFINITY
    limit = max(soft, connections + SPARE_FILES) if is_open else hard
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    log.debug("files.limited", limit=limit)
    check_file_limit(connections, hard)


def affordable(connections: int) -> int:
    """
    Tell how many connections a gateway may hold: as many as it is told, or as descriptors allow.

    Args:
        connections: Those that the settings promise; 0 or below: none.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if connections > 0 or soft == resource.RLIM_INFINITY:
        return connections
    return max(1, soft - SPARE_FILES)


def check_file_limit(connections: int, hard: int) -> None:
    """
    Check that a process may open as many files as its clients need.

    Args:
        connections: Those that the settings promise; 0 or below: none.
        hard: Files that it may open at most, or `resource.RLIM_INFINITY`.

    Raises:
        Misconfigured: It may not.
    """
    if hard != resource.RLIM_INFINITY and hard < connections + SPARE_FILES:
        raise Misconfigured(
            f"gateway.max_connections is {connections}, and this process may open {hard} files: "
            f"allow it {connections + SPARE_FILES} (ulimit -n), or fewer connections"
        )
