"""A deployment in words: a table of what runs where, and below it what is wrong."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import wrap

from libs.common.rfc3339 import text_of
from services.cli.tables import aligned, printable
from services.cli.watching.deployment import Deployment, ToldProcess

TITLES = ("NODE", "SERVICE", "RELEASE", "STATE", "UP", "DOES")
_INDENT = "  "  # Before what a sentence goes on with in its next line.
_SPANS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def table(deployment: Deployment) -> list[str]:
    """Write a line for each service of each process."""
    return aligned([TITLES, *(row for node in deployment.nodes for row in _rows(node, deployment))])


def _rows(node: ToldProcess, deployment: Deployment) -> Iterator[tuple[str, ...]]:
    up = "" if node.is_silent else lasting(deployment.at - node.state.started_at)
    about = node.state.node, node.state.version, node.condition, up
    for service, figures in node.state.services.items() or [("?", {})]:
        name, version, condition, up = about
        yield name, service, version, condition, up, worded(figures)
        about = ("", "", "", "")  # Said once.


def worded(figures: Mapping[str, int]) -> str:
    """Say what a service does, in numbers."""
    return ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in figures.items())


def summary(deployment: Deployment) -> str:
    """Say in a sentence how large a deployment is."""
    here = [node for node in deployment.nodes if not node.is_silent]
    gateways = sum("gateway" in node.state.services for node in here)
    of = f" of {len(deployment.nodes)}" if len(here) < len(deployment.nodes) else ""
    connections = deployment.total("gateway", "connections")
    lag = deployment.total("dispatcher", "lag")
    return (
        f"{len(here)}{of} processes answer; {gateways} gateways have {connections} connections; "
        f"lag {lag}"
    )


def speeds(now: Deployment, before: Deployment | None) -> str:
    """Say what the processes did in a second, between two moments of theirs."""
    if before is None:
        return "a second: …"
    deliveries = _speed(now, before, service="gateway", figure="deliveries")
    broadcasts = _speed(now, before, service="dispatcher", figure="broadcasts")
    return f"a second: {broadcasts:.0f} broadcasts from events, {deliveries:.0f} deliveries"


def _speed(now: Deployment, before: Deployment, *, service: str, figure: str) -> float:
    known = {node.process: node for node in before.nodes}
    total = 0.0
    for node in now.nodes:
        earlier = known.get(node.process)
        if earlier is None or node.told_at <= earlier.told_at:
            continue
        figures = [each.state.services.get(service, {}).get(figure, 0) for each in (earlier, node)]
        total += (figures[1] - figures[0]) / (node.told_at - earlier.told_at)
    return total


def wrapped(lines: Iterable[str], *, width: int) -> list[str]:
    """Break sentences between words, so that each line fits; what follows the first is set in."""
    wide = max(width, len(_INDENT) + 1)
    return [
        part for line in lines for part in wrap(line, wide, subsequent_indent=_INDENT) or [line]
    ]


def fitted(lines: Sequence[str], *, width: int, height: int) -> list[str]:
    """Cut lines to a screen; where there are too many, the last line says how many are below."""
    cut = [line[:width] for line in lines[:height]]
    if len(lines) > height:
        cut[-1] = f"… {len(lines) - height + 1} more lines"[:width]
    return cut


def troubles(deployment: Deployment) -> Iterator[str]:
    """Yield what is wrong, a sentence each, with since when."""
    for node in deployment.nodes:
        place = f"{node.state.node} (pid {node.state.pid})"
        if node.is_silent:
            yield (
                f"{place} {_services(node)}: silent {_since(node.told_at, deployment)}; it ended "
                "without a word, hangs, or does not reach Redis"
            )
            continue
        if node.state.phase == "starting":
            names = ", ".join(node.state.waits_for)
            yield f"{place} {_services(node)}: is not ready: waits for {names}"
        for away in node.state.away:
            since, warning = _since(away.since, deployment), "" if away.is_own else "warning: "
            yield printable(f"{warning}{place}: {away.name} is away {since}: {away.reason}")


def _services(node: ToldProcess) -> str:
    return " ".join(node.state.services)


def _since(instant: float, deployment: Deployment) -> str:
    return f"since {text_of(instant)[:19]}Z, for {lasting(deployment.at - instant)}"


def lasting(seconds: float) -> str:
    """Say for how long something lasts, with two units at most: ``2 h 3 min``."""
    rest, said = max(0, int(seconds)), list[str]()
    for length, unit in _SPANS:
        if rest >= length or (unit == "s" and not said):
            said.append(f"{rest // length} {unit}")
            rest %= length
        elif said:
            break
    return " ".join(said[:2])
