"""The ways of pub/sub, in the scripts that announce, and which of them understand each other."""

from itertools import pairwise
from pathlib import Path

import pytest

from libs.common.redis.pubsub.ways import Pubsub
from libs.common.redis.scripts import Script

ROOT = Path(__file__).parents[5]
LINE = "  redis.call('PUBLISH', FEED, 'm1 ' .. version .. (f(x)))"
TEXT = f"local x = 1\n{LINE}\nreturn x"


def test_classic() -> None:
    """The classic script is the one that was written."""
    script = Script(TEXT)

    assert Pubsub.CLASSIC.announced(TEXT) == TEXT
    assert script.announcing(Pubsub.CLASSIC) is script


def test_sharded() -> None:
    """Another way is another script, made once."""
    script = Script(TEXT)

    other = script.announcing(Pubsub.SHARDED)

    assert other.text == TEXT.replace("'PUBLISH'", "'SPUBLISH'")
    assert other.digest != script.digest
    assert script.announcing(Pubsub.SHARDED) is other


@pytest.mark.parametrize("pubsub", [Pubsub.BOTH_CLASSIC, Pubsub.BOTH_SHARDED])
def test_both(pubsub: Pubsub) -> None:
    """On the way from one to the other it is announced in both."""
    sharded = LINE.replace("'PUBLISH'", "'SPUBLISH'")

    assert pubsub.announced(TEXT) == TEXT.replace(LINE, f"{LINE}\n{sharded}")


def test_neighbours() -> None:
    """From each step to the next and back, what is announced is heard."""
    for one, other in pairwise(Pubsub):
        for announcing, hearing in ((one, other), (other, one), (one, one), (other, other)):
            assert ("SPUBLISH" if hearing.hears_sharded else "PUBLISH") in announcing.commands


def test_all_scripts() -> None:
    """Each script that announces does so in a line of its own, which is found."""
    found = 0
    for file in (ROOT / "libs").rglob("*.lua"):
        text = file.read_text()
        announced = Pubsub.SHARDED.announced(text)
        assert "'PUBLISH'" not in announced
        found += text != announced

    assert found == 4
