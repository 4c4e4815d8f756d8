"""
Known weaknesses of what is locked, as pip-audit finds them; and whether it looked at all of it.

pip-audit is content where its service knows nothing of a package, and leaves out what is for another system.  Here
every line of the lock is looked up, and fewer answers than lines are a failure.

``python -m tests.support.audit LOCK [pip-audit's own options]`` says what is wrong, a line each.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.support.locks import Lock

DEADLINE = 900.0  # Seconds for all of it.


class Weakness(msgspec.Struct):
    """What is known against a package; the versions that mend it."""

    id: str
    fix_versions: tuple[str, ...] = ()


class Finding(msgspec.Struct):
    """What was found of a package; without a version it was skipped."""

    name: str
    version: str = ""
    vulns: tuple[Weakness, ...] = ()


class Report(msgspec.Struct):
    """What pip-audit writes as JSON."""

    dependencies: tuple[Finding, ...] = ()


def requirements(lock: Lock) -> str:
    """Write what pip-audit shall look up: each version, wherever it is installed."""
    return "".join(f"{pin.name}=={pin.version}\n" for pin in lock.pins)


def faults(lock: Lock, report: Report) -> list[str]:
    """Say what is known against locked packages, and how many were not looked at, if any."""
    known = [
        f"{found.name} {found.version}: {weakness.id}{_remedy(weakness)}"
        for found in report.dependencies
        for weakness in found.vulns
    ]
    audited = {(found.name, found.version) for found in report.dependencies}
    missing = [str(pin) for pin in lock.pins if (pin.name, pin.version) not in audited]
    missing += lock.others
    locked = len(lock.pins) + len(lock.others)
    if missing or not locked:
        done = locked - len(missing)
        known.append(
            f"{done} of {locked} packages of {lock.name} were audited; not: {_some(missing)}"
        )
    return known


def _remedy(weakness: Weakness) -> str:
    return f", mended in {', '.join(weakness.fix_versions)}" if weakness.fix_versions else ""


def _some(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more if names else "any"


def audited(lock: Lock, options: Sequence[str]) -> tuple[Report, str]:
    """
    Look a lock up.

    Args:
        lock: What is looked up.
        options: Further ones of pip-audit, such as which service is asked.

    Returns:
        What was found; and the last words of pip-audit where it failed, or nothing.
    """
    with tempfile.TemporaryDirectory() as directory:
        listed, written = Path(directory, "locked.txt"), Path(directory, "report.json")
        listed.write_text(requirements(lock))
        arguments = ["--disable-pip", "--no-deps", "--progress-spinner=off", "--format=json"]
        command = [sys.executable, "-m", "pip_audit", *arguments, f"--output={written}"]
        try:
            ended = subprocess.run(  # noqa: S603 - of this environment.
                [*command, f"--requirement={listed}", *options],
                check=False, capture_output=True, text=True, timeout=DEADLINE,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Report(), f"pip-audit did not end within {DEADLINE:g} s"
        if not written.exists():
            return Report(), _last_words(ended.stderr) or f"pip-audit ended with {ended.returncode}"
        return msgspec.json.decode(written.read_bytes(), type=Report), ""


def _last_words(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def main(arguments: Sequence[str]) -> int:
    """Audit a lock, and return the exit status."""
    file, *options = arguments
    lock = Lock.parse(Path(file).name, Path(file).read_text())
    report, trouble = audited(lock, options)
    found = faults(lock, report)
    for line in [trouble, *found] if trouble else found:
        sys.stderr.write(f"{line}\n")
    if not found:
        sys.stdout.write(f"{len(lock.pins)} packages of {lock.name} were audited\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
