"""deploy/k8s as Kubernetes would get it: each overlay, rendered by kustomize."""

import os
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support.documents.tree import ROOT
from tests.support.go.modules import find_kustomize

DEPLOY = ROOT / "deploy" / "k8s"
OVERLAYS = sorted(path.parent.name for path in DEPLOY.glob("overlays/*/kustomization.yaml"))
COMPONENTS = sorted(path.parent.name for path in DEPLOY.glob("components/*/kustomization.yaml"))
NAMESPACE = "fanfare"  # Of all overlays but that to try things with.
TIMEOUT = 60.0  # Seconds; a tenth of one is usual.

Object = dict[str, Any]
Objects = Sequence[Object]


class NotRendered(Exception):
    """Kustomize refuses a folder."""


@cache
def render(overlay: str) -> Objects:
    """
    Return the objects of an overlay, which are not to be changed: others get the same.

    Raises:
        NotRendered: Kustomize refuses it.
    """
    return build(DEPLOY / "overlays" / overlay)


@cache
def combined(overlay: str, *components: str) -> Objects:
    """Render an overlay with components on top of it, as one of a user's own would; as `render`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        deploy = os.path.relpath(DEPLOY, folder)
        document = {
            "namespace": NAMESPACE,
            "resources": [f"{deploy}/overlays/{overlay}"],
            "components": [f"{deploy}/components/{one}" for one in components],
        }
        folder.joinpath("kustomization.yaml").write_text(yaml.safe_dump(document))
        return build(folder)


def build(folder: Path) -> Objects:
    """Render any folder that has a kustomization; as `render`."""
    done = subprocess.run(  # noqa: S603 - our own.
        [find_kustomize(), "build", folder],
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    if done.returncode or done.stderr:  # What it warns of is a mistake too.
        raise NotRendered(done.stderr.strip())
    return [one for one in yaml.load_all(done.stdout, yaml.CSafeLoader) if one]
