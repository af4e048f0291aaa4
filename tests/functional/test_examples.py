"""The example of every read, as `cerberod methods` prints it, is answered: by one daemon on its own simulator."""

import shlex
from typing import Any

from cerberod import __version__, app
from cerberod.arguments import split_words, typed
from cerberod.reference import example, select
from cerberod.rpc.describe import openrpc
from cerberod.rpc.registry import Effect
from tests.support.client import connected
from tests.support.daemon import Daemon

OF_A_DAY = {
    "bybit.get_order": "an order that nobody has placed here",
    "deribit.get_combo_details": "a combo of the day it was written on",
    "deribit.get_leg_prices": "legs that are a combo only while somebody has made one of them",
}
"""Examples that cannot be answered on any day, and why."""
DATED = "25DEC26"
"""The expiry of examples; the farthest that is listed stands in for it, because every day has one."""


def params_of(name: str) -> dict[str, Any]:
    method = app.methods().find(name)
    assert method is not None
    document = openrpc(select(app.methods(), name), __version__)
    _, _, _, *words = shlex.split(example(document["methods"][0], document["components"]["schemas"]))
    return typed(split_words(words), method.params.model_json_schema())


async def test_the_example_of_every_read_is_answered(daemon: Daemon) -> None:
    reads = {each.name for each in app.methods() if each.effect is Effect.READ and each.scope != "admin"}
    assert reads > OF_A_DAY.keys()
    async with connected(daemon) as bot:
        listed = await bot.call("deribit.get_expirations", {"currency": "BTC", "kind": "option"})
        far = listed["option"][-1]["name"]
        refused = {}
        for name in sorted(reads - OF_A_DAY.keys()):
            params = {
                word: _dated(value, far) if isinstance(value, list) else value
                for word, value in params_of(name).items()
            }
            reply = await bot.ask(name, params)
            if "error" in reply:
                refused[name] = (params, reply["error"])
        assert refused == {}


def _dated(value: Any, far: str) -> Any:
    """Put the farthest expiry in the place of that of the examples, wherever it stands."""
    match value:
        case str():
            return value.replace(DATED, far)
        case list():
            return [_dated(each, far) for each in value]
        case dict():
            return {word: _dated(each, far) for word, each in value.items()}
        case _:
            return value
