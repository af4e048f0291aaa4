from collections.abc import Collection, Mapping

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerberod.ids import Environment
from cerberod.transport.auth import Authenticator, Identity
from cerberod.transport.handshake import (
    DRAINING,
    NO_ENVIRONMENT,
    NOT_FOUND,
    UNAUTHENTICATED,
    WRONG_HOST,
    WRONG_ORIGIN,
    Admission,
    Door,
    Refusal,
    query_of,
)
from cerberod.transport.perimeter import HostGuard
from tests.support.peers import ADMIN, MAINNET, TESTNET, TOKENS

GOOD = {"Host": ["localhost"], "Authorization": [f"Bearer {TESTNET.reveal()}"], "X-Bot-Tag": ["bot"]}


def door(sessions: int = 10, per_token: int = 5) -> Door:
    return Door(HostGuard("127.0.0.1", ()), ("https://a.b",), Authenticator(TOKENS), sessions, per_token)


def judge(
    target: str = "/",
    changes: Mapping[str, list[str]] | None = None,
    *,
    sessions: int = 0,
    of_token: int = 0,
    draining: bool = False,
    environments: Collection[Environment] = tuple(Environment),
) -> Admission | Refusal:
    """Go through the steps in the order of the listener."""
    given = {**GOOD, **(changes or {})}
    at, headers = door(), lambda name: given.get(name, [])
    refusal = at.knock(target, headers)
    if refusal is not None:
        return refusal
    identity = at.identify(target, headers)
    if identity is None:
        return UNAUTHENTICATED
    return at.enter(
        identity,
        headers,
        environments=environments,
        sessions=sessions,
        sessions_of_token=of_token,
        draining=draining,
    )


def status(verdict: Admission | Refusal) -> int:
    return 101 if isinstance(verdict, Admission) else verdict.status


def test_a_good_handshake_names_its_caller() -> None:
    verdict = judge()
    assert isinstance(verdict, Admission)
    assert (verdict.identity.actor, verdict.bot_tag) == ("testnet", "bot")


@pytest.mark.parametrize(
    ("target", "changes", "expected"),
    [
        ("/", {"Host": ["evil"]}, WRONG_HOST),
        ("/", {"Host": []}, WRONG_HOST),
        ("/", {"Origin": ["null"]}, WRONG_ORIGIN),
        ("/x", {}, NOT_FOUND),
        ("//", {}, NOT_FOUND),
        ("/?token=x", {}, UNAUTHENTICATED),
        ("/", {"Authorization": []}, UNAUTHENTICATED),
        ("/", {"Authorization": [f"Bearer {ADMIN.reveal()}"]}, NO_ENVIRONMENT),
        ("/", {"Authorization": [f"Bearer {ADMIN.reveal()}"], "X-Environment": ["Mainnet"]}, NO_ENVIRONMENT),
        ("/", {"Authorization": [f"Bearer {ADMIN.reveal()}"], "X-Environment": ["mainnet"] * 2}, NO_ENVIRONMENT),
    ],
)
def test_refusals(target: str, changes: Mapping[str, list[str]], expected: Refusal) -> None:
    assert judge(target, changes) == expected


def test_the_operator_names_an_environment_and_nobody_else_can() -> None:
    for environment in Environment:
        operator = judge(changes={"Authorization": [f"Bearer {ADMIN.reveal()}"], "X-Environment": [environment.value]})
        bot = judge(changes={"X-Environment": [environment.value]})
        assert isinstance(operator, Admission)
        assert isinstance(bot, Admission)
        assert (operator.environment, bot.environment) == (environment, Environment.TESTNET)
    unused = judge(
        changes={"Authorization": [f"Bearer {ADMIN.reveal()}"], "X-Environment": ["mainnet"]},
        environments=[Environment.TESTNET],
    )
    assert unused == NO_ENVIRONMENT


def test_the_first_failure_answers() -> None:
    everything = {"Host": ["evil"], "Origin": ["null"], "Authorization": [], "X-Bot-Tag": []}
    statuses = []
    for repaired in ("Host", "Origin", "path", "Authorization", "X-Bot-Tag"):
        path = "/" if repaired in ("Authorization", "X-Bot-Tag") else "/x"
        statuses.append(status(judge(path, everything, sessions=10, draining=True)))
        everything.pop(repaired, None)
    assert statuses == [421, 403, 404, 401, 400]
    assert judge("/", everything, sessions=10, draining=True) == DRAINING
    assert status(judge("/", everything, sessions=10)) == 503


@pytest.mark.parametrize("tags", [[], [""], [" "], ["a", "b"], ["a", "a"], ["x" * 65], ["é"], ["a\tb"]])
def test_a_bad_tag_is_told_header_and_rule(tags: list[str]) -> None:
    verdict = judge(changes={"X-Bot-Tag": tags})
    assert isinstance(verdict, Refusal)
    body = orjson.loads(verdict.body)
    assert (verdict.status, body["error"], body["header"]) == (400, "BAD_REQUEST", "X-Bot-Tag")
    assert body["rule"]


@pytest.mark.parametrize(("sessions", "of_token", "scope"), [(10, 0, "daemon"), (0, 5, "token")])
def test_sessions_are_bounded(sessions: int, of_token: int, scope: str) -> None:
    verdict = judge(sessions=sessions, of_token=of_token)
    assert isinstance(verdict, Refusal)
    assert (verdict.status, verdict.details["scope"], verdict.headers["Retry-After"]) == (503, scope, "5")
    assert isinstance(judge(sessions=sessions and 9, of_token=of_token and 4), Admission)


@given(st.text(max_size=80), st.lists(st.text(max_size=40), max_size=2), st.lists(st.text(max_size=40), max_size=2))
def test_no_request_raises(target: str, authorization: list[str], tags: list[str]) -> None:
    judge(target, {"Authorization": authorization, "X-Bot-Tag": tags})
    query_of(target)


def test_no_refusal_repeats_what_was_sent() -> None:
    identity = door().identify("/", lambda name: [f"Bearer {MAINNET.reveal()}"])
    assert isinstance(identity, Identity)
    refusal = door().enter(
        identity,
        lambda name: ["\x01sent"],
        environments=tuple(Environment),
        sessions=0,
        sessions_of_token=0,
        draining=False,
    )
    assert isinstance(refusal, Refusal)
    assert b"sent" not in refusal.body
