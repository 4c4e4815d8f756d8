"""What Linux tells about processes (proc(5)): whether one still runs, which signals it acts on, and its children."""

import signal
from pathlib import Path


def started(pid: int) -> int | None:
    """
    Return when a process was started, in the kernel's ticks since boot.

    With its id that identifies a process, since ids are used again.  None if it has ended, even
    when nobody has asked for its status yet.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The program's name is in parentheses and may hold anything; the state is what follows it.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in {"X", "Z"} else int(fields[19])


def is_stopped(pid: int) -> bool:
    """Tell whether all of a process's threads stand still, or it has ended: a signal takes a while."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        states = [(each / "stat").read_text().rpartition(")")[2].split()[0] for each in threads]
    except OSError:
        return started(pid) is None
    return all(state in {"T", "X", "Z"} for state in states)


def catches(pid: int, number: signal.Signals) -> bool:
    """Tell whether a process would act on a signal that it were sent now."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    masks = dict(line.split(":", 1) for line in status)
    bit = 1 << (number - 1)
    return bool(int(masks["SigCgt"], 16) & bit) and not int(masks["SigBlk"], 16) & bit


def children(pid: int) -> list[int]:
    """Return the ids of a process's children; all of them only while it is stopped."""
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in listed.split()]
