"""Envelopes and frames: what goes in comes out, and what a newer release adds is ignored."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.bus.messages import Audited, Broadcast, Position, event_frame, pack, unpack
from libs.common.json_text import write

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


class TestPosition:
    """Which lives of a history go on from a position."""

    @pytest.mark.parametrize(
        "known,epoch",
        [
            (Position("5f", 0), "5f"),
            (Position("5f", 7), "5f"),
            (Position("5fo", 0), "5fo"),
            (Position("5fo", 0), "5fo7"),
            (Position("5fo7", 3), "5fo7"),
        ],
    )
    def test_leads(self, known: Position, epoch: str) -> None:
        """The same life does, and from the position of an origin each life that was born of it."""
        assert known.leads_to(epoch)

    @pytest.mark.parametrize(
        "known,epoch",
        [
            (Position("5f", 0), "6a"),
            (Position("5f", 0), "5f7"),  # Former releases counted up.
            (Position("5fo7", 0), "5fo71"),
            (Position("5fo7", 0), "5fo"),
            (Position("5fo", 0), "6ao7"),
            (Position("5fo", 0), "15fo7"),
            (Position("5fo", 1), "5fo7"),
            (Position("", 0), "5fo7"),
        ],
    )
    def test_leads_nowhere(self, known: Position, epoch: str) -> None:
        """No other does, however alike their names are."""
        assert not known.leads_to(epoch)


class TestEnvelope:
    """A broadcast, packed and unpacked."""

    @given(
        st.builds(
            Broadcast,
            frame=st.text().map(str.encode),
            published_at=st.floats(allow_nan=False, allow_infinity=False),
            excluded=st.lists(TEXTS).map(tuple),
            trace=TEXTS,
            audited=st.none() | st.builds(Audited, TEXTS, TEXTS, TEXTS, st.integers(0, 2**53)),
            occurred_at=st.floats(allow_nan=False, allow_infinity=False),
        )
    )
    def test_there_and_back(self, broadcast: Broadcast) -> None:
        """All of it survives, whatever text the frame has."""
        assert unpack(pack(broadcast)) == broadcast

    def test_form(self) -> None:
        """The header is one line of JSON that says its version and leaves out what is empty."""
        plain = pack(Broadcast(b'{"event":"a"}\n', 1.5))
        full = pack(Broadcast(b"{}", 1.5, ("1.2",), "00-ab-cd-01"))

        assert plain == b'{"at":1.5,"v":1}\n{"event":"a"}\n'
        assert full == b'{"at":1.5,"v":1,"x":["1.2"],"t":"00-ab-cd-01"}\n{}'

    def test_audited(self) -> None:
        """What the audit log is to be told is a field that only such envelopes have."""
        packed = pack(Broadcast(b"{}", 1.5, audited=Audited("7", "steps/0/3", "step", 9)))

        assert packed == b'{"at":1.5,"v":1,"a":["7","steps/0/3","step",9]}\n{}'

    def test_event_time(self) -> None:
        """When an event happened is a field too; envelopes of former releases have none."""
        packed = pack(Broadcast(b"{}", 1.5, occurred_at=1.25))

        assert packed == b'{"at":1.5,"v":1,"e":1.25}\n{}'
        assert unpack(packed).occurred_at == 1.25
        assert unpack(b'{"at":1.5,"v":1}\n{}').occurred_at == 0.0

    def test_from_a_newer_release(self) -> None:
        """A higher version is read as far as it is known."""
        envelope = b'{"v":7,"at":2,"x":["1.2"],"z":{"new":[1]},"a":["7","s/0/3","step",9,1]}\nframe'

        assert unpack(envelope) == Broadcast(
            b"frame", 2.0, ("1.2",), audited=Audited("7", "s/0/3", "step", 9)
        )

    @pytest.mark.parametrize(
        "envelope",
        [
            b"",
            b'{"at":1.5,"v":1}',
            b"\n",
            b"not json\nframe",
            b"[]\nframe",
            b'{"v":1}\nframe',
            b'{"at":"soon","v":1}\nframe',
            b'{"at":1.5,"v":1,"x":"1.2"}\nframe',
            b'{"at":1.5,"v":1,"t":"\xff"}\nframe',
        ],
    )
    def test_no_envelope(self, envelope: bytes) -> None:
        """What is no envelope is a ValueError."""
        with pytest.raises(ValueError, match="an envelope"):
            unpack(envelope)

    @given(st.binary())
    def test_any_bytes(self, envelope: bytes) -> None:
        """Other bytes are read or are a ValueError, and nothing else."""
        try:
            unpack(envelope)
        except ValueError:
            return


class TestEventFrame:
    """Pusher, "Events"."""

    @given(TEXTS, TEXTS, TEXTS)
    def test_data_is_a_string(self, channel: str, event: str, data: str) -> None:
        """The publisher's text arrives unchanged, as a JSON string."""
        frame = event_frame(channel, event, data)

        assert json.loads(frame) == {"event": event, "channel": channel, "data": data}

    @given(TEXTS, TEXTS, TEXTS | st.just("\ud83d"))
    def test_data_already_written(self, channel: str, event: str, data: str) -> None:
        """Data that were written before make the same frame."""
        written = msgspec.Raw(write(data))

        assert json.loads(event_frame(channel, event, written)) == {
            "event": event,
            "channel": channel,
            "data": data,
        }

    def test_user_id(self) -> None:
        """Who sent it is told where it is known."""
        frame = event_frame("presence-room", "client-typing", "{}", user_id="7")

        assert json.loads(frame)["user_id"] == "7"

    def test_without_data(self) -> None:
        """An event without data has no such field."""
        assert json.loads(event_frame("a", "client-x", None)) == {
            "event": "client-x",
            "channel": "a",
        }
