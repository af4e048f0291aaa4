"""Every write while something goes wrong at the caller's end of the line."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.faults.asked import Asked, venue_of
from tests.faults.desk import CONFIRMED, Desk, final_outcome, note, require_one_story
from tests.faults.recipes import RECIPES
from tests.support.client import ANSWER_S, check_reply, connected
from tests.support.link import Harm, linked


@dataclass(frozen=True)
class Trouble:
    """What befalls the request on its way to the daemon, or the reply on its way back."""

    harm: Harm
    back: bool
    arrives: bool
    """Whether the request reaches the daemon whole."""


TROUBLES = {
    f"{'reply' if back else 'request'}_{harm}": Trouble(harm, back, arrives=back or harm is Harm.HOLD)
    for back in (False, True)
    for harm in Harm
}


@asynccontextmanager
async def line(desk: Desk) -> AsyncIterator[tuple[Any, Any]]:
    """Open a session over a link that will go wrong."""
    headers = {"Authorization": f"Bearer {desk.daemon.token}", "X-Bot-Tag": "tester"}
    async with (
        linked("127.0.0.1", desk.daemon.port) as link,
        connect(link.url, additional_headers=headers, compression=None, proxy=None, close_timeout=1) as bot,
    ):
        yield link, bot


@pytest.mark.promise("P1", "P2", "P3", "P4")
@pytest.mark.parametrize("name", TROUBLES)
async def test_trouble_at_the_callers_end(desk: Desk, name: str) -> None:
    """Whatever becomes of the caller's connection, it learns the truth by asking again under the same intent."""
    trouble = TROUBLES[name]
    async with connected(desk.daemon) as client:
        for recipe in RECIPES:
            desk.at = venue_of(recipe)
            await desk.working(client)
            asked = await desk.prepare(client, recipe)
            await lose_the_reply(desk, trouble, asked)
            if trouble.arrives:
                final = await final_outcome(client, asked)
                assert final["outcome"] == CONFIRMED
                require_one_story(desk, asked, final["client_order_id"], final)
            reply = await client.call(asked.method, asked.params)
            assert (reply["outcome"], reply["repeated"]) == (CONFIRMED, trouble.arrives)
            assert desk.received(asked) == 1
            note(desk, asked, {"result": reply}, 1)


async def lose_the_reply(desk: Desk, trouble: Trouble, asked: Asked) -> None:
    """Send a write over a line that goes wrong, and read what comes of it until the line ends or is given up."""
    async with line(desk) as (link, bot):
        way = link.back if trouble.back else link.there
        way.harm(trouble.harm)
        request = {"jsonrpc": "2.0", "id": 7, "method": asked.method, "params": asked.params}
        try:
            with anyio.fail_after(ANSWER_S):
                await bot.send(orjson.dumps(request).decode())
                await way.met()
                if trouble.harm is Harm.DROP:
                    return  # nothing will ever come
                if trouble.harm is Harm.HOLD:
                    way.release()
                reply = orjson.loads(await bot.recv())
        except ConnectionClosed:
            assert trouble.harm is not Harm.HOLD
            return
        assert trouble.harm is Harm.HOLD, reply
        check_reply(asked.method, reply)
        assert reply["result"]["outcome"] == CONFIRMED, reply
