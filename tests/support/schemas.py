"""Random values that follow a published schema, for the part of JSON Schema that params here are made of."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
KNOWN = {
    "title",
    "description",
    "default",
    "examples",
    "type",
    "enum",
    "anyOf",
    "pattern",
    "format",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "exclusiveMinimum",
    "items",
    "minItems",
    "maxItems",
    "exclusiveMaximum",
    "properties",
    "required",
    "additionalProperties",
    "x-example",
}
INSTANTS = st.integers(1_514_764_800, 1_893_456_000).map(
    lambda second: datetime.fromtimestamp(second, UTC).isoformat().replace("+00:00", "Z")
)
"""Moments from 2018 to 2030."""


def values(schema: Mapping[str, Any], named: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Return what draws values that the schema admits. Examples of the schema come often: they reach further.

    `named` are the schemas that others refer to by name.
    """
    if "$ref" in schema:
        return values(named[schema["$ref"].rpartition("/")[2]], named)
    unknown = schema.keys() - KNOWN
    assert not unknown, f"teach this generator {unknown}"
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of([values(each, named) for each in schema["anyOf"]])
    drawn = _of_type(schema, named)
    return st.sampled_from(schema["examples"]) | drawn if schema.get("examples") else drawn


def _of_type(schema: Mapping[str, Any], named: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    match schema.get("type"):
        case "null":
            return st.none()
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(schema.get("minimum", -(2**53)), schema.get("maximum", 2**53))
        case "number":
            return st.floats(
                schema.get("exclusiveMinimum", schema.get("minimum", -1e12)),
                schema.get("exclusiveMaximum", schema.get("maximum", 1e12)),
                exclude_min="exclusiveMinimum" in schema,
                exclude_max="exclusiveMaximum" in schema,
                allow_nan=False,
                allow_infinity=False,
            )
        case "string" if schema.get("format") == "date-time":
            return INSTANTS
        case "string" if "pattern" in schema:
            return st.from_regex(schema["pattern"], fullmatch=True)
        case "string":
            least, most = schema.get("minLength", 0), min(schema.get("maxLength", 64), 300)
            return st.text(st.characters(exclude_categories=["Cs"]), min_size=least, max_size=most)
        case "array":
            least, most = schema.get("minItems", 0), min(schema.get("maxItems", 8), 60)
            return st.lists(values(schema["items"], named), min_size=least, max_size=most)
        case "object" if "properties" in schema:
            return _members(schema["properties"], set(schema.get("required", ())), named)
        case "object":
            return st.dictionaries(TEXT, ANYTHING, max_size=4)
        case other:
            raise AssertionError(f"teach this generator the type {other}")


def _members(
    properties: Mapping[str, Any], required: set[str], named: Mapping[str, Any]
) -> st.SearchStrategy[dict[str, Any]]:
    drawn = {name: values(schema, named) for name, schema in properties.items()}
    return st.fixed_dictionaries(
        {name: drawn[name] for name in drawn if name in required},
        optional={name: drawn[name] for name in drawn if name not in required},
    )


def params(described: Mapping[str, Any], named: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return what draws params of one method, as OpenRPC describes it."""
    properties = {each["name"]: each["schema"] for each in described["params"]}
    return _members(properties, {each["name"] for each in described["params"] if each["required"]}, named)
