"""A bad day at a venue: what goes wrong, what a caller may be told while it does, and what must be true in the end.

On every day all writes of a venue are tried one after the other, by one real daemon at one real simulator, each in a
process of its own.
"""

from dataclasses import dataclass
from typing import Any

from tests.faults.asked import Asked, venue_of
from tests.faults.desk import (
    CONFIRMED,
    ERROR,
    UNKNOWN,
    Desk,
    final_outcome,
    note,
    reply_of,
    require_listed,
    require_one_story,
    require_pushed,
)
from tests.faults.recipes import RECIPES
from tests.support.client import Client, connected


@dataclass(frozen=True)
class Day:
    """What goes wrong, and what a caller may be told while it does."""

    rule: dict[str, Any]
    told: str
    """The outcome of the reply, or `error`."""
    effect: bool
    """Whether the venue carries the write out all the same."""
    every_request: bool = False
    """The rule means all requests, not only the write."""
    cut_first: bool = False
    """The connection that stands is cut, because new ones are what goes wrong."""
    placed: str = ""
    """What is told of an order that is placed alone, where that is something else."""
    unread: bool = False
    """The venue reads nothing, though something was written to it; a write that asks first is an error."""
    sought: bool = False
    """The venue says that the order is there already, and it is not: it is looked for until one gives up."""


LOSING = {"refuse", "status", "cut_before", "cut_after", "half_answer", "garbage", "silence", "rate_limit"}
"""Verbs after which the connection is gone."""
UNANSWERED = {"drop_answer", "answer_late", "silence"}
"""Verbs after which no answer comes."""
LOOKING = "/v5/order/realtime"
"""How Bybit is asked what became of an order."""
PLACING = frozenset({"bybit.place_order", "bybit.close_position"})


def error(code: int, told: str, *, effect: bool = False) -> Day:
    return Day({"verb": "error", "code": code, "effect": effect}, told, effect)


def recipes_of(venue: str) -> list[str]:
    return [name for name in RECIPES if venue_of(name) == venue]


async def every_write(desk: Desk, venue: str, day: Day) -> None:
    """Let every write of a venue suffer a day, one after the other."""
    desk.at = venue
    async with connected(desk.daemon) as client:
        for recipe in recipes_of(venue):
            await desk.working(client)
            asked = await desk.prepare(client, recipe)
            await suffer(desk, client, day, asked)


def _last_straw(day: Day, asked: Asked) -> str | None:
    """Return the request after which there is no point in waiting on; None where an answer comes."""
    if day.sought:
        return LOOKING
    return asked.wire if day.rule["verb"] in UNANSWERED else None


async def suffer(desk: Desk, client: Client, day: Day, asked: Asked) -> None:
    """Send one write on a bad day, then let the day pass, and hold all that is said of it against the venue."""
    venue, is_cancel = desk.venue, RECIPES[asked.method].is_cancel
    which = {} if day.every_request else {"method": asked.wire, "times": 1}
    if day.rule["verb"] in LOSING and desk.keeps_a_connection:
        desk.announce_loss()
    expected = (day.placed if asked.method in PLACING else "") or day.told
    with venue.day(day.rule | which):
        if day.cut_first:
            losses = await desk.losses(client)
            venue.drop()
            await desk.has_lost(client, losses)
        losses = await desk.losses(client)
        reply = await desk.ask(client, asked, give_up_after=_last_straw(day, asked))
        told = reply_of(reply)
        label = reply.get("result", {}).get("client_order_id")
        assert told == expected or (day.unread and told == ERROR), reply
        read = 0 if told == ERROR or day.unread else 1
        if read:
            await desk.has_received(asked)  # a connection that is lost may be noticed here before it is read there
        sent = desk.received(asked)
        assert sent == read, "an error means nothing sent, anything else one request"
        note(desk, asked, reply, sent)
        if told == UNKNOWN:
            await require_listed(client, asked)
            if not is_cancel:
                again = await client.call(asked.method, asked.params)
                assert (again["outcome"] in (UNKNOWN, CONFIRMED), again["repeated"]) == (True, True)
                assert desk.received(asked) == read
    if day.rule["verb"] == "silence":
        venue.drop()
    if day.rule["verb"] in ("silence", "rate_limit") and desk.keeps_a_connection:
        await desk.has_lost(client, losses)
    await desk.working(client)

    if told == ERROR:
        assert asked.done(venue.orders(), label) is False
        assert [desk.journaled(part) for part in asked.parts] == [None] * len(asked.parts)
        assert (await client.call("orders.get_outcome", {"intent": asked.intent}))["known"] is False
        assert desk.journaled(asked.intent) is None
        reply = await client.ask(asked.method, asked.params)
        assert reply_of(reply) == CONFIRMED, "an intent of which nothing left is free"
        label = reply["result"]["client_order_id"]
    elif told == UNKNOWN and not day.effect:
        if is_cancel:
            again = await client.call(asked.method, asked.params)
            assert (again["outcome"], again["repeated"]) == (CONFIRMED, False), (
                "a cancel of unknown outcome is sent again"
            )
        else:
            venue.let_time_pass(60)
    elif told == UNKNOWN and not all(carried_out(venue.orders()) for carried_out in asked.parts.values()):
        venue.let_time_pass(60)  # else the venue may still do what it has not done, and nobody can tell
    final = await final_outcome(client, asked)
    if told == UNKNOWN and not (is_cancel and not day.effect):
        await require_pushed(client, asked, final["outcome"])
    require_one_story(desk, asked, label, final)
    if day.rule["verb"] == "answer_late":
        venue.release()

    before = desk.received(asked)
    again = await client.call(asked.method, asked.params)
    assert (again["outcome"], again["repeated"]) == (final["outcome"], True)
    assert desk.received(asked) == before, "a repeat sends nothing"
    assert before <= 1 + (is_cancel and told == UNKNOWN)
