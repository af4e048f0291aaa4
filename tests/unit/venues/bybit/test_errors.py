"""The table of codes: every code of the fact sheet is in it, once, with a word and what it proves."""

import pytest

from cerberod.venues.bybit import errors
from cerberod.venues.bybit.errors import CODES, Effect, known, refusal

OF_THE_FACTS = """
10000 10001 10002 10003 10004 10005 10006 10007 10008 10009 10010 10014 10016 10017 10018 10024 10027 10028 10029
33004 -2015 429 110001 110003 110004 110006 110012 110014 110044 110045 110051 110052 110053 110007 110008 110010
110009 110020 110013 110036 110038 110017 110021 110090 110023 110042 110063 110066 110074 110024 110028 110025 110026
110027 110029 110034 110043 34040 110072 110079 110092 110093 110094 110118 110120 110121 170001 170007 170032 170005
170222 170121 170130 170131 170033 170132 170133 170371 170372 170192 170193 170194 170134 170137 170148 170136 170140
170124 170381 170382 170341 170139 170142 170143 170190 170141 170146 170147 170310 170191 170212 170197 170198 170210
170217 170218 170213 170810
"""


def test_every_known_code_has_a_row() -> None:
    assert {int(code) for code in OF_THE_FACTS.split()} == CODES.keys()
    for row in CODES.values():
        assert row.word == row.word.lower()
        assert row.word.replace("_", "").isalnum()


def test_no_code_stands_in_two_tables() -> None:
    tables = [errors._SAFE, errors._WAIT, errors._DONE, errors._TWIN, errors._ASK, errors._FIX]
    assert sum(len(table) for table in tables) == len(CODES)


@pytest.mark.parametrize(
    ("code", "effect"),
    [
        (10000, Effect.ASK),
        (10014, Effect.ASK),
        (10016, Effect.ASK),
        (170007, Effect.ASK),
        (170146, Effect.ASK),
        (110072, Effect.TWIN),
        (170141, Effect.TWIN),
        (110043, Effect.DONE),
        (34040, Effect.DONE),
        (10006, Effect.WAIT),
        (10002, Effect.SAFE),
        (110007, Effect.FIX),
        (999_999, Effect.ASK),
        (-1, Effect.ASK),
    ],
)
def test_what_is_not_proven_is_asked_about(code: int, effect: Effect) -> None:
    assert known(code).effect is effect
    assert refusal(code).effect_possible is (effect in (Effect.ASK, Effect.TWIN))


def test_sets_of_codes_are_of_the_table() -> None:
    for codes in (
        errors.READ_AGAIN,
        errors.ORDER_NOT_FOUND,
        errors.ORDER_IS_DONE,
        errors.INSTRUMENT_CHANGED,
        errors.KEY_REFUSED,
    ):
        assert codes <= CODES.keys()
    assert all(known(code).effect is not Effect.FIX for code in errors.READ_AGAIN)
