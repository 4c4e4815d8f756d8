"""
What the expressions of a route may look at.

Pure.  The language is that of `libs.common.expressions`.
"""

from libs.common.expressions import Expression

NAMES = frozenset({"data", "type", "source", "subject", "id", "time", "key", "topic"})


def compiled(source: str) -> Expression:
    """
    Compile an expression over a domain event.

    Raises:
        BadRule: See `Expression`.
    """
    return Expression(source, NAMES)
