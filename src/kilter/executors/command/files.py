"""Files of parameters, for programs that read their configuration from one."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from kilter.core.errors import InvalidInput, needed
from kilter.core.parameter import Plain


def nested(params: Mapping[str, Plain]) -> dict[str, Any]:
    """Parameters as a tree, cut at the dots of their names.

    >>> nested({"optim.lr": 0.1, "optim.name": "sgd", "depth": 3})
    {'optim': {'lr': 0.1, 'name': 'sgd'}, 'depth': 3}
    """
    tree: dict[str, Any] = {}
    for name, value in params.items():
        *parents, leaf = name.split(".")
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[leaf] = value
    return tree


def toml(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> str:
    """A tree of scalars and lists as TOML, which has no null: those entries are left out."""
    tables = {key: value for key, value in tree.items() if isinstance(value, Mapping)}
    scalars = {key: value for key, value in tree.items() if key not in tables and value is not None}
    lines = [f"{_toml_key(key)} = {_toml_value(value)}\n" for key, value in scalars.items()]
    if path and (lines or not tables):
        lines.insert(0, f"[{'.'.join(map(_toml_key, path))}]\n")
    return "".join(lines) + "".join(toml(table, (*path, key)) for key, table in tables.items())


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml_value(key)


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else {math.inf: "inf", -math.inf: "-inf"}.get(value, "nan")
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml_value, value))}]"
    # JSON leaves DEL as it is, which TOML forbids.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f") if isinstance(value, str) else str(value)


def check_nesting(names: Sequence[str]) -> None:
    """Raise InvalidInput where a parameter has the name of a branch."""
    for name in names:
        parts = name.split(".")
        for i in range(1, len(parts)):
            parent = ".".join(parts[:i])
            if parent in names:
                raise InvalidInput(
                    f"a file cannot hold both {parent!r} and {name!r}: rename the first, as {parent}.name"
                )


def written(fmt: str, params: Mapping[str, Plain]) -> str:
    """Parameters in the format of a file: yaml, json or toml."""
    tree = nested(params)
    if fmt == "toml":
        return toml(tree)
    return json.dumps(tree, indent=2) if fmt == "json" else str(yaml().safe_dump(tree, sort_keys=False))


def yaml() -> Any:
    """The library that writes YAML."""
    with needed("pyyaml", "{file:yaml}", "or use {file:json} or {file:toml}"):
        import yaml  # type: ignore[import-untyped, unused-ignore]
    return yaml
