"""
Check the settings, this machine and every backend; start nothing.

The exit status is 0, or 2 with what is wrong; doubts are warnings.  Backends are asked side by
side, each for some seconds at most; --offline asks none.
"""

import argparse
import asyncio
import sys
from collections.abc import Collection, Iterator, Sequence

import msgspec

from libs.common.apps.app import App
from libs.common.apps.memory import MemoryApps
from libs.common.errors import Misconfigured
from libs.common.eventlog.kafka.inspection import KafkaCluster
from libs.common.policies.guards import Guards
from libs.common.policies.policies import Policies
from libs.common.postgres.inspection import PostgresServer
from services.auth.identity.verifying_keys import prepared_key
from services.cli.checking import machine, remarks
from services.cli.checking.backends import (
    Reply,
    apps_of,
    connections_of,
    is_migrated,
    reached,
)
from services.cli.checking.doubts import doubts
from services.cli.checking.remarks import Remark
from services.cli.checking.report import CheckReport, Told, summary
from services.dispatcher.service import compile_for_any, compiled
from services.program import certificate_of
from services.settings import SERVICES, Settings, check_services, cookie_problems

_NO_INFO = "it does not tell its version, memory and persistence to this user (+info allows that)"


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "services",
        nargs="*",
        metavar="SERVICE",
        help=f"those that run together, of {', '.join(SERVICES)}",
    )
    parser.add_argument(
        "--offline",
        action="store_true",
        help="judge the settings alone: for where they are written, and not where they are used",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")


def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Compile all rules, load the certificate, and ask; raises Misconfigured as the start would."""
    services = arguments.services or SERVICES
    try:
        check_rules(settings, services)
    except Misconfigured as wrong:
        if not arguments.json:
            raise
        print(_refused(settings, wrong).json())
        return 2
    replies = [] if arguments.offline else asyncio.run(reached(settings, services))
    report = judged(settings, services, replies, offline=arguments.offline)
    if arguments.json:
        print(report.json())
    else:
        _print(report)
    return 2 if report.errors else 0


def _refused(settings: Settings, wrong: Misconfigured) -> CheckReport:
    """Report what stops a start, behind which nothing else is looked at."""
    return CheckReport(
        apps=len(settings.apps) or None,
        policies=len(settings.channels),
        routes=len(settings.routes),
        own=(remarks.error(str(wrong)),),
        backends=(),
    )


def check_rules(settings: Settings, services: Sequence[str]) -> None:
    """
    Compile all rules, and load the certificate.

    Raises:
        Misconfigured: The first that cannot work.
    """
    check_services(settings, services)
    certificate_of(settings.server)
    Policies(settings.channels)
    Guards(settings.channels)
    for issuer in settings.auth.issuers:
        if not issuer.jwks:
            prepared_key(issuer)
    if settings.apps:
        compiled(settings.routes, MemoryApps(settings.apps), settings.dispatcher)
    else:  # They are in a database, which was not asked.
        compile_for_any(settings.routes, settings.dispatcher)


def judged(
    settings: Settings, services: Sequence[str], replies: Sequence[Reply], *, offline: bool
) -> CheckReport:
    """Put together what there is to say of settings whose rules can work."""
    apps = apps_of(settings, replies)
    known = msgspec.structs.replace(settings, apps=apps or ())
    own = [*map(Remark, doubts(known)), *machine.of_certificate(settings)]
    if not offline:
        own += [*machine.of_files(settings, services), *_of_apps(settings, apps)]
    told = [Told(reply, tuple(_remarks(reply, known, services))) for reply in replies]
    return CheckReport(
        apps=None if apps is None else len(apps),
        policies=len(settings.channels),
        routes=len(settings.routes),
        own=tuple(own),
        backends=tuple(told),
    )


def _of_apps(settings: Settings, apps: Sequence[App] | None) -> Iterator[Remark]:
    """See whether rules are of apps that there are; those of a file were looked at before."""
    if apps is None:
        return
    # Those of the file were refused before.
    yield from map(remarks.error, cookie_problems(settings.auth, apps))
    if not apps:
        yield Remark("there are no apps, so that nobody can connect: fanfare apps add makes one")
    ids = {app.id for app in apps}
    for what, rules in (("routes", settings.routes), ("policies", settings.channels)):
        absent = sorted({rule.app for rule in rules} - ids)
        if absent:
            yield Remark(f"{what} wait for apps that are not there: {', '.join(absent)}")


def _remarks(reply: Reply, settings: Settings, services: Collection[str]) -> Iterator[Remark]:
    if reply.trouble:
        yield remarks.error(reply.trouble)
    elif reply.doubt:
        yield Remark(f"it takes no metrics or spans, and services run without: {reply.doubt}")
    elif reply.reserve:
        yield Remark(f"{_NO_INFO}: {reply.reserve}")
    match reply.said:
        case tuple() as servers:
            yield from remarks.of_redis(servers)
        case PostgresServer() as server:
            yield from remarks.of_postgres(
                server,
                needed=connections_of(reply.backend, settings),
                is_ours=is_migrated(reply.backend, settings),
            )
        case KafkaCluster() as cluster:
            read = topics_read(settings, services)
            written = topics_written(settings, services) - read
            yield from remarks.of_kafka(cluster, read=read, written=written)


def topics_read(settings: Settings, services: Collection[str]) -> set[str]:
    """Name the topics from which some services read; apps are those of the settings."""
    own = {app.id: app.events_topic for app in settings.apps}
    topics = {settings.auth.memberships.topic} if "auth" in services else set[str]()
    if "dispatcher" in services:
        topics |= {route.topic or own.get(route.app, "") for route in settings.routes}
    return topics - {""}


def topics_written(settings: Settings, services: Collection[str]) -> set[str]:
    """Name the topics to which some services append."""
    topics = {settings.presence.lifecycle_topic} if "presence" in services else set[str]()
    if "dispatcher" in services:
        topics |= {app.topic for app in settings.apps}
        topics |= {settings.dispatcher.dead_letter_topic} if settings.routes else set()
    return topics - {""}


def _print(report: CheckReport) -> None:
    """Print for people: what is good where answers go, what is not where complaints do."""
    for line in summary(report):
        print(line, flush=True)  # Before complaints, where both go to one place.
    for remark in report.remarks:
        weight = "" if remark.is_error else "warning: "
        print(f"fanfare: {weight}{remark.text}", file=sys.stderr)
