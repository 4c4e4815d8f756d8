"""What is kept for clients, and who must go."""

from services.gateway.memory.holdings import Holdings


def test_bounds() -> None:
    """
    Above the soft bound some must go, above the hard one nobody is let in.
    """
    holdings = Holdings(100, 200)
    seen = []

    for _ in range(5):
        seen.append((holdings.total, holdings.is_above_soft, holdings.is_full))
        holdings.add(60)

    assert seen == [
        (0, False, False),
        (60, False, False),
        (120, True, False),
        (180, True, False),
        (240, True, True),
    ]


def test_alarm() -> None:
    """
    It is told whenever there is more than there should be.
    """
    holdings, told = Holdings(100, 200), []
    holdings.alarm = lambda: told.append(holdings.total)

    for _ in range(4):
        holdings.add(40)

    assert told == [120, 160]


def test_no_bounds() -> None:
    holdings = Holdings()
    holdings.add(1 << 40)

    assert not holdings.is_above_soft
    assert not holdings.is_full
    assert holdings.weigh([("a", 1 << 40)]) == []


def test_largest_go() -> None:
    """
    Those who have most go, until what is left is well below the bound.
    """
    holdings = Holdings(100, 200)

    assert holdings.weigh([("a", 30), ("b", 50), ("c", 0), ("d", 40), ("e", 10)]) == ["b"]
    assert holdings.total == 130


def test_many_go() -> None:
    holdings = Holdings(100, 200)

    assert holdings.weigh([(number, 10) for number in range(20)]) == list(range(11))


def test_below_the_bound() -> None:
    """
    It is not enough that what is left fits: the next byte would send another away.
    """
    holdings = Holdings(100, 200)

    assert holdings.weigh([("a", 6), ("b", 95), ("c", 94)]) == ["b", "c"]


def test_weighed() -> None:
    """
    What was let go since is known when all are looked at.
    """
    holdings = Holdings(100, 200)
    holdings.add(300)

    assert holdings.weigh([("a", 20)]) == []
    assert (holdings.total, holdings.is_full) == (20, False)


def test_as_much_as_may_be() -> None:
    """
    At the bound nobody goes.
    """
    holdings = Holdings(100, 200)

    assert holdings.weigh([("a", 100)]) == []


def test_as_much_as_the_hard_bound() -> None:
    """
    So may the hard bound be reached.
    """
    holdings = Holdings(100, 200)
    holdings.add(200)
    assert not holdings.is_full

    holdings.add(1)

    assert holdings.is_full
