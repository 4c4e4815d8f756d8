"""deploy/k8s/up.sh: what it asks kubectl for, in which order.  kubectl is a script that writes down what it is asked."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.kubernetes.kustomize import DEPLOY

KUBECTL = """#!/bin/sh
echo "$*" >> asked
case "$*" in
    *"get secret"*) printf '%s' "$THERE" ;;
    *"get deployment"*) printf '%s' "$RUNS" ;;
    *"create --filename -") cat > created ;;
    *"apps list --json") echo "$APPS" ;;
    *"$REFUSED") exit 1 ;;
esac
"""
HERE = "--namespace fanfare-dev"
SERVICES = ("gateway", "auth", "dispatcher", "presence")
FANFARE = f"{HERE} exec deployment/dispatcher -- fanfare"


def up(
    directory: Path, *, there: str = "", runs: str = "", apps: str = "[]", refused: str = "-"
) -> list[str]:
    """Run it, and return what was asked; ``there`` and ``runs`` are the Secret and a Deployment, if there are any."""
    program = directory / "kubectl"
    program.write_text(
        KUBECTL.replace("asked", f"{directory}/asked").replace("> c", f"> {directory}/c")
    )
    program.chmod(0o755)
    variables = {"THERE": there, "RUNS": runs, "APPS": apps, "REFUSED": refused}
    done = subprocess.run(  # noqa: S603 - ours.
        [DEPLOY / "up.sh"],
        check=False,
        env={"PATH": f"{directory}:{os.environ['PATH']}", **variables},
        cwd=directory,
    )
    assert (done.returncode != 0) is (refused != "-")
    return (directory / "asked").read_text().splitlines()


def test_first(tmp_path: Path) -> None:
    """The namespace, the Secret, all else; when that is there, an app."""
    asked = up(tmp_path)

    assert asked == [
        "apply --filename overlays/dev/namespace.yaml",
        f"{HERE} get secret fanfare --ignore-not-found --output name",
        f"{HERE} create --filename -",
        f"{HERE} delete job migrate --ignore-not-found",
        f"{HERE} get deployment dispatcher --ignore-not-found --output name",
        "apply --kustomize overlays/dev",
        *(f"{HERE} rollout status deployment/{each} --timeout 15m" for each in SERVICES),
        f"{FANFARE} apps list --json",
        f"{FANFARE} apps add --name First --client-events",
        f"{FANFARE} status",
    ]
    created = yaml.safe_load((tmp_path / "created").read_text())
    assert (created["kind"], created["metadata"]["name"]) == ("Secret", "fanfare")


def test_again(tmp_path: Path) -> None:
    """Secrets and apps that are there stay, and pods are replaced: the image has the same name."""
    asked = up(tmp_path, there="secret/fanfare", runs="deployment/dispatcher", apps='[{"id": "1"}]')

    applied = asked.index("apply --kustomize overlays/dev")
    services = " ".join(f"deployment/{each}" for each in SERVICES)
    assert asked[applied + 1] == f"{HERE} rollout restart {services}"
    assert not [one for one in asked if "create" in one or "apps add" in one]
    assert asked[-1] == f"{FANFARE} status"


@pytest.mark.parametrize("refused", ["apply --kustomize overlays/dev", "--timeout 15m"])
def test_refused(tmp_path: Path, refused: str) -> None:
    """It ends where the cluster refuses something."""
    assert up(tmp_path, refused=refused)[-1].endswith(refused)
