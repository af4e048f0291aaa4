"""`rpc.discover` is an OpenRPC document: by its official meta-schema, and by what every method declares."""

import os
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from referencing import Registry as SchemaRegistry
from referencing.jsonschema import DRAFT7

from cerberod.app import methods
from cerberod.rpc.describe import openrpc

META_SCHEMA = "OPENRPC_META_SCHEMA"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document as a client reads it: written as JSON and read again."""
    read: dict[str, Any] = orjson.loads(orjson.dumps(openrpc(methods(), "0.0.0")))
    return read


def test_every_method_of_the_registry_is_described(document: dict[str, Any]) -> None:
    assert [each["name"] for each in document["methods"]] == [method.name for method in methods()]


def test_every_schema_in_it_is_a_json_schema_whose_references_resolve(document: dict[str, Any]) -> None:
    schemas = [each["schema"] for method in document["methods"] for each in (*method["params"], method["result"])]
    schemas += document["components"]["schemas"].values()
    assert schemas
    for schema in schemas:
        Draft202012Validator.check_schema(schema)
        for reference in _references(schema):
            assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"]


def test_every_param_and_result_says_what_it_is(document: dict[str, Any]) -> None:
    for method in document["methods"]:
        assert method["summary"], method["name"]
        for param in method["params"]:
            assert param["description"], f"{method['name']}.{param['name']}"


def test_required_params_stand_first(document: dict[str, Any]) -> None:
    # OpenRPC: a required content descriptor does not follow an optional one.
    for method in document["methods"]:
        required = [param["required"] for param in method["params"]]
        assert required == sorted(required, reverse=True), method["name"]


def test_the_document_is_valid_by_the_official_meta_schema(document: dict[str, Any]) -> None:
    folder = os.environ.get(META_SCHEMA)  # noqa: TID251 - a path the script that runs the tests hands over
    if not folder:
        pytest.skip("the OpenRPC meta-schema comes from npm packages; node is not here (see scripts/test.sh)")
    meta, registry = _official(Path(folder))
    problems = [
        f"{error.json_path}: {error.message[:200]}"
        for error in Draft7Validator(meta, registry=registry).iter_errors(document)
    ]
    assert not problems


def _official(folder: Path) -> tuple[dict[str, Any], SchemaRegistry[Any]]:
    """Read the meta-schema and every schema it refers to from installed npm packages."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.rglob("*schema*.json")):
        value = orjson.loads(path.read_bytes())
        if isinstance(value, dict) and isinstance(value.get("$id"), str):
            found[value["$id"].rstrip("#/")] = value
    registry: SchemaRegistry[Any] = SchemaRegistry().with_resources(
        (name + tail, DRAFT7.create_resource(value)) for name, value in found.items() for tail in ("", "/")
    )
    metas = [value for value in found.values() if "openrpc" in value.get("properties", {})]
    assert len(metas) == 1, sorted(found)
    return metas[0], registry


def _references(value: object) -> list[str]:
    match value:
        case dict():
            own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return own + [found for inner in value.values() for found in _references(inner)]
        case list():
            return [found for inner in value for found in _references(inner)]
        case _:
            return []
