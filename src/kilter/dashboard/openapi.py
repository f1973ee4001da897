"""The OpenAPI document of api/v1, made of the table of routes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from kilter.core.border import LONGEST_NAME
from kilter.dashboard.asking import Query, Route

SCHEMAS: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "name": {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME},
    "integer": {"type": "integer", "minimum": 0},
    "integers": {"type": "array", "items": {"type": "integer", "minimum": 0}},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "texts": {"type": "array", "items": {"type": "string"}},
    "object": {"type": "object"},
    "values": {"type": ["number", "string", "array", "object"]},
    "row": {"type": "array"},
    "rows": {"type": "array", "items": {"type": "array"}},
}
ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {name: {"type": "string"} for name in ("kind", "message", "action")},
        }
    },
}


def openapi(routes: Iterable[Route], version: str) -> dict[str, Any]:
    """What can be asked, and how."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = route.path.replace(":int", "")
        paths.setdefault(path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "kilter",
            "version": version,
            "description": (
                "Studies, trials and what they say. Answers of JSON are objects with their version, `v`, and those "
                "about one study with its `revision`; analyses say `as_of` how many trials. NaN and the infinities "
                "are text. A change is sent as application/json; where the dashboard has a token, as "
                "`Authorization: Bearer`."
            ),
        },
        "servers": [{"url": "."}],
        "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{}, {"token": []}],
    }


def _operation(route: Route) -> dict[str, Any]:
    places = re.findall(r"{(\w+)(:int)?}", route.path)
    operation: dict[str, Any] = {
        "summary": route.says,
        "operationId": f"{route.method.lower()}{re.sub(r'[{}/:]+', '_', route.path).rstrip('_')}",
        "parameters": [_place(name, SCHEMAS["integer" if kind else "text"]) for name, kind in places]
        + [_query(query) for query in route.query],
        "responses": {
            "200": {"description": "The answer.", "content": {route.media: {}}},
            "default": {"description": "Why not.", "content": {"application/json": {"schema": ERROR}}},
        },
    }
    if route.method != "GET":
        fields = {field.name: {**SCHEMAS[field.kind], "description": field.says} for field in route.body}
        needed = [field.name for field in route.body if field.needed]
        schema = {"type": "object", "properties": fields, "required": needed, "additionalProperties": False}
        operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return operation


def _place(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query(query: Query) -> dict[str, Any]:
    schema = dict(SCHEMAS[query.kind])
    if query.one_of:
        schema["enum"] = list(query.one_of)
    if query.default not in (None, ()):
        schema["default"] = query.default
    return {"name": query.name, "in": "query", "description": query.says, "schema": schema, "explode": False}
