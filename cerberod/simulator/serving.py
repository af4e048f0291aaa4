"""Opens the doors of a simulated world: its venues and the control path, and the passing of time."""

from contextlib import AsyncExitStack
from typing import NoReturn

import anyio

from cerberod.simulator.config import SimulatorConfig
from cerberod.simulator.control import ControlServer
from cerberod.simulator.deribit.server import HTTP_PATH, WEBSOCKET_PATH
from cerberod.simulator.world import BYBIT_LIVE, BYBIT_TESTNET, LIVE, TESTNET, World

_TICK_S = 0.25


async def serve(world: World, config: SimulatorConfig, stack: AsyncExitStack) -> dict[str, str]:
    """Open all listeners in `stack` and return their addresses."""
    ports = {
        TESTNET: config.deribit_port,
        LIVE: config.deribit_live_port,
        BYBIT_TESTNET: config.bybit_port,
        BYBIT_LIVE: config.bybit_live_port,
    }
    urls: dict[str, str] = {}
    for name, deribit in world.deribit_servers.items():
        port = await stack.enter_async_context(deribit.listen(config.host, ports[name]))
        urls[name] = f"ws://{config.host}:{port}{WEBSOCKET_PATH}"
        urls[f"{name}_http"] = f"http://{config.host}:{port}{HTTP_PATH}"
    for name, bybit in world.bybit_servers.items():
        port = await stack.enter_async_context(bybit.listen(config.host, ports[name]))
        urls[name] = f"http://{config.host}:{port}"
    port = await stack.enter_async_context(ControlServer(world).listen(config.host, config.control_port))
    urls["control"] = f"http://{config.host}:{port}"
    tasks = await stack.enter_async_context(anyio.create_task_group())  # last: a taken port is a plain OSError
    stack.callback(tasks.cancel_scope.cancel)
    tasks.start_soon(_let_time_pass, world)
    return urls


async def _let_time_pass(world: World) -> NoReturn:
    """Let resting orders meet the market even when nobody looks."""
    while True:
        await anyio.sleep(_TICK_S)
        world.refresh()
