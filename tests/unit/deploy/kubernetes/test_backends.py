"""components/backends: what docker-compose.yml has, but for what volumes and pods are otherwise."""

import pytest

from tests.support.deployments.composition import composition, secrets
from tests.support.kubernetes.kustomize import Object, render
from tests.support.kubernetes.manifests import by_name, container_of, spec_of

COMPOSED = composition(secrets())["services"]
BACKENDS = ("redis", "kafka", "postgres")
MINE = {  # Of a volume the top is the file system's, with a lost+found.
    "KAFKA_LOG_DIRS": "/var/lib/kafka/data/log",
    "PGDATA": "/var/lib/postgresql/data/pgdata",
}


def stateful(name: str) -> Object:
    """Return a backend."""
    return by_name(render("dev"), "StatefulSet")[name]


def plain(name: str) -> dict[str, str]:
    """Return the variables that are no secrets."""
    listed = container_of(stateful(name)).get("env", [])
    return {each["name"]: each["value"] for each in listed if "value" in each}


@pytest.mark.parametrize("name", BACKENDS)
def test_image(name: str) -> None:
    assert container_of(stateful(name))["image"] == COMPOSED[name]["image"]


def test_redis() -> None:
    """Its settings come the same way."""
    assert container_of(stateful("redis"))["command"] == COMPOSED["redis"]["command"]


def test_kafka() -> None:
    assert plain("kafka") == COMPOSED["kafka"]["environment"] | {
        "KAFKA_LOG_DIRS": MINE["KAFKA_LOG_DIRS"]
    }


def test_postgres() -> None:
    """It has the same account and database; its password is a file."""
    given, theirs = plain("postgres"), COMPOSED["postgres"]["environment"]

    assert {name: given[name] for name in ("POSTGRES_USER", "POSTGRES_DB")} == {
        name: theirs[name] for name in ("POSTGRES_USER", "POSTGRES_DB")
    }
    assert given["PGDATA"] == MINE["PGDATA"]


@pytest.mark.parametrize("name", BACKENDS)
def test_memory(name: str) -> None:
    given, unit = container_of(stateful(name))["resources"]["limits"]["memory"], "i"

    assert given.removesuffix(unit).lower() == COMPOSED[name]["mem_limit"]


@pytest.mark.parametrize("name", BACKENDS)
def test_kept(name: str) -> None:
    """What it has is on a volume of its own, where it writes."""
    claim = stateful(name)["spec"]["volumeClaimTemplates"]
    (mount,) = [
        each for each in container_of(stateful(name))["volumeMounts"] if each["name"] == "data"
    ]

    assert [each["metadata"]["name"] for each in claim] == ["data"]
    assert any(volume.endswith(mount["mountPath"]) for volume in COMPOSED[name]["volumes"])


@pytest.mark.parametrize("name", BACKENDS)
def test_user(name: str) -> None:
    """The files of its volume are for its own account."""
    pod = spec_of(stateful(name))["securityContext"]

    assert pod["fsGroup"] == pod["runAsGroup"] == pod["runAsUser"]
