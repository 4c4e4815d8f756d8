"""docker-compose.yml: which container is told which secrets, and that images are an operator's to choose."""

from urllib.parse import urlsplit

import pytest

from services.settings import SERVICES
from tests.support.deployments.composition import IMAGE, Service, composition, references, secrets

SECRETS = secrets()
CONTAINERS: dict[str, Service] = composition(SECRETS)["services"]
CREDENTIALS = {
    "gateway": {"REDIS_PASSWORD", "POSTGRES_SERVICES_PASSWORD", "TOKEN_PUBLIC_KEYS"},
    "auth": {"REDIS_PASSWORD", "POSTGRES_SERVICES_PASSWORD", "JWT_SECRET", "TOKEN_KEYS"},
    "dispatcher": {"REDIS_PASSWORD", "POSTGRES_SERVICES_PASSWORD"},
    "presence": {"REDIS_PASSWORD", "POSTGRES_SERVICES_PASSWORD", "TOKEN_PUBLIC_KEYS"},
    "haproxy": {"COOKIE_KEY"},
    "haproxy-tls": {"COOKIE_KEY"},
    "roles": {"POSTGRES_PASSWORD", "POSTGRES_OWNER_PASSWORD", "POSTGRES_SERVICES_PASSWORD"},
    "migrate": {"POSTGRES_OWNER_PASSWORD"},
    "app": {"POSTGRES_SERVICES_PASSWORD", "APP_KEY", "APP_SECRET", "APP_MASTER_KEY"},
    "cli": {"APP_KEY", "APP_SECRET", "JWT_SECRET"},
    "redis": {"REDIS_PASSWORD"},
    "postgres": {"POSTGRES_PASSWORD"},
    "grafana": {"GRAFANA_PASSWORD"},
}


class TestCredentials:
    """Each container is told the secrets that it uses, and no others."""

    @pytest.mark.parametrize("name", sorted(CONTAINERS))
    def test_told(self, name: str) -> None:
        """No other one is in its variables, nor any in what every account of the machine can read."""
        secret = {each: value for each, value in SECRETS.items() if each != "PUBLISH"}
        environ = " ".join(map(str, CONTAINERS[name].get("environment", {}).values()))
        told = {each for each, value in secret.items() if value in environ}

        assert told == CREDENTIALS.get(name, set())
        assert not any(value in str(CONTAINERS[name].get("command")) for value in secret.values())

    @pytest.mark.parametrize("name", [*SERVICES, "migrate", "app"])
    def test_not_the_superuser(self, name: str) -> None:
        """PostgreSQL's superuser is nobody but who makes the roles."""
        environ = CONTAINERS[name]["environment"]
        superuser = CONTAINERS["postgres"]["environment"]["POSTGRES_USER"]
        urls = [str(value) for value in environ.values() if "postgresql://" in str(value)]
        users = {urlsplit(url).username for url in urls} | {environ.get("PGUSER")} - {None}

        assert CONTAINERS["roles"]["environment"]["PGUSER"] == superuser
        roles = CONTAINERS["roles"]["environment"]
        assert users == {roles["OWNER" if name == "migrate" else "SERVICES"]}

    def test_images(self) -> None:
        """Every image may be another one, as the same by its digest."""
        pinned = "example/image:1@sha256:" + 64 * "0"
        names = {each.name for each in references() if each.name.endswith("_IMAGE")}
        chosen = composition(SECRETS | dict.fromkeys(names, pinned))["services"]

        for container in chosen.values():
            assert container["image"] in {IMAGE, pinned}
            if container["image"] == IMAGE:
                assert container["build"]["args"] == {"PYTHON_IMAGE": pinned}
