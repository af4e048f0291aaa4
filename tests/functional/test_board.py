"""The Grafana board shows what there is: every metric and label it asks for stands in /metrics of a real daemon."""

import re
import urllib.request
from collections import defaultdict
from typing import Any

import anyio
import anyio.to_thread
import orjson
from prometheus_client.parser import text_string_to_metric_families
from websockets.exceptions import InvalidStatus

from tests.support.client import connected, raw_connection
from tests.support.daemon import ROOT, Daemon

BOARD = ROOT / "systemd" / "grafana-cerberod.json"


def queries(board: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (target["expr"], target["legendFormat"]) for panel in board["panels"] for target in panel.get("targets", [])
    ]


async def exposed(daemon: Daemon) -> dict[str, set[str]]:
    """Return the labels of every sample the daemon shows, by its name."""

    def read() -> str:
        with urllib.request.urlopen(f"{daemon.http_url}/metrics", timeout=60) as answer:
            return str(answer.read().decode())

    found: dict[str, set[str]] = defaultdict(set)
    for family in text_string_to_metric_families(await anyio.to_thread.run_sync(read)):
        for sample in family.samples:
            found[sample.name] |= {"job", *sample.labels}  # Prometheus itself adds the job
    return found


def test_the_board_is_one() -> None:
    board = orjson.loads(BOARD.read_bytes())
    assert (board["title"], board["uid"]) == ("cerberod", "cerberod")
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in cells) < 24, panel["title"]
        assert not cells & taken, f"{panel['title']} covers another panel"
        taken |= cells
        assert panel["type"] == "row" or panel["description"]


async def test_every_metric_of_the_board_is_shown_by_a_real_daemon(shared_daemon: Daemon) -> None:
    async with connected(shared_daemon) as client:
        await client.call("session.ping")
        await client.call("deribit.get_ticker", {"instrument_name": "BTC-PERPETUAL"})
        await client.ask("deribit.get_ticker", {}, bad=True)
    async with raw_connection(shared_daemon) as connection:
        await connection.send("{")
        await connection.recv()
    try:
        async with raw_connection(shared_daemon, token="wrong"):
            raise AssertionError("let in with a wrong token")
    except InvalidStatus:
        pass
    await exposed(shared_daemon)
    shown = await exposed(shared_daemon)
    asked = queries(orjson.loads(BOARD.read_bytes()))
    assert asked
    used = set()
    for expression, legend in asked:
        names = re.findall(r"\bcerberod_[a-z_]+", expression)
        assert names, expression
        used |= set(names)
        for name in names:
            assert name in shown, f"{name} is not in /metrics"
        wanted = {*re.findall(r"[{,](\w+)!?=", expression), *re.findall(r"\{\{(\w+)\}\}", legend)}
        for group in re.findall(r"by \(([^)]*)\)", expression):
            wanted |= {label.strip() for label in group.split(",")}
        for label in wanted:
            assert any(label in shown[name] for name in names), f"{label} is no label of {names}"
    families = {re.sub(r"_(total|bucket|sum|count|created)$", "", name) for name in shown if "process" not in name}
    forgotten = families - {re.sub(r"_(total|bucket)$", "", name) for name in used}
    assert forgotten <= NOT_ON_THE_BOARD, f"add them to the board, or to the list: {forgotten - NOT_ON_THE_BOARD}"


NOT_ON_THE_BOARD = {
    "cerberod_outbox_bytes",  # beside the number of messages
    "cerberod_bot_debt_largest",
    "cerberod_commits",
    "cerberod_records",
}
"""What is there for whoever looks closer."""
