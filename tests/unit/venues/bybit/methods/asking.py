"""Calling Bybit's methods on a scripted venue as a session does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson

from cerberod.ids import Environment
from cerberod.rpc.call import Call, Principal, Services
from cerberod.rpc.registry import registry
from cerberod.venues.bybit import methods as declared
from cerberod.venues.bybit.client import Bybit
from tests.support.bybit_venue import ScriptedBybit, client_of

METHODS = declared.__all__
PRINCIPAL = Principal(Environment.TESTNET, "testnet", "night-owl", frozenset(), "s-1", "websocket")


class Asking:
    """One bot."""

    def __init__(self, bybit: Bybit) -> None:
        self.bybit = bybit

    async def __call__(self, name: str, **given: Any) -> dict[str, Any]:
        method = registry.find("bybit." + name)
        assert method is not None
        params = method.params.model_validate_json(orjson.dumps(given), strict=True)
        result = await method.handler(
            Call("r-1", method.name, PRINCIPAL, Services(Environment.TESTNET, [self.bybit])), params
        )
        told: dict[str, Any] = orjson.loads(result.model_dump_json())
        return told


@asynccontextmanager
async def asking(venue: ScriptedBybit, **options: Any) -> AsyncIterator[Asking]:
    """Run a client of a scripted venue behind the methods."""
    async with client_of(venue, **options) as bybit:
        yield Asking(bybit)
