"""The error table: complete, and right about what a code proves."""

import orjson
import pytest

from cerberod.errors import Code
from cerberod.venues.deribit.errors import CODES, OTHER_RULE, RULES, Effect, known, refusal
from tests.conftest import RECORDED

SAFE = {10000, 10040, 11056, 13009, 13888}
WAIT = {10019, 10028, 10041, 10047, 10049, 10066, 11051, 12003, 12998, 13025, 13035, 13036, 13780}
ASK = {10001, 11031, 11094, 13008, 13028, 13666, 13777}
EITHER_WAY_NO_EFFECT = {11052, 13030, 13040, 13042, 13043, 13778}
FIX = {
    *(10002, 10003, 10004, 10005, 10006, 10007, 10009, 10010, 10011, 10012, 10018, 10020, 10026, 10027, 10029),
    *(10030, 10031, 10032, 10033, 10034, 10035, 10036, 10037, 10038, 10039, 10043, 10044, 10045, 10046, 10048, 10072),
    *range(10013, 10018),
    *range(10021, 10026),
    *(11008, 11013, 11021, 11022, 11029, 11030, 11035, 11036, 11037, 11038, 11039, 11041, 11042, 11043, 11044, 11045),
    *(11046, 11047, 11048, 11049, 11050, 11053, 11054, 11055, 11098),
    *(set(range(11090, 11098)) - {11094}),
    *(set(range(12001, 12101)) - {12003}),
    *(13004, 13005, 13006, 13007, 13010, 13011, 13012, 13016, 13018, 13019, 13020, 13021, 13031, 13032),
    *(13403, 13503, 13668),
    *range(13901, 13908),
    *range(13910, 13920),
    *(-32602, -32601, -32600, -32700, -32000, 9999),
}


def test_the_table_is_the_fact_sheets() -> None:
    assert set(CODES) == SAFE | WAIT | ASK | FIX | EITHER_WAY_NO_EFFECT


@pytest.mark.parametrize(
    ("codes", "effect"), [(SAFE, Effect.SAFE), (WAIT, Effect.WAIT), (ASK, Effect.ASK), (FIX, Effect.FIX)]
)
def test_each_code_proves_what_the_fact_sheet_says(codes: set[int], effect: Effect) -> None:
    assert {code for code in codes if known(code).effect is not effect} == set()


def test_only_codes_that_prove_nothing_leave_a_write_open() -> None:
    assert {code for code in CODES if refusal(code).effect_possible} == ASK


@pytest.mark.parametrize("code", [1, 10099, 20000, -1, -32603, 10**12])
def test_a_code_nobody_knows_leaves_a_write_open(code: int) -> None:
    told = refusal(code)
    assert told.effect_possible
    assert told.data == {"venue": "deribit", "venue_code": str(code), "reason": "unlisted_venue_code"}


def test_words_are_constant_text() -> None:
    for row in CODES.values():
        assert row.word.replace("_", "").isalnum()
        assert row.word == row.word.lower()


def test_the_venues_own_text_is_never_told() -> None:
    told = refusal(-32602, {"reason": "your key abc123 is wrong", "param": "secret_param"}, ["instrument_name"])
    assert told.data["rule"] == OTHER_RULE
    assert "param" not in told.data
    assert "abc123" not in repr(told.data)


@pytest.mark.parametrize("data", [None, 5, [], {"reason": 5, "param": 5}, {"reason": None}, "text"])
def test_odd_data_is_left_out(data: object) -> None:
    assert refusal(-32602, data, ["amount"]).data.keys() == {"venue", "venue_code", "reason"}


def test_what_is_known_to_be_harmless_is_told() -> None:
    told = refusal(-32602, {"reason": "must be a multiple of contract size", "param": "amount"}, ["amount"])
    assert (told.data["param"], told.data["rule"]) == ("amount", "must be a multiple of contract size")
    assert told.code is Code.VENUE_REFUSED


@pytest.mark.recorded
def test_every_recorded_refusal_is_in_the_table() -> None:
    cases = orjson.loads((RECORDED / "deribit/errors_recorded.json").read_bytes())
    errors = [case["body"]["error"] for case in cases if "error" in case["body"]]
    assert len(errors) == 11
    for error in errors:
        assert error["code"] in CODES
        if reason := error.get("data", {}).get("reason"):
            assert reason in RULES or error["code"] == 13009
