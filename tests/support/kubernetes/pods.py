"""
What a pod of deploy/k8s would run, as a process here: no image, no cluster.

The command, the variables, the files of ConfigMaps and Secrets, and the probes are those of the manifest.  A directory
takes the place of the container's root, an address of loopback that of the pod's.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from services.settings import load
from tests.support.deadline import DEADLINE
from tests.support.deployments.program import FANFARE, Program, spawned
from tests.support.kubernetes.kustomize import Object, Objects
from tests.support.kubernetes.manifests import by_name, container_of, spec_of

SLOW = aiohttp.ClientTimeout(total=DEADLINE)
READABLE = 0o644  # Kubernetes' default for files of volumes.
LISTENS = ("FANFARE_SERVER_LISTEN", "FANFARE_SERVER_INTERNAL_LISTEN")


class CannotMount(Exception):
    """A volume has nothing to show: the kubelet waits, and the container is not created."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """
    What pods refer to.

    Attributes:
        objects: As rendered.
        secrets: The Secrets, which nobody renders: name, key and text.
        directory: Takes the files of all pods.
        changes: Variables over those of the manifests: where the backends are, and bounds of this machine.
    """

    objects: Objects
    secrets: Mapping[str, Mapping[str, str]]
    directory: Path
    changes: Mapping[str, str]

    def config_map(self, name: str) -> Mapping[str, str]:
        """Return the texts of a ConfigMap."""
        texts: Mapping[str, str] = by_name(self.objects, "ConfigMap")[name]["data"]
        return texts


@dataclass(frozen=True, slots=True)
class Pod:
    """
    The one container of a pod, laid out.

    Attributes:
        container: As the manifest has it.
        command: That of the image, and the manifest's arguments.
        environ: All variables.
        log: Where it writes.
        host: Its address.
        grace: Seconds that it has to end.
    """

    container: Object
    command: Sequence[str]
    environ: Mapping[str, str]
    log: Path
    host: str
    grace: float

    async def passes(self, probe: str) -> bool:
        """Ask as the kubelet does: any status from 200 to 399 will do."""
        get = self.container[probe]["httpGet"]
        (port,) = [
            each["containerPort"]
            for each in self.container["ports"]
            if get["port"] in {each["name"], each["containerPort"]}
        ]
        url = f"http://{self.host}:{port}{get['path']}"
        try:
            async with aiohttp.ClientSession(timeout=SLOW) as http, http.get(url) as response:
                return 200 <= response.status < 400
        except aiohttp.ClientConnectionError:
            return False


def lay_out(cluster: Cluster, kind: str, name: str, *, host: str) -> Pod:
    """
    Prepare what a workload's pods run.

    Raises:
        CannotMount: A volume names what is not there.
    """
    workload = by_name(cluster.objects, kind)[name]
    template, container = spec_of(workload), container_of(workload)
    root = cluster.directory / host / name
    root.mkdir(parents=True)
    volumes = {volume["name"]: volume for volume in template["volumes"]}
    mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
    for path, volume in mounts.items():
        _mount(cluster, volume, root / path.lstrip("/"))
    given = dict(_variables(cluster, container))
    environ = {key: _placed(text, mounts, root) for key, text in given.items()}
    return Pod(
        container,
        # ENTRYPOINT of Dockerfile, and what the manifest says after it.
        [*FANFARE, *container["args"]],
        {"PATH": os.environ["PATH"], **environ, **cluster.changes},
        root / "log",
        host,
        template.get("terminationGracePeriodSeconds", 30),  # Kubernetes' default.
    )


def _mount(cluster: Cluster, volume: Object, folder: Path) -> None:
    """Show what is in a volume, as the kubelet does before it creates the container."""
    folder.mkdir(parents=True)
    for name, text, mode in _files(cluster, volume):
        file = folder / name
        file.write_text(text)
        file.chmod(mode)


def _files(cluster: Cluster, volume: Object) -> Iterator[tuple[str, str, int]]:
    """Yield the files of a volume: name, text and mode."""
    if "configMap" in volume:
        mode = volume["configMap"].get("defaultMode", READABLE)
        for name, text in cluster.config_map(volume["configMap"]["name"]).items():
            yield name, text, mode
    projected = volume.get("projected", {})
    for source in projected.get("sources", []):
        name = source["secret"]["name"]
        if name not in cluster.secrets:
            raise CannotMount(f'secret "{name}" not found')
        for item in source["secret"]["items"]:
            if item["key"] not in cluster.secrets[name]:
                raise CannotMount(f"references non-existent secret key: {item['key']}")
            mode = item.get("mode", projected.get("defaultMode", READABLE))
            yield item["path"], cluster.secrets[name][item["key"]], mode


def _variables(cluster: Cluster, container: Object) -> Iterator[tuple[str, str]]:
    for source in container.get("envFrom", []):
        yield from cluster.config_map(source["configMapRef"]["name"]).items()
    for variable in container["env"]:
        yield variable["name"], variable["value"]


def _placed(text: str, mounts: Mapping[str, Any], root: Path) -> str:
    """Move what a variable names to where it is here, if it is in a volume."""
    inside = any(text.startswith(f"{path}/") for path in mounts)
    return f"{root}{text}" if inside else text


def listening(pod: Pod) -> dict[str, str]:
    """Return variables that have it listen at the ports that its settings say, and at its own address alone."""
    server = load(path=None, environ=pod.environ).server
    return {
        variable: ",".join(f"{pod.host}:{address.port}" for address in addresses)
        for variable, addresses in zip(
            LISTENS, (server.listen, server.internal_listen), strict=True
        )
    }


@asynccontextmanager
async def started(pod: Pod, more: Mapping[str, str] | None = None) -> AsyncIterator[Program]:
    """Run a pod's command, with ``more`` variables; it is killed in the end."""
    ports = {each["name"]: each["containerPort"] for each in pod.container.get("ports", [])}
    environ = {**pod.environ, **(more or {})}
    async with spawned(pod.command, environ=environ, log=pod.log) as process:
        yield Program(process, pod.log, pod.host, ports.get("http", 0), ports.get("internal", 0))


async def outcome(pod: Pod) -> tuple[int, str]:
    """Run what ends by itself; return its exit status, and what it wrote."""
    async with started(pod) as program, asyncio.timeout(DEADLINE):
        status = await program.process.wait()
    return status, pod.log.read_text()


async def until_passes(pod: Pod, program: Program, probe: str) -> None:
    """Wait until a probe passes; fails with the log of a process that ends, or takes too long."""
    await program.wait_until(probe, partial(pod.passes, probe))
