"""
Readings of one call, folded: of each reader one mark at a time.

Pure.  Of several marks of one epoch the highest is what comes of all; where the epoch changes in
between, what was before must be moved first, in a round of its own.
"""

from collections.abc import Iterable

from libs.common.marks.mark import Mark
from libs.common.marks.port import Reader, Reading


def rounds(readings: Iterable[Reading]) -> list[dict[Reader, Mark]]:
    """
    Fold readings, so that moving the marks of each round does what moving each reading would.

    Returns:
        The rounds in order, as a rule one; each has readers in the order in which they came.
    """
    folded: list[dict[Reader, Mark]] = []
    newest: dict[Reader, int] = {}
    for channel, user_id, mark in readings:
        reader = channel, user_id
        number = newest.get(reader, 0)
        if reader in newest and folded[number][reader].epoch != mark.epoch:
            number += 1
        if number == len(folded):
            folded.append({})
        newest[reader] = number
        folded[number][reader] = folded[number].get(reader, mark).moved(mark)
    return folded
