"""Whether a consumer is well."""

from libs.common.eventlog.kafka.liveness import Reading, Vitals

A, B = ("topic", 0), ("topic", 1)


def born() -> Vitals:
    return Vitals(0, silence_timeout=3, stall_timeout=15, join_timeout=40, away_timeout=60)


def reading(
    mark: int | None, position: int = 10, end: int = 10, *, held_up: bool = False
) -> Reading:
    return Reading({A: mark}, {A: position}, {A: end}, held_up=held_up)


class TestReading:
    """What can be seen at one instant."""

    def test_backlog(self) -> None:
        assert reading(1, position=9).has_backlog
        assert not reading(1, position=10).has_backlog

    def test_unknown_position_is_no_backlog(self) -> None:
        assert not Reading({A: 1}, {}, {A: 10}).has_backlog


class TestSilence:
    """Nobody answers."""

    def test_answers_to_fetches_break_it(self) -> None:
        """As long as fetches are answered, nobody need be asked."""
        vitals = born()

        for now in range(1, 100):
            vitals.observe(reading(now), now)

        assert not vitals.is_silent(99)
        assert vitals.complaint(99) is None

    def test_without_answers_somebody_is_asked(self) -> None:
        """After some seconds it is silent, until an answer comes."""
        vitals = born()
        vitals.observe(reading(1), 1)

        assert not vitals.is_silent(3.9)
        assert vitals.is_silent(4)
        vitals.heard(4)
        assert not vitals.is_silent(6.9)

    def test_patience_while_kafka_is_away(self) -> None:
        """Nothing is held against a consumer while Kafka is away, nor is the time counted later."""
        vitals = born()
        vitals.observe(reading(1, position=5), 1)

        for now in range(2, 60):
            vitals.observe(reading(1, position=5), now)
            vitals.unheard()
            assert vitals.complaint(now) is None
        vitals.heard(59)
        vitals.observe(reading(1, position=5), 60)

        assert vitals.complaint(60) is None

    def test_patience_ends(self) -> None:
        """Who hears nothing for a long time is given up."""
        vitals = born()
        vitals.observe(reading(1), 1)
        vitals.unheard()
        for now in range(2, 62):
            vitals.observe(reading(1), now)

        assert vitals.complaint(60.9) is None
        assert vitals.complaint(61) == "no answer"


class TestAssignment:
    """The group assigns partitions."""

    def test_is_waited_for(self) -> None:
        """Kafka answers, and the group does not get ready: that has its time, and an end."""
        vitals = born()

        for now in range(1, 40):
            vitals.heard(now)
            vitals.observe(Reading(None), now)
            assert vitals.complaint(now) is None

        assert vitals.complaint(40) == "no assignment"

    def test_is_not_sought_for_a_worker_who_does_not_come(self) -> None:
        """Who was put out of the group because of its worker is not replaced by another."""
        vitals = born()

        for now in range(1, 100):
            vitals.heard(now)
            vitals.observe(Reading(None, held_up=True), now)
            assert vitals.complaint(now) is None

    def test_may_be_empty(self) -> None:
        """A member without partitions is well as long as Kafka answers."""
        vitals = born()

        for now in range(1, 100):
            vitals.heard(now)
            vitals.observe(Reading({}), now)
            assert vitals.complaint(now) is None

        assert vitals.is_reading

    def test_begins_with_an_answer(self) -> None:
        """It counts as reading when a broker has answered for one of its partitions."""
        vitals = born()

        states = []
        for polls in (None, {A: None, B: None}, {A: None, B: 1}):
            vitals.observe(Reading(polls), 1)
            states.append(vitals.is_reading)

        assert states == [False, False, True]


class TestStall:
    """Kafka answers, and nothing comes of it."""

    def test_no_answer_to_fetches(self) -> None:
        """Kafka is there when it is asked, and fetches are not answered."""
        vitals = born()
        vitals.observe(reading(1), 1)

        for now in range(2, 16):
            vitals.observe(reading(1), now)
            assert vitals.complaint(now) is None
            if vitals.is_silent(now):
                vitals.heard(now)

        assert vitals.complaint(16) == "no answer to a fetch"

    def test_no_progress(self) -> None:
        """Fetches are answered, and yet a backlog is not read."""
        vitals = born()
        vitals.observe(reading(1), 1)

        for now in range(2, 16):
            vitals.observe(reading(now, end=20), now)
            assert vitals.complaint(now) is None
        vitals.observe(reading(16, end=20), 16)

        assert vitals.complaint(16) == "no progress"
        assert vitals.progressed_at == 1

    def test_progress_is_enough(self) -> None:
        """A backlog that never ends is no stall, as long as it is read."""
        vitals = born()

        for now in range(1, 100):
            vitals.observe(reading(now, position=now, end=1000), now)

        assert vitals.complaint(99) is None
        assert vitals.progressed_at == 99

    def test_worker_that_takes_its_time(self) -> None:
        """Nothing is read while the worker is busy, and that is not the client's fault."""
        vitals = born()

        for now in range(1, 100):
            vitals.heard(now)
            vitals.observe(reading(1, end=20, held_up=True), now)
            assert vitals.complaint(now) is None

        assert vitals.progressed_at == 1
