"""The page of a method tells all a caller has to write, and its example can be typed as it stands."""

import shlex

import orjson
import pytest

from cerberod import __version__, app
from cerberod.arguments import split_words, typed
from cerberod.reference import example, page, select
from cerberod.rpc.describe import openrpc
from tests.support.client import check_request

PLACEHOLDERS = {"TEXT", "NUMBER", "INTEGER", "BOOLEAN", "LIST", "OBJECT", "ANY", "DATE-TIME"}
"""What stands for a value where nobody has written an example."""


@pytest.mark.parametrize("name", sorted(each.name for each in app.methods()))
def test_an_example_can_be_typed(name: str) -> None:
    found = app.methods().find(name)
    assert found is not None
    document = openrpc(select(app.methods(), name), __version__)
    (method,) = document["methods"]
    command, verb, said, *words = shlex.split(example(method, document["components"]["schemas"]))
    assert (command, verb, said) == ("cerberod", "call", name)
    params = typed(split_words(words), found.params.model_json_schema())
    check_request(name, params)
    found.params.model_validate_json(orjson.dumps(params), strict=True)
    assert not PLACEHOLDERS & {str(value) for value in params.values()}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("bybit.get_ticker", "  symbol  text, required\n"),
        ("bybit.place_order", "  qty  decimal, required\n"),
        ("bybit.place_batch_order", "  request[].symbol  text, required\n"),
        ("bybit.place_batch_order", "  request[].type  limit|market, limit if left out\n"),
        ("bybit.cancel_batch_order", "  request[].order_id  text, optional\n"),
        ("deribit.place_bracket_order", "  stop_loss.trigger_price  decimal, required\n"),
    ],
)
def test_params_are_told_with_all_they_are_made_of(name: str, told: str) -> None:
    params, _, _ = page(app.methods(), name, 100).partition("\nresult\n")
    assert told in params
