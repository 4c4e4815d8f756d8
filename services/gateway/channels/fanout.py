"""
Writes frames to the subscribers of channels here.

One fan-out at a time, in the order in which they were asked for: whatever is awaited in between,
the order of a channel is kept.  Writing itself never waits; other tasks get a turn after every
`SLICE` subscribers.
"""

import asyncio
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from msgspec.structs import asdict

from libs.common.bus.messages import Audited, Broadcast
from libs.common.channels import Channel
from libs.common.telemetry.audit import audit_log
from libs.common.telemetry.tracing.names import fanning_out
from libs.common.telemetry.tracing.tracer import UNTRACED, Tracer
from services.gateway.channels.hub import Fanout, Hub, S
from services.gateway.connections import socket
from services.gateway.connections.connection import Connection
from services.gateway.connections.socket import Socket
from services.gateway.counters import Counters
from services.gateway.frame_log import FrameLog

SLICE = 256  # Subscribers that are written to before others get a turn.
# Frames are joined up to this size in bytes, so that a write stays small beside its bound.
JOINED_BYTES = 65_536


# Sockets, and what each of them is written.
Share = tuple[list[Socket], list[bytes]]


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
        self._under_way = 0  # How many write in turn, or wait for their turn.

    async def fan_out(self, batch: Mapping[Channel, Collection[Broadcast]]) -> None:
        """Write to each channel's subscribers what there is for it, in order."""
        # All recipients are named before the first await: who comes later has not missed these.
        fanouts = [
            fanout
            for channel, broadcasts in batch.items()
            if (fanout := self._hub.fanout(channel, broadcasts)) is not None
        ]
        if not fanouts:
            return
        if self._frames.is_on:
            self._show(fanouts)
        if self._under_way or sum([len(each.subscribers) for each in fanouts]) > SLICE:
            await self._write_in_turn(fanouts)
        else:
            self._write_together(fanouts)

    async def _write_in_turn(self, fanouts: Sequence[Fanout[Connection]]) -> None:
        """Write once those who asked before are done; others get turns in between."""
        self._under_way += 1
        try:
            async with self._writing:
                for number, group in enumerate(grouped(fanouts)):
                    if number:
                        await asyncio.sleep(0)
                    if len(group[0].subscribers) > SLICE:
                        await self._write_large(group[0])
                    else:
                        self._write_together(group)
        finally:
            self._under_way -= 1

    def _show(self, fanouts: Iterable[Fanout[Connection]]) -> None:
        for fanout in fanouts:
            for broadcast in fanout.broadcasts:
                recipients = fanout.recipients(broadcast)
                self._frames.fanned_out(fanout.channel, broadcast.frame, recipients=recipients)

    async def _write_large(self, fanout: Fanout[Connection]) -> None:
        """Write to more than a slice of subscribers of one channel."""
        began = time.time()
        for sockets, writes in self._shares(fanout):
            for start in range(0, len(sockets), SLICE):
                if start:
                    await asyncio.sleep(0)
                for data in writes:
                    socket.write_all(sockets[start : start + SLICE], data)
        self._note(fanout, began=began)

    def _write_together(self, fanouts: Sequence[Fanout[Connection]]) -> None:
        """Write to few subscribers, of however many channels, without a turn for others."""
        began = time.time()
        shares = [self._shares(fanout) for fanout in fanouts]
        joint = joined(shares) if len(shares) > 1 else None
        if joint is not None:
            _write(joint)
        for fanout, own in zip(fanouts, shares, strict=True):
            if joint is None:
                _write(own)
            self._note(fanout, began=began)

    def _shares(self, fanout: Fanout[Connection]) -> list[Share]:
        """Compose who is written what, and count it."""
        excluded = fanout.excluded()
        self._count(fanout, excluded)
        writes = runs(fanout.broadcasts)
        if not excluded:
            shares = [([each.socket for each in fanout.subscribers], writes)]
        else:
            shares = [([each.socket], runs(some)) for each, some in excluded.items()]
            others = [each.socket for each in fanout.subscribers if each not in excluded]
            shares.append((others, writes))
        for sockets, texts in shares:
            self._counters.sent_bytes += sum(map(len, texts)) * len(sockets)
        return shares

    def _count(
        self, fanout: Fanout[Connection], excluded: Mapping[Connection, Sequence[Broadcast]]
    ) -> None:
        """Count who gets what."""
        counters = self._counters
        everybody, number = len(fanout.subscribers), len(fanout.broadcasts)
        counters.broadcasts += number
        counters.deliveries += number * everybody
        if not excluded:
            counters.recipients.record(everybody, number)
            return
        names = {each.socket_id for each in excluded}
        for broadcast in fanout.broadcasts:
            left_out = len(names.intersection(broadcast.excluded))
            counters.deliveries -= left_out
            counters.recipients.record(everybody - left_out)

    def _note(self, fanout: Fanout[Connection], *, began: float) -> None:
        """Record how long it took: once for each broadcast, never for each subscriber."""
        now = time.time()
        for broadcast in fanout.broadcasts:
            # Clocks differ between machines: nothing arrives before it was sent.
            self._counters.latency.record(max(0.0, now - broadcast.published_at))
            if broadcast.occurred_at:
                self._counters.delivery.record(max(0.0, now - broadcast.occurred_at))
            if broadcast.trace and self._tracer.wants(broadcast.trace):
                step = fanning_out(*fanout.channel, recipients=fanout.recipients(broadcast))
                self._tracer.record(step, broadcast.trace, began=began, ended=now)
            if broadcast.audited is not None and audit_log.is_on:
                _audit(fanout, broadcast, broadcast.audited)


def _audit(fanout: Fanout[Connection], broadcast: Broadcast, audited: Audited) -> None:
    audit_log.info(
        "audit.delivered",
        **asdict(audited),
        app=fanout.channel.app,
        channel=fanout.channel.name,
        recipients=fanout.recipients(broadcast),
    )


def _write(shares: Iterable[Share]) -> None:
    for sockets, writes in shares:
        for data in writes:
            socket.write_all(sockets, data)


def grouped(fanouts: Sequence[Fanout[S]]) -> Iterator[Sequence[Fanout[S]]]:
    """Put together, in order, what has up to `SLICE` subscribers; one that has more is alone."""
    start, size = 0, 0
    for place, fanout in enumerate(fanouts):
        size += len(fanout.subscribers)
        if size > SLICE and place > start:
            yield fanouts[start:place]
            start, size = place, len(fanout.subscribers)
    yield fanouts[start:]


def joined(shares: Iterable[Sequence[Share]]) -> list[Share] | None:
    """
    Put together what each socket gets from several channels, in the order of the channels.

    A write costs as much as fifty frames that are joined to it.

    Args:
        shares: Those of each channel.

    Returns:
        The same, each socket once; None where that is so already.
    """
    every = [share for of_one in shares for share in of_one]
    if len({to for sockets, _ in every for to in sockets}) == sum([len(to) for to, _ in every]):
        return None
    waiting: dict[Socket, tuple[bytes, ...]] = {}
    for sockets, writes in every:
        for to in sockets:
            waiting[to] = (*waiting.get(to, ()), *writes)
    alike: dict[tuple[bytes, ...], list[Socket]] = {}
    for to, texts in waiting.items():
        alike.setdefault(texts, []).append(to)
    return [
        (sockets, [b"".join(piece) for piece in _pieces(texts)]) for texts, sockets in alike.items()
    ]


def runs(broadcasts: Collection[Broadcast]) -> list[bytes]:
    """Join frames into writes; the frame that makes one `JOINED_BYTES` long or more ends it."""
    if len(broadcasts) == 1:  # As mostly.
        return [socket.frame(broadcast.frame) for broadcast in broadcasts]
    return [socket.join(piece) for piece in _pieces(each.frame for each in broadcasts)]


def _pieces(texts: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Cut into pieces; the text that makes one `JOINED_BYTES` long or more ends it."""
    waiting: list[bytes] = []
    size = 0
    for text in texts:
        waiting.append(text)
        size += len(text)
        if size >= JOINED_BYTES:
            yield waiting
            waiting, size = [], 0
    if waiting:
        yield waiting
