"""Every write, its answer lost, and the daemon killed before it could ask what became of it.

The venue has carried the write out and lives on; the daemon that starts on what is left finds the truth by what the
journal holds, and a bot that repeats its intent changes nothing a second time. `test_kills` dies at every point of a
few writes; this one dies at the worst point of all of them.
"""

from collections.abc import Iterator
from contextlib import suppress

import anyio
import anyio.to_thread
import pytest
from websockets.exceptions import ConnectionClosed

from tests.faults.asked import venue_of
from tests.faults.recipes import RECIPES
from tests.faults.test_matrix import CONFIRMED, Desk, final_outcome, require_one_story
from tests.support.client import ANSWER_S, Client, connected


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("killed"))
    try:
        yield desk
        desk.daemon.stop()
    finally:
        desk.daemon.kill()
        desk.simulator.kill()
    desk.daemon.check()


@pytest.mark.promise("P1", "P2", "P3", "P4", "P8")
@pytest.mark.parametrize("recipe", RECIPES)
async def test_a_write_whose_answer_died_with_the_daemon_is_known_to_the_next(desk: Desk, recipe: str) -> None:
    desk.at = venue_of(recipe)
    async with connected(desk.daemon) as client:
        await desk.working(client)
        asked = await desk.prepare(client, recipe)
        with desk.venue.day({"verb": "drop_answer", "method": asked.wire, "times": 1}):
            async with anyio.create_task_group() as group:

                async def ask(client: Client = client) -> None:
                    with suppress(ConnectionClosed):
                        await client.ask(asked.method, asked.params)

                group.start_soon(ask)
                with anyio.fail_after(ANSWER_S):
                    while not desk.received(asked):  # noqa: ASYNC110 - in another process
                        await anyio.sleep(0.005)
                desk.daemon.kill()
                group.cancel_scope.cancel()
    await anyio.to_thread.run_sync(desk.daemon.restart)
    async with connected(desk.daemon) as client:
        final = await final_outcome(client, asked)
        assert final["outcome"] == CONFIRMED
        require_one_story(desk, asked, final["client_order_id"], final)
        again = await client.call(asked.method, asked.params)
        assert (again["outcome"], again["repeated"]) == (CONFIRMED, True)
        assert desk.received(asked) == 1
