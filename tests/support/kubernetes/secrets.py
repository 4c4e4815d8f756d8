"""The Secret `fanfare`, as deploy/k8s/secrets.sh makes it."""

import subprocess

import yaml

from tests.support.kubernetes.kustomize import DEPLOY


def made() -> dict[str, str]:
    """Make one, with new secrets: its texts by key."""
    done = subprocess.run(  # noqa: S603 - ours.
        [DEPLOY / "secrets.sh"], check=True, capture_output=True, text=True
    )
    texts: dict[str, str] = yaml.safe_load(done.stdout)["stringData"]
    return texts
