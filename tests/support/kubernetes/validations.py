"""
The rules in CEL that a schema of Kubernetes carries along (``x-kubernetes-validations``), as a cluster would ask them.

Pure.  Those that compare an object with what it was before are left out: there is nothing before.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import cel

BEFORE = "oldSelf"
RESERVED = re.compile(
    r"^(?:namespace|package|import|const|if|else|for|in|as|let|loop|return|var|void|while|break)$"
)


def breaches(schema: Mapping[str, Any], found: Any) -> Iterator[str]:
    """
    Say which rules an object breaks, each by its own words.

    Args:
        schema: An openAPIV3Schema.
        found: What it describes.
    """
    yield from _breaches(schema, completed(schema, found), "$")


def completed(schema: Mapping[str, Any], found: Any) -> Any:
    """Return an object with the defaults of its schema, as rules see it."""
    if isinstance(found, dict):
        fields = schema.get("properties", {})
        defaults = {key: each["default"] for key, each in fields.items() if "default" in each}
        whole = {**defaults, **found}
        return {key: completed(_of_field(schema, key), value) for key, value in whole.items()}
    if isinstance(found, list):
        return [completed(schema.get("items", {}), each) for each in found]
    return found


def _of_field(schema: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    others = schema.get("additionalProperties")
    fallback = others if isinstance(others, dict) else {}
    field: Mapping[str, Any] = schema.get("properties", {}).get(key, fallback)
    return field


def _breaches(schema: Mapping[str, Any], found: Any, path: str) -> Iterator[str]:
    for rule in schema.get("x-kubernetes-validations", []):
        if BEFORE not in rule["rule"] and not cel.evaluate(rule["rule"], {"self": _named(found)}):
            yield f"{path}: {rule.get('message', rule['rule'])}"
    if isinstance(found, dict):
        for key, value in found.items():
            yield from _breaches(_of_field(schema, key), value, f"{path}.{key}")
    elif isinstance(found, list):
        for index, value in enumerate(found):
            yield from _breaches(schema.get("items", {}), value, f"{path}[{index}]")


def _named(found: Any) -> Any:
    """Call fields as rules do: words that CEL keeps for itself have underscores around them."""
    if isinstance(found, dict):
        return {RESERVED.sub(r"__\g<0>__", key): _named(value) for key, value in found.items()}
    if isinstance(found, list):
        return [_named(each) for each in found]
    return found
