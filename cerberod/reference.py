"""The reference of methods in words, read off the registry's OpenRPC document. Pure.

What a caller of one method has to know on one page: params with type, default and meaning, result fields, error codes.
"""

import re
import shlex
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from cerberod import __version__
from cerberod.console import cell, pairs, table
from cerberod.rpc.describe import openrpc
from cerberod.rpc.registry import Registry

Schema = Mapping[str, Any]

SHOWN = "x-example"
"""In the schema of an optional parameter that the call needs beside the defaults of the others: a word to show."""
MAX_DEPTH = 6
PAGE_WIDTH = 100


def select(registry: Registry, prefix: str) -> Registry:
    """Return the methods whose names begin with the prefix; the one of that very name alone, if there is one."""
    exact = registry.find(prefix)
    chosen = Registry()
    for method in [exact] if exact is not None else [each for each in registry if each.name.startswith(prefix)]:
        chosen.add(method)
    return chosen


def overview(registry: Registry, width: int | None) -> str:
    """List methods by name with what they change and what they are for."""
    rows = [{"method": each.name, "effect": each.effect.value, "summary": each.summary} for each in registry]
    return table(rows, width)


def page(registry: Registry, name: str, width: int | None) -> str:
    """Write the whole reference of one method."""
    document = openrpc(select(registry, name), __version__)
    schemas: Schema = document["components"]["schemas"]
    (method,) = document["methods"]
    width = PAGE_WIDTH if width is None else min(width, PAGE_WIDTH)
    facts = [(word, method[f"x-{word}"]) for word in ("effect", "scope", "cost", "deadline", "since")]
    params = [entry for each in method["params"] for entry in _param(each, schemas, MAX_DEPTH)]
    fields = [
        (path, kind(schema, schemas), schema.get("description", ""))
        for path, schema in _fields(method["result"]["schema"], schemas, "", MAX_DEPTH)
    ]
    errors = table([{"code": each["code"], "message": each["message"]} for each in method["errors"]])
    return "\n\n".join(
        [
            method["name"],
            "\n".join(filter(None, [method["summary"], method["description"]])),
            pairs(facts, width),
            "params\n" + _definitions(params, width),
            "result\n" + _definitions(fields, width),
            "errors\n" + textwrap.indent(errors, "  "),
            f"example\n  {example(method, schemas)}",
        ]
    )


def _definitions(entries: list[tuple[str, str, str]], width: int) -> str:
    """Write name and type on one line, the meaning below it; types may be long."""
    lines = []
    for name, what, meaning in entries:
        lines += textwrap.wrap(f"{name}  {what}", width, initial_indent="  ", subsequent_indent="    ")
        lines += textwrap.wrap(meaning, width, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(lines) or "  none"


def _param(param: Mapping[str, Any], schemas: Schema, depth: int) -> Iterator[tuple[str, str, str]]:
    """Yield a param, and what an object in it is made of: nobody can write an order without its fields."""
    name, schema = param["name"], param["schema"]
    use = _use(schema, required=param["required"])
    yield name, f"{kind(schema, schemas, null=False)}, {use}", param.get("description", "")
    inner, mark = _inside(schema, schemas)
    if inner is not None and depth:
        for field, its in inner["properties"].items():
            part = {"name": f"{name}{mark}.{field}", "schema": its, "required": field in inner.get("required", ())}
            yield from _param({**part, "description": its.get("description", "")}, schemas, depth - 1)


def _use(schema: Schema, *, required: bool) -> str:
    default = schema.get("default")
    if required:
        return "required"
    return "optional" if default is None else f"{cell(default)} if left out"


def example(method: Mapping[str, Any], schemas: Schema) -> str:
    """Return a command line that calls the method with a word for each parameter that the call needs."""
    words = [
        f"{each['name']}={each['schema'].get(SHOWN) or _sample(each['schema'], schemas)}"
        for each in method["params"]
        if each["required"] or SHOWN in each["schema"]
    ]
    return " ".join(["cerberod call", method["name"], *map(shlex.quote, words)])


def _sample(schema: Schema, schemas: Schema) -> str:
    resolved = _resolved(schema, schemas)
    for choices in ("examples", "enum"):
        if resolved.get(choices):
            first = resolved[choices][0]
            return orjson.dumps(first).decode() if isinstance(first, list | dict) else cell(first)
    what = kind(schema, schemas, null=False)
    return "10" if what == "decimal" else what.split()[0].upper()


def kind(schema: Schema, schemas: Schema, *, null: bool = True) -> str:
    """Say in a few words which values a schema allows; without `null`, only those that can be typed."""
    schema = _resolved(schema, schemas)
    if "enum" in schema:
        return "|".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    for joint in ("anyOf", "oneOf"):
        if joint in schema:
            kinds = dict.fromkeys(kind(part, schemas) for part in schema[joint])
            return " or ".join(each for each in kinds if null or each != "null")
    match schema.get("type"):
        case "array":
            return f"list of {kind(schema.get('items', {}), schemas)}"
        case "string":
            return _text(schema)
        case "integer":
            return f"integer{_range(schema)}"
        case "number":
            return f"number{_range(schema)}"
        case str(word):
            return word
        case list(words):
            return " or ".join(words)
        case _:
            return "any"


def _text(schema: Schema) -> str:
    if "format" in schema:
        return str(schema["format"])
    pattern = str(schema.get("pattern", ""))
    takes_numbers_only = re.search(pattern, "1.5") is not None and not re.search(pattern, "a", re.IGNORECASE)
    return "decimal" if takes_numbers_only else "text"


def _range(schema: Schema) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is None and most is None:
        return ""
    return f" {'' if least is None else least}..{'' if most is None else most}"


def _fields(schema: Schema, schemas: Schema, prefix: str, depth: int) -> Iterator[tuple[str, Schema]]:
    """Yield every field of a result under its dotted path; `[]` stands for each entry of a list."""
    for name, field in _resolved(schema, schemas).get("properties", {}).items():
        path = f"{prefix}{name}"
        yield path, field
        inner, mark = _inside(field, schemas)
        if inner is not None and depth:
            yield from _fields(inner, schemas, f"{path}{mark}.", depth - 1)


def _inside(field: Schema, schemas: Schema) -> tuple[Schema | None, str]:
    """Return the object that a field holds, or that each entry of its list is."""
    for option in (field, *field.get("anyOf", ())):
        found = _resolved(option, schemas)
        if "properties" in found:
            return found, ""
        if found.get("type") == "array":
            entry = _resolved(found.get("items", {}), schemas)
            return (entry, "[]") if "properties" in entry else (None, "")
    return None, ""


def _resolved(schema: Schema, schemas: Schema) -> Schema:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    target: Schema = schemas[reference.rpartition("/")[2]]
    return {**target, **{name: value for name, value in schema.items() if name != "$ref"}}
