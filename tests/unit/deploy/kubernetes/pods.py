"""The settings that a workload's pods load, from a Secret that deploy/k8s/secrets.sh makes."""

from collections.abc import Sequence
from pathlib import Path

from services.settings import Settings, load
from tests.support.kubernetes.kustomize import Object
from tests.support.kubernetes.pods import Cluster, lay_out
from tests.support.kubernetes.secrets import made

SECRET = made()
KAFKA = {"kafka-sasl-password": "hush"}


def settings(
    directory: Path, objects: Sequence[Object], name: str, kind: str = "Deployment"
) -> Settings:
    """Load the settings of a workload's pods as they do."""
    cluster = Cluster(objects, {"fanfare": SECRET | KAFKA, "fanfare-tls": {}}, directory, {})
    pod = lay_out(cluster, kind, name, host="127.0.0.1")
    return load(path=None, environ=pod.environ, needs_apps=kind == "Deployment")
