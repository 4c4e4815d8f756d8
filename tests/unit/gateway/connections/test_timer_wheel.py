"""The coarse timer."""

from services.gateway.connections.timer_wheel import TimerWheel


class TestTimerWheel:
    """One look a second, at those only whose time has come."""

    def test_not_before(self) -> None:
        """
        A thing comes up at the first whole second after it is due, and not before it is due.
        """
        wheel: TimerWheel[str] = TimerWheel()
        wheel.put("a", 10.5)

        assert wheel.take(10.9) == []
        assert wheel.take(11.0) == ["a"]

    def test_once(self) -> None:
        """
        What was taken does not come up again by itself.
        """
        wheel: TimerWheel[str] = TimerWheel()
        wheel.put("a", 1.0)
        wheel.take(2.0)

        assert wheel.take(1000.0) == []

    def test_order(self) -> None:
        """
        After a pause all that is due comes up, the earliest seconds first.
        """
        wheel: TimerWheel[str] = TimerWheel()
        for thing, due in [("c", 7.0), ("a", 5.0), ("b", 6.0), ("later", 60.0)]:
            wheel.put(thing, due)

        assert wheel.take(30.0) == ["a", "b", "c"]
        assert wheel.take(61.0) == ["later"]

    def test_put_again(self) -> None:
        """
        A thing that is put again comes up once, at the earlier time: whoever puts it off would never be looked at.
        """
        wheel: TimerWheel[str] = TimerWheel()
        for thing, dues in (("a", (1.0, 9.0)), ("b", (9.0, 1.0))):
            for due in dues:
                wheel.put(thing, due)

        assert wheel.take(2.0) == ["a", "b"]
        assert wheel.take(30.0) == []

    def test_put_back_while_taken(self) -> None:
        """
        What is put back with a time that is over comes up at the next look.
        """
        wheel: TimerWheel[str] = TimerWheel()
        wheel.put("a", 1.0)
        for now in (2.0, 3.0):
            assert wheel.take(now) == ["a"]
            wheel.put("a", now)

        assert wheel.take(4.0) == ["a"]

    def test_remove(self) -> None:
        """
        What was removed does not come up; removing twice is removing once.
        """
        wheel: TimerWheel[str] = TimerWheel()
        wheel.put("a", 1.0)
        wheel.put("b", 1.0)

        wheel.remove("a")
        wheel.remove("a")

        assert wheel.take(2.0) == ["b"]

    def test_width(self) -> None:
        """
        Slots may be narrower than a second: a thing comes up that much later at most.
        """
        wheel: TimerWheel[str] = TimerWheel(0.25)
        wheel.put("a", 10.3)

        assert wheel.take(10.4) == []
        assert wheel.take(10.5) == ["a"]
