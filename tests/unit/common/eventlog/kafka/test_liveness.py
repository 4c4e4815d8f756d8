"""Whether a consumer is well."""

from libs.common.eventlog.kafka.liveness import ConsumerReading, Liveness

A, B = ("topic", 0), ("topic", 1)


def born() -> Liveness:
    return Liveness(0, silence_timeout=3, stall_timeout=15, join_timeout=40, away_timeout=60)


def reading(
    mark: int | None, position: int = 10, end: int = 10, *, held_up: bool = False
) -> ConsumerReading:
    return ConsumerReading({A: mark}, {A: position}, {A: end}, held_up=held_up)


class TestReading:
    """What can be seen at one instant."""

    def test_backlog(self) -> None:
        assert reading(1, position=9).has_backlog
        assert not reading(1, position=10).has_backlog

    def test_unknown_position_is_no_backlog(self) -> None:
        assert not ConsumerReading({A: 1}, {}, {A: 10}).has_backlog


class TestSilence:
    """Nobody answers."""

    def test_answers_to_fetches_break_it(self) -> None:
        """As long as fetches are answered, nobody need be asked."""
        liveness = born()

        for now in range(1, 100):
            liveness.observe(reading(now), now)

        assert not liveness.is_silent(99)
        assert liveness.complaint(99) is None

    def test_without_answers_somebody_is_asked(self) -> None:
        """After some seconds it is silent, until an answer comes."""
        liveness = born()
        liveness.observe(reading(1), 1)

        assert not liveness.is_silent(3.9)
        assert liveness.is_silent(4)
        liveness.heard(4)
        assert not liveness.is_silent(6.9)

    def test_patience_while_kafka_is_away(self) -> None:
        """Nothing is held against a consumer while Kafka is away, nor is the time counted later."""
        liveness = born()
        liveness.observe(reading(1, position=5), 1)

        for now in range(2, 60):
            liveness.observe(reading(1, position=5), now)
            liveness.unheard()
            assert liveness.complaint(now) is None
        liveness.heard(59)
        liveness.observe(reading(1, position=5), 60)

        assert liveness.complaint(60) is None

    def test_patience_ends(self) -> None:
        """Who hears nothing for a long time is given up."""
        liveness = born()
        liveness.observe(reading(1), 1)
        liveness.unheard()
        for now in range(2, 62):
            liveness.observe(reading(1), now)

        assert liveness.complaint(60.9) is None
        assert liveness.complaint(61) == "no answer"


class TestAssignment:
    """The group assigns partitions."""

    def test_is_waited_for(self) -> None:
        """Kafka answers, and the group does not get ready: that has its time, and an end."""
        liveness = born()

        for now in range(1, 40):
            liveness.heard(now)
            liveness.observe(ConsumerReading(None), now)
            assert liveness.complaint(now) is None

        assert liveness.complaint(40) == "no assignment"

    def test_is_not_sought_for_a_worker_who_does_not_come(self) -> None:
        """Who was put out of the group because of its worker is not replaced by another."""
        liveness = born()

        for now in range(1, 100):
            liveness.heard(now)
            liveness.observe(ConsumerReading(None, held_up=True), now)
            assert liveness.complaint(now) is None

    def test_may_be_empty(self) -> None:
        """A member without partitions is well as long as Kafka answers."""
        liveness = born()

        for now in range(1, 100):
            liveness.heard(now)
            liveness.observe(ConsumerReading({}), now)
            assert liveness.complaint(now) is None

        assert liveness.is_reading

    def test_begins_with_an_answer(self) -> None:
        """It counts as reading when a broker has answered for one of its partitions."""
        liveness = born()

        states = []
        for polls in (None, {A: None, B: None}, {A: None, B: 1}):
            liveness.observe(ConsumerReading(polls), 1)
            states.append(liveness.is_reading)

        assert states == [False, False, True]


class TestStall:
    """Kafka answers, and nothing comes of it."""

    def test_no_answer_to_fetches(self) -> None:
        """Kafka is there when it is asked, and fetches are not answered."""
        liveness = born()
        liveness.observe(reading(1), 1)

        for now in range(2, 16):
            liveness.observe(reading(1), now)
            assert liveness.complaint(now) is None
            if liveness.is_silent(now):
                liveness.heard(now)

        assert liveness.complaint(16) == "no answer to a fetch"

    def test_no_progress(self) -> None:
        """Fetches are answered, and yet a backlog is not read."""
        liveness = born()
        liveness.observe(reading(1), 1)

        for now in range(2, 16):
            liveness.observe(reading(now, end=20), now)
            assert liveness.complaint(now) is None
        liveness.observe(reading(16, end=20), 16)

        assert liveness.complaint(16) == "no progress"
        assert liveness.progressed_at == 1

    def test_progress_is_enough(self) -> None:
        """A backlog that never ends is no stall, as long as it is read."""
        liveness = born()

        for now in range(1, 100):
            liveness.observe(reading(now, position=now, end=1000), now)

        assert liveness.complaint(99) is None
        assert liveness.progressed_at == 99

    def test_worker_that_takes_its_time(self) -> None:
        """Nothing is read while the worker is busy, and that is not the client's fault."""
        liveness = born()

        for now in range(1, 100):
            liveness.heard(now)
            liveness.observe(reading(1, end=20, held_up=True), now)
            assert liveness.complaint(now) is None

        assert liveness.progressed_at == 1
