"""
What it costs to hand events to readers: the one form that all costs of the model have.

Pure.
"""

from collections.abc import Mapping

import msgspec

REST = 0.01  # Seconds of nothing after which a process has to be woken in full.


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a process spends on events that it handles together.

    Attributes:
        call: Once, however many there are.
        event: For each event.
        write: For each reader, however many events it gets together.
        message: For each event and reader.
        waking: Once, besides, after `REST` seconds with nothing to do: the machine has put the
            process to sleep, and its caches have gone to others.  After less, a share of it.
    """

    call: float
    event: float
    write: float
    message: float
    waking: float = 0.0

    def seconds(self, events: float, readers: float, *, rested: float = 0.0) -> float:
        """
        Return the CPU seconds of events that are handled together.

        Args:
            events: How many.
            readers: To how many all of them go.
            rested: Seconds for which there was nothing to do before.
        """
        once = self.call + self.waking * min(1.0, rested / REST)
        return once + self.event * events + readers * (self.write + self.message * events)

    def marginal(self, readers: float) -> float:
        """Return the CPU seconds that one more event adds, to readers of its own, among many."""
        return self.event + readers * (self.write + self.message)


def solved(costs: Mapping[tuple[int, int], float]) -> Cost:
    """
    Find the cost that explains four measurements.

    What would be below nothing, as noise can make it, is nothing.

    Args:
        costs: CPU seconds by events and readers, at two numbers of either: all four pairs.
    """
    (few, many), (small, large) = (sorted({key[axis] for key in costs}) for axis in (0, 1))
    extra, wide = many - few, large - small
    low, high = costs[few, small], costs[few, large]
    by_event = (costs[many, small] - low) / extra
    message = max(0.0, ((costs[many, large] - high) / extra - by_event) / wide)
    write = max(0.0, (high - low) / wide - message * few)
    event = max(0.0, by_event - message * small)
    call = max(0.0, low - event * few - small * (write + message * few))
    return Cost(call=call, event=event, write=write, message=message)
