"""
Writes frames to the subscribers of channels here.

One fan-out at a time, in the order in which they were asked for: whatever is awaited in between,
the order of a channel is kept.  Writing itself never waits; other tasks get a turn after every
`SLICE` subscribers.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping

from msgspec.structs import asdict

from libs.common.bus.messages import Audited, Broadcast
from libs.common.channels import Channel
from libs.common.telemetry.audit import audit_log
from libs.common.telemetry.tracing.names import fanning_out
from libs.common.telemetry.tracing.tracer import UNTRACED, Tracer
from services.gateway.channels.hub import Fanout, Hub
from services.gateway.connections import socket
from services.gateway.connections.connection import Connection
from services.gateway.counters import Counters
from services.gateway.frame_log import FrameLog

SLICE = 256  # Subscribers that are written to before others get a turn.
# Frames are joined up to this size in bytes, so that a write stays small beside its bound.
JOINED_BYTES = 65_536


class Broadcaster:
    """
    Writes to who is subscribed at the moment of asking.

    Args:
        hub: Knows who is subscribed to what.
        counters: What is counted.
        tracer: Makes spans of broadcasts that are watched.
        frames: Shows frames in the log, while an operator wants to see them.
    """

    def __init__(
        self,
        hub: Hub[Connection],
        counters: Counters,
        tracer: Tracer = UNTRACED,
        *,
        frames: FrameLog | None = None,
    ) -> None:
        self._hub = hub
        self._frames = frames or FrameLog()
        self._counters = counters
        self._tracer = tracer
        self._writing = asyncio.Lock()

    async def fan_out(self, batch: Mapping[Channel, Iterable[Broadcast]]) -> None:
        """Write to each channel's subscribers what there is for it, in order."""
        # All recipients are named before the first await: who comes later has not missed these.
        fanouts = [
            (channel, self._hub.fanout(channel, broadcasts))
            for channel, broadcasts in batch.items()
        ]
        if self._frames.is_on:
            self._show(fanouts)
        async with self._writing:
            for channel, fanout in fanouts:
                if fanout is not None:
                    began = time.time()
                    await self._write(fanout)
                    self._note(channel, fanout, began=began)

    def _show(self, fanouts: Iterable[tuple[Channel, Fanout[Connection] | None]]) -> None:
        for channel, fanout in fanouts:
            if fanout is not None:
                for broadcast in fanout.broadcasts:
                    recipients = fanout.recipients(broadcast)
                    self._frames.fanned_out(channel, broadcast.frame, recipients=recipients)

    async def _write(self, fanout: Fanout[Connection]) -> None:
        counters = self._counters
        excluded = fanout.excluded()
        self._count(fanout, {each.socket_id for each in excluded})
        for subscriber, broadcasts in excluded.items():
            for data in runs(broadcasts):
                counters.sent_bytes += len(data)
                subscriber.socket.write(data)
        shared = runs(fanout.broadcasts)
        sockets = [each.socket for each in fanout.subscribers if each not in excluded]
        counters.sent_bytes += sum(map(len, shared)) * len(sockets)
        for start in range(0, len(sockets), SLICE):
            if start:
                await asyncio.sleep(0)
            for data in shared:
                socket.write_all(sockets[start : start + SLICE], data)

    def _count(self, fanout: Fanout[Connection], excluded: set[str]) -> None:
        """Count who gets what; one who is left out of some frames is looked for in each."""
        counters, everybody = self._counters, len(fanout.subscribers)
        counters.broadcasts += len(fanout.broadcasts)
        counters.deliveries += len(fanout.broadcasts) * everybody
        if not excluded:
            counters.recipients.record(everybody, len(fanout.broadcasts))
            return
        for broadcast in fanout.broadcasts:
            left_out = len(excluded.intersection(broadcast.excluded))
            counters.deliveries -= left_out
            counters.recipients.record(everybody - left_out)

    def _note(self, channel: Channel, fanout: Fanout[Connection], *, began: float) -> None:
        """Record how long it took: once for each broadcast, never for each subscriber."""
        now = time.time()
        for broadcast in fanout.broadcasts:
            # Clocks differ between machines: nothing arrives before it was sent.
            self._counters.latency.record(max(0.0, now - broadcast.published_at))
            if broadcast.occurred_at:
                self._counters.delivery.record(max(0.0, now - broadcast.occurred_at))
            if broadcast.trace and self._tracer.wants(broadcast.trace):
                step = fanning_out(
                    channel.app, channel.name, recipients=fanout.recipients(broadcast)
                )
                self._tracer.record(step, broadcast.trace, began=began, ended=now)
            if broadcast.audited is not None and audit_log.is_on:
                _audit(channel, fanout, broadcast, broadcast.audited)


def _audit(
    channel: Channel, fanout: Fanout[Connection], broadcast: Broadcast, audited: Audited
) -> None:
    audit_log.info(
        "audit.delivered",
        **asdict(audited),
        app=channel.app,
        channel=channel.name,
        recipients=fanout.recipients(broadcast),
    )


def runs(broadcasts: Iterable[Broadcast]) -> list[bytes]:
    """Join frames into writes; the frame that makes one `JOINED_BYTES` long or more ends it."""
    joined: list[bytes] = []
    waiting: list[bytes] = []
    size = 0
    for broadcast in broadcasts:
        waiting.append(broadcast.frame)
        size += len(broadcast.frame)
        if size >= JOINED_BYTES:
            joined.append(socket.join(waiting))
            waiting, size = [], 0
    if waiting:
        joined.append(socket.join(waiting))
    return joined
