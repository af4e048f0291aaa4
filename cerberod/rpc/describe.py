"""The registry as an OpenRPC document, for `rpc.discover`, the command line and the reference pages.

https://spec.open-rpc.org/ (1.3.2). What OpenRPC has no word for stands in `x-` members: effect, scope, cost, deadline.
"""

from typing import Any

from pydantic.json_schema import JsonSchemaMode, models_json_schema

from cerberod.errors import MESSAGES, Code
from cerberod.rpc.registry import Effect, Method, Registry

OPENRPC_VERSION = "1.3.2"

_ALWAYS = (Code.INVALID_PARAMS, Code.INTERNAL_ERROR, Code.NOT_ALLOWED, Code.SHUTTING_DOWN, Code.BUSY, Code.OVER_BUDGET)
_OF_EFFECT = {
    Effect.READ: (Code.DEADLINE_PASSED, Code.REPLY_TOO_BIG),
    Effect.WRITE: (Code.DEADLINE_PASSED, Code.BATCH_REFUSED, Code.INTENT_REUSED, Code.NOT_RECORDABLE),
    Effect.ADMIN: (Code.DEADLINE_PASSED, Code.BATCH_REFUSED, Code.NOT_RECORDABLE),
}
UPSTREAM_ERRORS = (Code.VENUE_DOWN, Code.VENUE_REFUSED, Code.BAD_VENUE_DATA, Code.NO_KEYS)
OWN_NAMESPACES = frozenset({"session", "orders", "admin", "rpc", "common"})
"""Namespaces whose methods ask nobody upstream unless they say so; others are a venue's or a family of providers."""


def error_codes(method: Method) -> tuple[Code, ...]:
    """Return the codes a caller of this method should be ready for, beside those of any bad envelope."""
    # A write too: what it reads before it is sent can be refused. Once it is sent, what the venue says is an outcome.
    upstream: tuple[Code, ...] = () if method.namespace in OWN_NAMESPACES else UPSTREAM_ERRORS
    return tuple(sorted({*_ALWAYS, *_OF_EFFECT[method.effect], *upstream, *method.errors}, reverse=True))


def openrpc(registry: Registry, version: str) -> dict[str, Any]:
    """Describe every method. The document validates against the OpenRPC meta-schema."""
    methods = list(registry)
    wanted: list[tuple[type, JsonSchemaMode]] = []
    for method in methods:
        wanted += [(method.params, "validation"), (method.result, "serialization")]
    schemas, definitions = models_json_schema(
        dict.fromkeys(wanted),  # type: ignore[arg-type]  # an ordered set of the pairs the signature asks for
        ref_template="#/components/schemas/{model}",
    )
    components = definitions.get("$defs", {})
    return {
        "openrpc": OPENRPC_VERSION,
        "info": {
            "title": "cerberod",
            "version": version,
            "description": "Exchange accounts, their markets, and analytics, as JSON-RPC 2.0 methods.",
        },
        "methods": [
            _method(
                method,
                _resolved(schemas[method.params, "validation"], components),
                schemas[method.result, "serialization"],
            )
            for method in methods
        ],
        "components": {"schemas": components},
    }


def _resolved(schema: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: dict[str, Any] = components[reference.rpartition("/")[2]]
    return found


def _method(method: Method, params: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    required = set(params.get("required", ()))
    names = sorted(params.get("properties", {}), key=lambda name: name not in required)
    return {
        "name": method.name,
        "summary": method.summary,
        "description": method.text,
        "tags": [{"name": name} for name in dict.fromkeys((method.namespace, method.effect.value))],
        "paramStructure": "by-name",
        "params": [
            {
                "name": name,
                "description": params["properties"][name].get("description", ""),
                "required": name in required,
                "schema": params["properties"][name],
            }
            for name in names
        ],
        "result": {"name": method.result.__name__, "schema": result},
        "errors": [{"code": int(code), "message": MESSAGES[code]} for code in error_codes(method)],
        "x-effect": method.effect.value,
        "x-scope": method.scope,
        "x-cost": method.cost,
        "x-deadline": method.deadline.value,
        "x-since": method.since,
    }
