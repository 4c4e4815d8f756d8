"""
What is wrong with an object of Kubernetes, by the schemas of those who define its kind; names that nobody knows are.

Kubernetes' own come with kubernetes-validate, for each of its versions.  Others are those of their makers' modules
(`tests.support.go.modules`): as they are read here, what they do not name is refused, as `kubectl` does by default, and
their rules in CEL are asked too.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import kubernetes_validate
import yaml
from jsonschema import Draft202012Validator

from tests.support.go.modules import SCHEMAS, find_schema
from tests.support.kubernetes.kustomize import Object
from tests.support.kubernetes.manifests import name_of
from tests.support.kubernetes.validations import breaches

OLDEST, NEWEST = "1.31", "1.37"  # Of Kubernetes, that deploy/k8s is for.
EXPERIMENTAL = "experimental"  # Part of the names of files that a usual cluster has not.


def faults(found: Object) -> list[str]:
    """Say what is wrong with an object, in a sentence each."""
    return [*_faults(json.dumps(found, sort_keys=True))]


@cache
def _faults(text: str) -> tuple[str, ...]:
    found = json.loads(text)
    name = name_of(found)
    if (schema := custom().get((found["apiVersion"], found["kind"]))) is not None:
        errors = Draft202012Validator(schema).iter_errors(found)
        said = [f"{error.json_path}: {error.message}" for error in errors]
        # Rules rely on what a schema asks for.
        return tuple(f"{name}: {one}" for one in said or breaches(schema, found))
    return tuple(f"{name}: {said}" for version in (OLDEST, NEWEST) for said in _own(found, version))


def _own(found: Object, version: str) -> Iterator[str]:
    """Ask Kubernetes' own schemas."""
    try:
        kubernetes_validate.validate(found, version, strict=True)
    except kubernetes_validate.SchemaNotFoundError as error:
        yield error.message
    except kubernetes_validate.ValidationError as error:
        yield f"{error.json_path}: {error.message} ({version})"


@cache
def custom() -> Mapping[tuple[str, str], Any]:
    """Return the strict schemas of kinds that Kubernetes does not know by itself, by version and kind."""
    files = [name for name in SCHEMAS if name.endswith(".yaml") and EXPERIMENTAL not in name]
    return {which: schema for name in files for which, schema in definitions(name)}


def definitions(name: str) -> Iterator[tuple[tuple[str, str], Any]]:
    """Read a CustomResourceDefinition: each version and kind, with its strict schema."""
    spec = yaml.load(find_schema(name).read_text(encoding="utf-8"), yaml.CSafeLoader)["spec"]
    for version in spec["versions"]:
        which = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
        schema = version["schema"]["openAPIV3Schema"]
        schema["properties"]["metadata"] = {"type": "object"}  # Kubernetes' own.
        yield which, _strict(schema)


def _strict(schema: Any) -> Any:
    """Refuse properties that a schema does not name, wherever it names some and keeps no others."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _strict(value) for key, value in schema.items()}
    if schema.get("x-kubernetes-int-or-string"):
        found.pop("type", None)
        found["type"] = ["integer", "string"]
    keeps = schema.get("x-kubernetes-preserve-unknown-fields")
    if schema.get("type") == "object" and "properties" in schema and not keeps:
        found.setdefault("additionalProperties", False)
    return found
