"""``python -m services``, and ``fanfare``, is the command line."""

import signal
import sys

# Else it was ignored, as for what runs in the background of a script.
_IS_HEARD = signal.getsignal(signal.SIGINT) is signal.default_int_handler
if _IS_HEARD:
    # To read the program takes a while, and Ctrl-C shall end that without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from services.cli import main  # noqa: E402 - as late as that.


def run() -> int:
    """Do what the command line says, and return the exit status."""
    if _IS_HEARD:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return main()


if __name__ == "__main__":
    sys.exit(run())
