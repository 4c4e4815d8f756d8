"""Connections as the intake knows them, whose transports only note what is done with them."""

from typing import cast

from libs.common.apps.app import App
from libs.common.apps.limits import Limits
from libs.common.config.secret import Secret
from services.gateway.intake.intake import resume
from services.gateway.intake.sender import Outlet
from services.gateway.protocol.reader import Frame, FrameReader, Violation


class Transport:
    """Notes whether it is read from."""

    def __init__(self) -> None:
        self.is_reading = True
        self.is_aborted = False

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True

    def is_closing(self) -> bool:
        return self.is_aborted

    def abort(self) -> None:
        self.is_aborted = True


class Writing:
    """The writing side, in which as much waits as a test says."""

    def __init__(self) -> None:
        self.transport = Transport()
        self.unsent = 0

    @property
    def straight(self) -> int:
        return -1 if self.unsent else 1


class OfApp:
    """What a session is to the intake."""

    def __init__(self, limits: Limits) -> None:
        self.app = App(id="1", key="key", secrets=(Secret("secret"),), limits=limits)


class Client:
    """
    A connection.

    Attributes:
        heard: The payloads of what was worked on.
        expelled: Why it was closed.
        fails: Whether working on a message fails.
        broken: The code of how it broke the protocol.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.is_open = True
        self.waits = False
        self.frames_earned_at = 0.0
        self.reader = FrameReader(64 * 1024)
        self.session = OfApp(limits or Limits())
        self.writing = Writing()
        self.heard: list[bytes] = []
        self.expelled = ""
        self.broken = 0
        self.fails = False

    @property
    def socket(self) -> Outlet:
        return cast(Outlet, self.writing)

    def is_read(self) -> bool:
        """Tell whether it is read from."""
        return self.writing.transport.is_reading

    def receive(self, message: Frame, now: float) -> None:  # noqa: ARG002 - it is called with it.
        if self.fails:
            raise RuntimeError("a fault of ours")
        self.heard.append(message.payload)

    def violated(self, violation: Violation) -> None:
        self.broken = violation.code
        self.is_open = False

    def expel(self, reason: str) -> None:
        self.expelled = reason
        self.is_open = False
        resume(self)
