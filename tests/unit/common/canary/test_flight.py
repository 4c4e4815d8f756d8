"""What is known of canaries."""

from libs.common.canary.flight import Flight


def test_awaited() -> None:
    """
    Before the first one came, or was missed, nothing is claimed.
    """
    assert Flight().json() == {"status": "awaited", "lost": 0}


def test_arrived() -> None:
    """
    One that came tells when, and how long it took.
    """
    flight = Flight().arrived(0.0012345678, now=60.5)

    assert flight.json() == {
        "status": "ok",
        "lost": 0,
        "seconds": 0.001235,
        "heard_at": "1970-01-01T00:01:00.500Z",
    }


def test_lost() -> None:
    """
    What does not come is counted, with the last reason and the first instant; what came before is still told.
    """
    flight = Flight().arrived(0.25, now=60.0).failed("refused", now=70.0).failed("deaf", now=80.0)

    assert flight.json() == {
        "status": "lost",
        "lost": 2,
        "seconds": 0.25,
        "heard_at": "1970-01-01T00:01:00.000Z",
        "reason": "deaf",
        "lost_since": "1970-01-01T00:01:10.000Z",
    }


def test_returned() -> None:
    """
    One that comes again ends the loss, of which the count alone remains; the next loss begins anew.
    """
    returned = Flight().failed("deaf", now=70.0).arrived(0.5, now=90.0)

    assert returned.json()["status"] == "ok"
    assert returned.lost == 1
    assert returned.failed("deaf", now=100.0).lost_since == 100.0
