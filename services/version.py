"""Which release this is, as its installation says."""

from importlib.metadata import PackageNotFoundError, version

UNKNOWN = "unknown"  # Where the source runs without having been installed.


def release(name: str = "fanfare") -> str:
    """Tell the version of an installed package, such as ``0.1.0``; `UNKNOWN` if it is none."""
    try:
        return version(name)
    except PackageNotFoundError:
        return UNKNOWN


VERSION = release()
