"""The params of a call as people type them: a JSON object, or NAME=VALUE words that take the types the method asks for.

Pure. Nothing is judged here but the form of what was typed: whether a value is right is for the daemon to say, so that
there is one judge and one wording.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

_WORD = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)

Schema = Mapping[str, Any]


class BadArgument(Exception):
    """What was typed is not params; the text says what would be."""


def from_json(text: str | bytes) -> dict[str, Any]:
    """Read params given as one JSON object."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadArgument("the params are not JSON") from None
    if not isinstance(value, dict):
        raise BadArgument("params are given by name: one JSON object, or NAME=VALUE words")
    return value


def split_words(words: Sequence[str]) -> dict[str, str]:
    """Read NAME=VALUE words; the values are still text."""
    found: dict[str, str] = {}
    for word in words:
        match = _WORD.fullmatch(word)
        if match is None:
            raise BadArgument(f"{word!r} is neither NAME=VALUE nor a JSON object")
        name, text = match.groups()
        if name in found:
            raise BadArgument(f"{name} is given twice")
        found[name] = text
    return found


def needs_schema(texts: Mapping[str, str]) -> bool:
    """Tell whether any value could be read in two ways; text that is no JSON is always text."""
    return any(_parsed(text) is not _NOT_JSON for text in texts.values())


def typed(texts: Mapping[str, str], schema: Schema | None) -> dict[str, Any]:
    """Give each value the JSON type that the params schema asks for; without schema, JSON where it is JSON."""
    if schema is None:
        return {name: _typed(text, None) for name, text in texts.items()}
    fields: Schema = schema.get("properties", {})
    definitions: Schema = schema.get("$defs", {})
    kinds = {name: _kinds(fields[name], definitions) for name in texts if name in fields}
    return {name: _typed(text, kinds.get(name)) for name, text in texts.items()}


_NOT_JSON = object()


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return _NOT_JSON


def _typed(text: str, kinds: frozenset[str] | None) -> Any:
    value = _parsed(text)
    if value is _NOT_JSON:
        return text
    if kinds is None or "string" not in kinds:
        return value
    # Where text is allowed, what was typed stays: an amount is decimal text, and `null` may be a name.
    return value if _kind(value) in kinds - {"string", "null"} else text


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _kinds(schema: Schema, definitions: Schema) -> frozenset[str] | None:
    """Collect the JSON types that a schema allows; None when it allows any."""
    if "$ref" in schema:
        return _kinds(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    for joint in ("anyOf", "oneOf", "allOf"):
        if joint in schema:
            parts = [_kinds(part, definitions) for part in schema[joint]]
            return None if None in parts else frozenset[str]().union(*(part for part in parts if part is not None))
    if "enum" in schema:
        return frozenset(map(_kind, schema["enum"]))
    if "const" in schema:
        return frozenset({_kind(schema["const"])})
    found = schema.get("type")
    if found is None:
        return None
    kinds = {found} if isinstance(found, str) else set(found)
    return frozenset(kinds | {"integer"} if "number" in kinds else kinds)
