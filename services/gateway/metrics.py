"""What a gateway tells of itself in numbers: docs/metrics.md is made from these declarations."""

from collections.abc import Iterator, Mapping

from libs.common.telemetry.metrics.families import Metric, counter, gauge, histogram
from services.gateway.channels.hub import Hub
from services.gateway.connections.connection import Connection
from services.gateway.connections.registry import Connections
from services.gateway.counters import Counters
from services.gateway.state import GatewayState

CONNECTIONS = gauge(
    "fanfare_connections", "Clients that were greeted and have not gone: active connections."
)
OPENED = counter("fanfare_connections_opened_total", "Clients that were greeted.")
CLOSED = counter(
    "fanfare_connections_closed_total",
    "Connections that ended, by the code of the Close frame that we sent, first or in answer; "
    "0: the connection broke off; 3000: a client made up a code, 3000 or above.",
    "code",
)
REFUSED = counter(
    "fanfare_connections_refused_total",
    "Clients that were told why they may not connect, by the code that they were told.",
    "code",
)
SLOW = counter(
    "fanfare_slow_consumers_total",
    "Connections that were closed as their clients read more slowly than they were sent.",
)
UNSENT = gauge(
    "fanfare_write_buffer_bytes", "Bytes that wait in the write buffers of all connections."
)
UNSENT_MAX = gauge(
    "fanfare_write_buffer_max_bytes",
    "Bytes that wait in the fullest of them; `gateway.max_unsent` bounds each.",
)
CHANNELS = gauge(
    "fanfare_channels", "Channels that this gateway follows, as somebody here needs them."
)
SUBSCRIPTIONS = gauge(
    "fanfare_subscriptions", "Subscriptions of the clients here, each channel of each counted."
)
MEMBERS = gauge(
    "fanfare_members",
    "Subscriptions of presence channels here: members, each connection of theirs counted.",
)
ONLINE = gauge(
    "fanfare_online_connections",
    "Connections here that are somebody's: by sign-in, by a token, or by what a channel was joined "
    "with.",
)
SUBSCRIBES_REFUSED = counter(
    "fanfare_subscribes_refused_total",
    "Subscribes that were refused, by the status that the client was told.",
    "status",
)
RECEIVED = counter(
    "fanfare_messages_received_total",
    "Frames that clients sent, by kind of WebSocket frame.",
    "kind",
)
RECEIVED_BYTES = counter("fanfare_received_bytes_total", "Bytes of their payloads.")
SENT = counter(
    "fanfare_messages_sent_total",
    "Frames written to clients: `broadcast`, counted for each subscriber that it went to, and "
    "`answer`, to one client alone.",
    "kind",
)
SENT_BYTES = counter("fanfare_sent_bytes_total", "Bytes of these frames.")
BROADCASTS = counter(
    "fanfare_broadcasts_total", "Frames that were fanned out, each counted once here."
)
RECIPIENTS = histogram(
    "fanfare_broadcast_recipients", "Subscribers here to whom a broadcast was written."
)
HUB_LATENCY = histogram(
    "fanfare_hub_latency_seconds",
    "From the publish of a broadcast until it was written to all its subscribers here. It goes by "
    "the clocks of two machines, if the publisher is on another; of what a gateway itself has to "
    "tell, as of members who join, it is the time that writing took.",
)
DELIVERY_LATENCY = histogram(
    "fanfare_delivery_latency_seconds",
    "From when an event of the log happened until it was written to all its subscribers here: the "
    "`time` of a CloudEvent, `ts_ms` of a change, else the timestamp of the record. It goes by the "
    "clock of whoever produced it, and is long for what is replayed. What back ends post to the "
    "Pusher API is not among it: there `fanfare_hub_latency_seconds` says as much.",
)
INTERRUPTIONS = counter(
    "fanfare_bus_interruptions_total",
    "Times that the ear on the bus was cut off or overrun: what was missed is read again.",
)
GAPS = counter(
    "fanfare_gaps_total", "Times that entries of a channel were missing, and were read again."
)
MISMATCHES = counter(
    "fanfare_position_mismatches_total",
    "Times that a gap was found by comparing positions with the bus: after an interruption, or as "
    "the last entries of a channel did not come and nothing said so.",
)
MEMBER_GAPS = counter(
    "fanfare_member_gaps_total",
    "Times that a change of a channel's members was missing, and they were read again.",
)
GAPS_UNREPAIRED = counter(
    "fanfare_gaps_unrepaired_total",
    "Times that such entries were gone from the history: subscribers were told of a loss.",
)
WHISPERS_DROPPED = counter(
    "fanfare_client_events_dropped_total",
    "Client events that found the bus away or the queue for it full.",
)
TYPISTS = gauge(
    "fanfare_typists", "Users who type here, or did so a moment ago, in each channel counted."
)
TYPING_DROPPED = counter(
    "fanfare_typing_dropped_total",
    "Words about who types that were not noticed, because too many do.",
)
MARKS_DROPPED = counter(
    "fanfare_marks_dropped_total",
    "Words of how far users have read that found too many waiting.",
)
FACTS_DROPPED = counter(
    "fanfare_facts_dropped_total",
    "Facts of client events and of empty caches that could not be recorded for back ends.",
)
WAITING = gauge(
    "fanfare_queue_depth",
    "What waits for a backend: `joins` and departures, `newcomers` for a place in their quotas, "
    "`subscribes` for their turn, as more came than the rates allow, "
    "`sign_ins`, `seats` of users who are online, and `marks` of how far users have read.",
    "queue",
)
LEASES_LOST = counter(
    "fanfare_leases_lost_total",
    "Times that this gateway had to take another name, and seat its members again: `lease.lost`.",
)
DRAINING = gauge("fanfare_draining", "1 while the gateway lets nobody in, as it is going.")
LISTENING = gauge("fanfare_listening", "1 while it hears what is published; 0: in doubt.")
UNHEARD = gauge(
    "fanfare_unheard_clients",
    "Clients from which nothing is read for now: until it is the turn of what they have sent, "
    "until they may send more, or until they have read their answers.",
)
PAUSED = counter(
    "fanfare_reading_paused_total",
    "Times that reading from a client was paused: `frames`, as it had sent more than "
    "`gateway.frames` allows, and `answers`, as it did not read what it was answered, each second "
    "anew.",
    "reason",
)


# What is counted by is 0 from the start where it is known: ours, and what browsers close with.
CLOSE_CODES = ("0", "1000", "1001", "1005", "1008", "1009", "4009", "4100", "4200", "4201")
REFUSAL_CODES = ("4000", "4001", "4003", "4004", "4005", "4006", "4007", "4009", "4100")
STATUSES = ("400", "401", "403", "4100", "4301")
PAUSES = ("frames", "answers")
KINDS = ("text", "binary", "ping", "pong")


class GatewayMetrics:
    """
    The numbers of one gateway.

    Args:
        counters: What it counts.
        connections: Those that are here.
        hub: Who is subscribed to what.
    """

    def __init__(self, counters: Counters, connections: Connections, hub: Hub[Connection]) -> None:
        self._counters = counters
        self._connections = connections
        self._hub = hub

    def read(self, state: GatewayState, *, leases_lost: int) -> Iterator[Metric]:
        """Read all, given what the gateway is doing now, and how many leases it has lost."""
        yield from self._of_connections()
        yield from self._of_messages()
        yield from self._of_channels()
        queues = {
            "joins": state.waiting,
            "subscribes": state.delayed,
            "newcomers": state.newcomers,
            "sign_ins": state.signing_in,
            "seats": state.untold,
            "marks": state.marks,
        }
        yield WAITING.by(queues)
        yield TYPISTS.of(state.typing)
        yield ONLINE.of(state.online)
        yield LEASES_LOST.of(leases_lost)
        yield DRAINING.of(not state.is_accepting)
        yield LISTENING.of(state.is_listening)
        yield UNHEARD.of(state.unheard)
        yield PAUSED.by(self._counters.paused, known=PAUSES)

    def _of_connections(self) -> Iterator[Metric]:
        counters = self._counters
        unsent = [each.socket.unsent for each in self._connections]
        yield CONNECTIONS.of(len(unsent))
        yield OPENED.of(counters.opened)
        yield CLOSED.by(_named(counters.closed), known=CLOSE_CODES)
        yield REFUSED.by(_named(counters.refused), known=REFUSAL_CODES)
        yield SLOW.of(counters.slow)
        yield UNSENT.of(sum(unsent))
        yield UNSENT_MAX.of(max(unsent, default=0))

    def _of_messages(self) -> Iterator[Metric]:
        counters = self._counters
        yield RECEIVED.by(counters.received, known=KINDS)
        yield RECEIVED_BYTES.of(counters.received_bytes)
        yield SENT.by({"broadcast": counters.deliveries, "answer": counters.answers})
        yield SENT_BYTES.of(counters.sent_bytes)
        yield BROADCASTS.of(counters.broadcasts)
        yield RECIPIENTS.of(counters.recipients)
        yield HUB_LATENCY.of(counters.latency)
        yield DELIVERY_LATENCY.of(counters.delivery)
        yield WHISPERS_DROPPED.of(counters.whispers_dropped)
        yield TYPING_DROPPED.of(counters.typing_dropped)
        yield MARKS_DROPPED.of(counters.marks_dropped)
        yield FACTS_DROPPED.of(counters.facts_dropped)

    def _of_channels(self) -> Iterator[Metric]:
        rooms = self._hub.rooms()
        yield CHANNELS.of(len(rooms))
        yield SUBSCRIPTIONS.of(sum(len(room.subscribers) for room in rooms))
        presence = (room for room in rooms if room.channel.is_presence)
        yield MEMBERS.of(sum(len(room.subscribers) for room in presence))
        refused = _named(self._counters.subscribes_refused)
        yield SUBSCRIBES_REFUSED.by(refused, known=STATUSES)
        yield INTERRUPTIONS.of(self._counters.interruptions)
        yield GAPS.of(self._counters.gaps)
        yield MISMATCHES.of(self._counters.mismatches)
        yield MEMBER_GAPS.of(self._counters.member_gaps)
        yield GAPS_UNREPAIRED.of(self._counters.gaps_unrepaired)


def _named(counts: Mapping[int, int]) -> dict[str, int]:
    return {str(code): count for code, count in counts.items()}
