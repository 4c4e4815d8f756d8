"""What pods of deploy/k8s are given: the Secret `fanfare`, as secrets.sh makes it, and the settings that they then load."""

import subprocess
from functools import cache
from pathlib import Path

import yaml

from services.settings import Settings, load
from tests.support.kubernetes.kustomize import DEPLOY, Objects
from tests.support.kubernetes.pods import Cluster, lay_out

KAFKA = {"kafka-sasl-password": "hush"}  # With components/kafka-sasl.


@cache
def secret() -> dict[str, str]:
    """Make a new Secret: its texts by key, which are not to be changed."""
    done = subprocess.run(  # noqa: S603 - ours.
        [DEPLOY / "secrets.sh"], check=True, capture_output=True, text=True
    )
    texts: dict[str, str] = yaml.safe_load(done.stdout)["stringData"]
    return texts


def settings(directory: Path, objects: Objects, name: str, kind: str = "Deployment") -> Settings:
    """Load the settings of a workload's pods as they do."""
    cluster = Cluster(objects, {"fanfare": secret() | KAFKA, "fanfare-tls": {}}, directory, {})
    pod = lay_out(cluster, kind, name, host="127.0.0.1")
    return load(path=None, environ=pod.environ, needs_apps=kind == "Deployment")
