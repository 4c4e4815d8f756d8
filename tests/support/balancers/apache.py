"""Apache with deploy/apache/fanfare.conf."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.balancers.balancer import Front, Ports, moved
from tests.support.deployments.machines import amended
from tests.support.deployments.program import ROOT
from tests.support.programs import find_program
from tests.support.servers import Certificates
from tests.support.servers.ports import free_port
from tests.support.servers.process import Launch, make_directory, running
from tests.support.servers.web import answers

FILE = ROOT / "deploy" / "apache" / "fanfare.conf"
MODULES = Path("/usr/lib/apache2/modules")
# What Debian loads by itself.
USUAL = ("mpm_event", "authz_core", "proxy", "socache_shmcb", "setenvif")
MAIN = """
ServerRoot {directory}
DefaultRuntimeDir {directory}
PidFile {directory}/pid
ErrorLog /dev/stderr
ServerName localhost
StartServers 1
{modules}
Listen 127.0.0.1:{plain}
Listen 127.0.0.1:{public}
Include {directory}/fanfare.conf
"""


@asynccontextmanager
async def apache_front(ports: Ports, certificates: Certificates) -> AsyncIterator[Front]:
    """Run Apache before services."""
    public, plain, directory = free_port(), free_port(), make_directory("apache")
    write(directory, ports, certificates, public=public, plain=plain)
    url, trust = f"https://127.0.0.1:{public}", certificates.client_context()
    launch = Launch(
        name="apache",
        url=url,
        command=[*command(directory), "-D", "FOREGROUND"],
        directory=directory,
        probe=lambda: answers(url, trust=trust),
    )
    async with running(launch):
        yield Front(
            url,
            ("", "/realtime"),
            directory / "access.log",
            trust,
            knows_sockets=False,
            plain=f"http://127.0.0.1:{plain}",
        )


def write(
    directory: Path, ports: Ports, certificates: Certificates, *, public: int, plain: int
) -> None:
    """Write what Apache reads."""
    text = moved(FILE.read_text(), ports, certificates)
    changes = {
        "*:80>": f"127.0.0.1:{plain}>",
        "*:443>": f"127.0.0.1:{public}>",
        "/var/log/apache2/fanfare.log": str(directory / "access.log"),
    }
    (directory / "fanfare.conf").write_text(amended(text, changes))
    loaded = [f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in modules()]
    main = {"directory": directory, "plain": plain, "public": public}
    (directory / "httpd.conf").write_text(MAIN.format(**main, modules="\n".join(loaded)))


def modules() -> list[str]:
    """Return the modules that are loaded: Debian's usual ones, and those that the file says it needs."""
    (line,) = [line for line in FILE.read_text().splitlines() if "a2enmod" in line]
    return [*USUAL, *line.partition("a2enmod")[2].split()]


def command(directory: Path) -> list[str]:
    """Return how Apache is called."""
    return [str(find_program("apache2")), "-f", str(directory / "httpd.conf")]
