"""The example on a method's page is a command that can be typed as it stands."""

import shlex

import pytest

from cerberod import __version__, app
from cerberod.arguments import split_words, typed
from cerberod.reference import example, select
from cerberod.rpc.describe import openrpc


@pytest.mark.parametrize(
    "name",
    [
        "deribit.get_funding_history",
        "deribit.get_historical",
        "deribit.get_leg_prices",
        "deribit.get_ticker",
        "deribit.simulate_portfolio",
    ],
)
def test_an_example_can_be_typed(name: str) -> None:
    found = app.methods().find(name)
    assert found is not None
    document = openrpc(select(app.methods(), name), __version__)
    (method,) = document["methods"]
    command, verb, said, *words = shlex.split(example(method, document["components"]["schemas"]))
    assert (command, verb, said) == ("cerberod", "call", name)
    found.params.model_validate(typed(split_words(words), found.params.model_json_schema()))
