"""Combo orders at the simulated Deribit, through a real daemon: whatever sense the venue has, the caller's is done.

Each step before the order is made to fail, in every way a venue can fail, and nothing but an empty book is left.
"""

from decimal import Decimal
from typing import Any

import anyio
import orjson
import pytest

from cerberod.errors import Code
from tests.contract.raw_deribit import connected as raw
from tests.functional.conftest import StartDaemon
from tests.functional.test_deribit_orders import denied, done, resolved, size, trading
from tests.functional.test_environments import MAINNET_TOKEN
from tests.support.client import ANSWER_S, Client, Refused, connected, raw_connection
from tests.support.daemon import UNHURRIED
from tests.support.losing import ask_and_lose, lose
from tests.support.simulator import LIVE, TESTNET, SimulatorProcess


async def spread(
    bot: Client, side: str = "buy", amounts: tuple[str, str] = ("0.2", "0.2"), number: int = 0
) -> list[dict[str, Any]]:
    """Return two calls of the last expiry, the lower strike on this side and the higher on the other."""
    listed = (await bot.call("deribit.get_instruments", {"currency": "BTC", "kind": "option"}))["instruments"]
    last = max(each["expires_at"] for each in listed)
    calls = [each for each in listed if each["expires_at"] == last and each["option_type"] == "call"]
    calls.sort(key=lambda each: float(each["strike"]))
    middle = len(calls) // 2 + number
    names = [calls[middle]["instrument_name"], calls[middle + 1]["instrument_name"]]
    sides = [side, "sell" if side == "buy" else "buy"]
    return [
        {"instrument_name": name, "side": side, "amount": amount}
        for name, side, amount in zip(names, sides, amounts, strict=True)
    ]


async def held(bot: Client, legs: list[dict[str, Any]]) -> list[Decimal]:
    return [await size(bot, leg["instrument_name"]) for leg in legs]


async def test_the_callers_sense_is_done_whichever_the_venue_has(
    start_daemon: StartDaemon, simulator: SimulatorProcess
) -> None:
    """A spread is bought and sold again; the venue has one combo for both, and knows it in one sense."""
    async with trading(start_daemon, simulator) as bot:
        buying, selling = await spread(bot, "buy"), await spread(bot, "sell")
        check = await bot.call(
            "orders.check", {"method": "deribit.place_combo_order", "params": {"legs": buying, "price": "0.5"}}
        )
        assert (check["would_send"], check["wire"]["method"]) == (True, "private/create_combo")
        assert "private/create_combo" not in simulator.received(TESTNET), "a check makes nothing"

        bought = await done(bot, "deribit.place_combo_order", legs=buying, price="0.5")
        sold = await done(bot, "deribit.place_combo_order", legs=selling, price="0.5")
        assert simulator.received(TESTNET)["private/create_combo"] == 1
        assert bought["combo_id"] == sold["combo_id"]
        assert {bought["combo_side"], sold["combo_side"]} == {"buy", "sell"}
        for told, legs in ((bought, buying), (sold, selling)):
            assert (told["filled_amount"], told["order"]["order_state"]) == ("0.2", "filled")
            assert [(leg["instrument_name"], leg["side"]) for leg in told["legs"]] == [
                (leg["instrument_name"], leg["side"]) for leg in legs
            ]
            assert [leg["filled_amount"] for leg in told["legs"]] == ["0.2", "0.2"]
            signed = [
                Decimal(leg["average_price"]) * (1 if leg["side"] == "buy" else -1) * leg["ratio"]
                for leg in told["legs"]
            ]
            assert sum(signed) == Decimal(told["average_price"]), "the legs add up to the package"
            fees = sum(Decimal(trade["fee"]) for trade in told["trades"])
            assert [(fee["currency"], Decimal(fee["amount"])) for fee in told["fees"]] == [("BTC", fees)]
        assert Decimal(bought["average_price"]) > 0 > Decimal(sold["average_price"]), "paid for, and paid out"
        assert await held(bot, buying) == [0, 0]


async def test_a_package_of_another_ratio_fills_in_that_ratio(
    start_daemon: StartDaemon, simulator: SimulatorProcess
) -> None:
    async with trading(start_daemon, simulator) as bot:
        legs = await spread(bot, "sell", ("0.2", "0.4"))
        told = await done(bot, "deribit.place_combo_order", legs=legs, price="1")
        assert (told["amount"], [leg["ratio"] for leg in told["legs"]]) == ("0.2", [1, 2])
        assert await held(bot, legs) == [Decimal("-0.2"), Decimal("0.4")]


async def test_a_future_spread_is_one_order_of_two_futures(
    start_daemon: StartDaemon, simulator: SimulatorProcess
) -> None:
    async with trading(start_daemon, simulator) as bot:
        listed = (await bot.call("deribit.get_instruments", {"currency": "BTC", "kind": "future"}))["instruments"]
        far = max((each for each in listed if each["expires_at"]), key=lambda each: str(each["expires_at"]))
        legs = [
            {"instrument_name": far["instrument_name"], "side": "sell", "amount": "50"},
            {"instrument_name": "BTC-PERPETUAL", "side": "buy", "amount": "50"},
        ]
        assert await denied(bot, "deribit.place_combo_order", legs=legs, price="-99.7") == [("price", "-99.5")]
        told = await done(bot, "deribit.place_combo_order", legs=legs, price="99999", time_in_force="fill_or_kill")
        assert (told["order"]["direction"], told["filled_amount"]) == ("sell", "50")
        assert await held(bot, legs) == [-50, 50]


async def test_a_package_that_rests_is_edited_and_cancelled(
    start_daemon: StartDaemon, simulator: SimulatorProcess
) -> None:
    async with trading(start_daemon, simulator) as bot:
        legs = await spread(bot)
        told = await done(bot, "deribit.place_combo_order", legs=legs, price="0.0001", post_only=True)
        assert (told["filled_amount"], told["average_price"], told["fees"]) == ("0", None, [])
        order_id = told["order"]["order_id"]
        edited = await done(bot, "deribit.edit_order", order_id=order_id, price="-0.0002")
        assert edited["order"]["price"] == "-0.0002"
        await done(bot, "deribit.cancel_order", order_id=order_id)
        itself = {"instrument_name": told["combo_id"], "side": "buy", "amount": "0.1", "price": "-0.0003"}
        direct = await done(bot, "deribit.place_order", **itself)
        assert (direct["order"]["price"], direct["order"]["order_state"]) == ("-0.0003", "open")
        assert await held(bot, legs) == [0, 0]


async def test_what_cannot_be_a_package_is_denied_and_nothing_is_sent(
    start_daemon: StartDaemon, simulator: SimulatorProcess
) -> None:
    async with trading(start_daemon, simulator) as bot:
        legs = await spread(bot)
        both = {"legs": legs, "price": "0.01"}

        def changed(number: int, **change: Any) -> dict[str, Any]:
            return both | {"legs": [leg | change if at == number else leg for at, leg in enumerate(legs)]}

        method = "deribit.place_combo_order"
        expired = changed(1, instrument_name="BTC-7FEB25-100000-C")
        assert await denied(bot, method, **expired) == [("legs.1.instrument_name", None)]
        eth = (await bot.call("deribit.get_instruments", {"currency": "ETH", "kind": "option"}))["instruments"][0]
        other = changed(1, instrument_name=eth["instrument_name"], amount="1")
        assert await denied(bot, method, **other) == [("legs.1.instrument_name", None)]
        assert await denied(bot, method, **changed(0, amount="0.05")) == [("legs.0.amount", "0.1")]
        assert await denied(bot, method, **changed(1, amount="1.4")) == [("legs", "1:3")]
        await done(bot, method, **both | {"price": "0.0001"})
        assert await denied(bot, method, **both | {"price": "0.00012"}) == [("price", "0.0001")]
        huge = {"legs": [leg | {"amount": "5000"} for leg in await spread(bot, "sell")], "price": "0.5"}
        assert await denied(bot, method, **huge) == [("legs", None)]
        for params, field in (
            (both | {"legs": []}, "legs"),
            (both | {"legs": [legs[0], legs[0]]}, "legs"),
            (changed(0, side="hold"), "legs.0.side"),
        ):
            with pytest.raises(Refused) as refused:
                await bot.call(method, params, bad=True)
            assert refused.value.fields == [field]
        assert simulator.received(TESTNET)["private/buy"] == 1


EITHER = ("private/buy", "private/sell")
"""How a combo order is sent: which it is depends on how the venue has the combo."""
VERBS: dict[str, dict[str, Any]] = {
    "cut_before": {"verb": "cut_before"},
    "cut_after": {"verb": "cut_after"},
    "drop_answer": {"verb": "drop_answer"},
    "garbage": {"verb": "garbage"},
    "half_answer": {"verb": "half_answer"},
    "general_failure": {"verb": "error", "code": 11094},
    "refused": {"verb": "error", "code": 13035},
    "unlisted": {"verb": "error", "code": 19999, "effect": True},
}
STEPS = {
    "public/get_combos": "find_combo",
    "private/create_combo": "create_combo",
    "private/get_margins": "margin",
    "private/get_account_summary": "margin",
}


@pytest.mark.promise("P1", "P2")
@pytest.mark.parametrize("asked", STEPS)
async def test_a_step_that_fails_leaves_nothing_half_done(
    start_daemon: StartDaemon, simulator: SimulatorProcess, asked: str
) -> None:
    """An error names the step and the intent stays free; a refusal is a reason; no order has left, ever."""
    keys = simulator.keys_of("TESTNET")
    daemon = start_daemon("serve", module="tests.support.giving_up", **UNHURRIED, **keys)
    daemon.announce("connection down")
    async with connected(daemon) as bot:
        for number, (name, rule) in enumerate(VERBS.items()):
            legs = await spread(bot, number=number)
            params = {"legs": legs, "price": "0.0001", "intent": name}
            simulator.fault(**rule, environment=TESTNET, method=asked)
            if name == "drop_answer":
                reply = await ask_and_lose(bot, daemon, simulator, [asked], "deribit.place_combo_order", params)
            else:
                reply = await bot.ask("deribit.place_combo_order", params)
            if "error" in reply:
                assert reply["error"]["data"].get("step", STEPS[asked]) == STEPS[asked], reply
                assert (await bot.call("orders.get_outcome", {"intent": name}))["known"] is False
            else:
                outcome = reply["result"]["outcome"]
                assert (asked, outcome) in (("private/create_combo", "denied"), ("private/get_margins", "confirmed")), (
                    reply
                )
            simulator.lift()
            sent = simulator.received(TESTNET).get("private/buy", 0) + simulator.received(TESTNET).get(
                "private/sell", 0
            )
            assert sent == number + ("error" not in reply and reply["result"]["outcome"] == "confirmed")
            await reachable(bot)
            again = await done(bot, "deribit.place_combo_order", **params)
            assert again["repeated"] is (sent > number)
        orders = simulator.orders(TESTNET)
        assert len(orders) == len({order["label"] for order in orders}) == len(VERBS)


async def reachable(bot: Client) -> None:
    """Wait until the daemon can trade again."""
    while True:
        reply = await bot.ask("deribit.get_account_summary", {"currency": "BTC"})
        if "result" in reply:
            return


@pytest.mark.promise("P4")
async def test_a_kill_while_a_combo_is_made_leaves_an_empty_book_that_is_on_record(
    start_daemon: StartDaemon, simulator: SimulatorProcess
) -> None:
    daemon = start_daemon("serve", **simulator.keys_of("TESTNET"))
    async with connected(daemon) as bot:
        params = {"legs": await spread(bot), "price": "0.0001", "intent": "cut-short"}
    simulator.fault(verb="drop_answer", environment=TESTNET, method="private/create_combo")
    async with raw_connection(daemon) as connection:
        request = {"jsonrpc": "2.0", "id": 1, "method": "deribit.place_combo_order", "params": params}
        await connection.send(orjson.dumps(request).decode())
        with anyio.fail_after(ANSWER_S):
            while "private/create_combo" not in simulator.received(TESTNET):  # noqa: ASYNC110 - another process
                await anyio.sleep(0.01)
        daemon.kill()
    simulator.lift()
    daemon.restart()
    async with connected(daemon) as bot:
        assert (await bot.call("orders.get_outcome", {"intent": "cut-short"}))["known"] is False
        (record,) = (await bot.call("admin.query_audit", {"action": "place_combo_order"}))["records"]
        assert (record["kind"], record["intent"], record["detail"]["step"]) == ("request", "cut-short", "create_combo")
        assert record["detail"]["wire"]["method"] == "private/create_combo"
        assert simulator.orders(TESTNET) == []
        assert (await done(bot, "deribit.place_combo_order", **params))["repeated"] is False
    received = simulator.received(TESTNET)
    assert (received["private/create_combo"], received["private/buy"]) == (1, 1), "what was made is found"


@pytest.mark.promise("P4")
async def test_no_combo_is_made_that_cannot_be_put_on_record(
    start_daemon: StartDaemon, simulator: SimulatorProcess
) -> None:
    daemon = start_daemon("serve", MAINNET_TOKEN=MAINNET_TOKEN, AUDIT_LOG_FILE="", **simulator.settings)
    async with connected(daemon, token=MAINNET_TOKEN) as bot:
        legs = await spread(bot)
        with pytest.raises(Refused) as refused:
            await bot.call("deribit.place_combo_order", {"legs": legs, "price": "0.0001"})
        assert refused.value.code is Code.NOT_RECORDABLE
    assert "private/create_combo" not in simulator.received(LIVE)


@pytest.mark.promise("P1", "P2", "P3")
async def test_a_combo_order_whose_answer_was_lost_is_found_with_its_legs(
    start_daemon: StartDaemon, simulator: SimulatorProcess
) -> None:
    daemon = start_daemon("serve", module="tests.support.giving_up", **UNHURRIED, **simulator.keys_of("TESTNET"))
    async with connected(daemon) as bot:
        legs = await spread(bot, "sell")
        resting = await done(bot, "deribit.place_combo_order", legs=legs, price="-0.5")
        assert resting["filled_amount"] == "0"
        simulator.fault(verb="drop_answer", environment=TESTNET, method="private/sell")
        simulator.fault(verb="drop_answer", environment=TESTNET, method="private/buy")
        params = {"legs": legs, "price": "0.5", "intent": "lost"}
        lost = await lose(bot, daemon, simulator, EITHER, "deribit.place_combo_order", params)
        assert lost["outcome"] == "unknown"
        known = await resolved(bot, "lost")
        assert known["outcome"] == "confirmed"
        told = known["result"]
        assert Decimal(told["average_price"]) < 0
        assert [leg["filled_amount"] for leg in told["legs"]] == ["0.2", "0.2"]
        assert None not in [leg["average_price"] for leg in told["legs"]]
        assert (await bot.call("deribit.place_combo_order", params))["repeated"] is True
        assert await held(bot, legs) == [Decimal("-0.2"), Decimal("0.2")]


@pytest.mark.promise("P2", "P3")
async def test_two_combo_orders_with_one_label_stay_unknown(
    start_daemon: StartDaemon, simulator: SimulatorProcess
) -> None:
    """faults.md 67: somebody else has put the label on an order of theirs."""
    daemon = start_daemon("serve", module="tests.support.giving_up", **UNHURRIED, **simulator.keys_of("TESTNET"))
    daemon.announce("two orders share a label")
    async with connected(daemon) as bot:
        legs = await spread(bot)
        params = {"legs": legs, "price": "0.0001", "intent": "twin"}
        await done(bot, "deribit.place_combo_order", **params | {"intent": "first"})
        check = await bot.call("orders.check", {"method": "deribit.place_combo_order", "params": params})
        await simulator_places(simulator, check["wire"]["params"])
        simulator.fault(verb="drop_answer", environment=TESTNET, method="private/buy")
        lost = await lose(bot, daemon, simulator, EITHER, "deribit.place_combo_order", params)
        assert lost["outcome"] == "unknown"
        with anyio.fail_after(ANSWER_S):
            while True:
                (write,) = (await bot.call("orders.list_unresolved"))["writes"]
                if "share this label" in (write["pending"] or ""):
                    return


async def simulator_places(simulator: SimulatorProcess, params: dict[str, Any]) -> None:
    """Place the same order by another client, with the same label."""
    keys = simulator.keys_of("TESTNET")
    async with raw(keys["DERIBIT_URL_TESTNET"]) as stranger:
        await stranger.log_in((keys["DERIBIT_CLIENT_ID_TESTNET"], keys["DERIBIT_CLIENT_SECRET_TESTNET"]))
        numbers = {name: float(params[name]) for name in ("amount", "price")}
        await stranger.result("private/buy", **{**params, **numbers})
