"""What TLS costs a connection: clients that come with it, beside clients that come without."""

from bench.beside.connecting import AT_ONCE
from bench.deployment import APP, Deployment
from bench.figures import KIBIBYTES, MICROSECONDS, Figure, Sample
from bench.workers import clients, cpu_seconds, resident_bytes, separate
from tests.support.servers import Certificates

FIRST, MORE = 500, 1500  # Clients: the first ones also pay for what all share.

LINES = (
    Figure(
        name="connect_plain",
        title="connect + public subscribe, no TLS: CPU",
        unit="µs",
        scale=MICROSECONDS,
    ),
    Figure(name="connect_tls", title="the same with TLS: CPU", unit="µs", scale=MICROSECONDS),
    Figure(name="memory_plain", title="the same, no TLS: memory", unit="KiB", scale=KIBIBYTES),
    Figure(name="memory_tls", title="the same with TLS: memory", unit="KiB", scale=KIBIBYTES),
)
_SERVER = """
[server]
certificate = "{0.certificate}"
certificate_key = "{0.key}"
"""


async def measure(deployment: Deployment) -> Sample:
    """Measure both, each in a process of its own."""
    certificates = Certificates.issue(deployment.directory / "certificates")
    connect, memory = await _cost(deployment, None)
    connect_tls, memory_tls = await _cost(deployment, certificates)
    return {
        "connect_plain": connect,
        "connect_tls": connect_tls,
        "memory_plain": memory,
        "memory_tls": memory_tls,
    }


async def _cost(deployment: Deployment, certificates: Certificates | None) -> tuple[float, float]:
    """Return the CPU seconds and the resident bytes of a client."""
    more = _SERVER.format(certificates) if certificates else ""
    ca = certificates.ca if certificates else None
    async with (
        deployment.on_memory.running(more=more) as program,
        clients(program.port, APP.key, ca=ca) as crowd,
    ):
        pid = program.process.pid
        separate(pid, [crowd.pid])
        await crowd.ask(f"arrive {FIRST} {AT_ONCE} first-")
        resident, cpu = resident_bytes(pid), cpu_seconds(pid)
        await crowd.ask(f"arrive {MORE} {AT_ONCE} more-")
        return (cpu_seconds(pid) - cpu) / MORE, (resident_bytes(pid) - resident) / MORE
