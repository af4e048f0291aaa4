"""What people read: every row stays on its line, nothing is lost in silence, and no foreign text moves the cursor."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerberod import console
from cerberod.errors import Code

ROWS = [
    {"instrument_name": "BTC-PERPETUAL", "bid": 63245.5, "ask": 63246, "note": None, "kind": "future"},
    {"instrument_name": "BTC-1", "bid": 0.0005, "ask": None, "note": None, "kind": "future"},
]


def test_a_table_has_a_heading_numbers_to_the_right_and_a_dash_for_null() -> None:
    assert console.table([{"name": "a", "size": 5}, {"name": "bcd", "size": None}, {"name": "e", "size": 12.5}]) == (
        "name  size\n"  #
        "a        5\n"
        "bcd      -\n"
        "e     12.5"
    )


def test_decimal_text_stands_to_the_right_like_a_number_and_other_text_to_the_left() -> None:
    lines = console.table([{"amount": "10", "tag": "x1"}, {"amount": "-0.5", "tag": "yy"}]).split("\n")
    assert lines == ["amount  tag", "    10  x1", "  -0.5  yy"]


def test_rows_may_lack_columns() -> None:
    assert console.table([{"a": 1}, {"b": 2}]) == "a  b\n1  -\n-  2"


def test_no_rows_are_told() -> None:
    assert console.table([]) == "none"


def test_a_pipe_gets_every_column() -> None:
    heading = console.table(ROWS).split("\n")[0]
    assert heading.split() == ["instrument_name", "bid", "ask", "note", "kind"]


def test_a_narrow_terminal_loses_empty_columns_first() -> None:
    text = console.table(ROWS, width=40)
    assert text.split("\n")[0].split() == ["instrument_name", "bid", "ask", "kind"]
    assert "--json" not in text


def test_then_what_all_rows_share_is_told_once() -> None:
    lines = console.table(ROWS, width=34).split("\n")
    assert lines[0] == "in every row: kind=future"
    assert lines[1].split() == ["instrument_name", "bid", "ask"]


LONG = [
    {"id": 1, "digest": "d" * 64, "note": "a text that is somewhat longer than its neighbours", "amount": "10"},
    {"id": 2, "digest": "e" * 64, "note": "another", "amount": "2000.5"},
]


def test_then_the_widest_column_is_left_out_by_name_and_a_long_text_is_cut() -> None:
    assert console.table(LONG, width=44).split("\n") == [
        "id  note                              amount",
        " 1  a text that is somewhat longer …      10",
        " 2  another                           2000.5",
        "(1 more with --json: digest)",
    ]


def test_a_number_is_never_cut() -> None:
    rows = [{"a": "1" * 30, "b": "2" * 30}, {"a": "3" * 30, "b": "4" * 30}]
    assert "…" not in console.table(rows, width=40)
    assert "(1 more with --json: b)" in console.table(rows, width=40)


def test_a_single_row_that_does_not_fit_is_told_as_names_and_values() -> None:
    text = console.table([{"order_id": "104819000001", "label": "x" * 53, "amount": "10"}], width=60)
    assert text.split("\n")[-1] == "amount    10"


def test_the_inside_of_deep_objects_is_left_to_machines() -> None:
    text = console.document({"a": {"b": {"c": {"d": 1, "e": 2}}}})
    assert text == "a.b.c  (2 more inside, with --json)"


VALUES = st.none() | st.text("ab1 \x1b\n\u202e", max_size=8) | st.integers() | st.floats()


@given(
    st.lists(st.dictionaries(st.sampled_from("abcdef"), VALUES, min_size=1), min_size=1, max_size=5),
    st.none() | st.integers(20, 120),
)
def test_every_row_is_one_printable_line(rows: list[dict[str, object]], width: int | None) -> None:
    text = console.table(rows, width)
    assert all(line.isprintable() for line in text.split("\n"))
    if width is None:
        assert len(text.split("\n")) == len(rows) + 1


def test_control_characters_are_escaped_everywhere() -> None:
    hostile = "a\x1b[2J\r\nb\u202ec"
    for text in (
        console.cell(hostile),
        console.table([{hostile: hostile}]).partition("\n")[2],
        console.document({"x": [hostile]}),
        console.error_in_words(hostile, {"code": -32602, "message": hostile, "data": {hostile: hostile}}),
        console.outcome_in_words("m", {"outcome": "denied", "intent": hostile, "reasons": [{"field": hostile}]}) or "",
    ):
        assert "\x1b" not in text
        assert "\r" not in text
        assert "\u202e" not in text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (True, "true"),
        (63245.0, "63245"),
        (0.1 + 0.2, "0.3"),
        (0.0000125, "0.0000125"),
        (1e-12, "1e-12"),
        (12345678901234567890, "12345678901234567890"),
        ([], "-"),
        ([1, "a", None], "1, a, -"),
        ({"a": 1, "b": [2]}, "a=1 b=2"),
    ],
)
def test_a_cell(value: object, shown: str) -> None:
    assert console.cell(value) == shown


def test_a_document_shows_single_values_first_and_lists_under_their_names() -> None:
    text = console.document({"as_of": "now", "bids": [{"price": 1, "amount": 2}], "greeks": {"delta": 0.5}, "gone": []})
    assert text == (
        "as_of         now\n"  #
        "greeks.delta  0.5\n"
        "gone          none\n"
        "\n"
        "bids (1)\n"
        "  price  amount\n"
        "      1       2"
    )


def test_a_document_of_nothing_says_so() -> None:
    assert console.document({}) == "nothing"


def test_a_matrix_is_aligned() -> None:
    assert console.document({"levels": [[1, 20.5], [100, 3]]}) == "levels (2)\n    1  20.5\n  100     3"


def test_long_values_wrap_under_themselves() -> None:
    lines = console.pairs([("scopes", "one two three four five six"), ("x", 1)], width=28).split("\n")
    assert lines == ["scopes  one two three four", "        five six", "x       1"]


def test_an_error_tells_each_problem_the_request_and_what_to_do() -> None:
    error = {
        "code": int(Code.INVALID_PARAMS),
        "message": "Invalid params",
        "data": {
            "problems": [{"field": "amount", "rule": "Field required"}],
            "problem_count": 4,
            "request_id": "r-1",
        },
    }
    assert console.error_in_words("deribit.place_order", error).split("\n") == [
        "deribit.place_order failed: Invalid params (-32602)",
        "  amount: Field required",
        "  … and 3 more",
        "  request id: r-1",
        "  next: cerberod methods deribit.place_order explains the parameters",
    ]


def test_the_other_data_of_an_error_is_told_too() -> None:
    words = console.error_in_words(
        "m", {"code": -32025, "message": "The venue refused", "data": {"venue_code": "10009"}}
    )
    assert "  venue_code: 10009" in words.split("\n")


@pytest.mark.parametrize(
    "error", [{}, {"code": "x"}, {"code": 1, "data": "text"}, {"code": None, "data": {"problems": []}}]
)
def test_a_strange_error_is_told_all_the_same(error: dict[str, object]) -> None:
    assert console.error_in_words("m", error).startswith("m failed: ")


def test_a_denied_write_tells_the_nearest_valid_value_and_that_nothing_was_sent() -> None:
    words = console.outcome_in_words(
        "deribit.place_order",
        {
            "outcome": "denied",
            "intent": "i-1",
            "reasons": [{"field": "price", "rule": "a multiple of 0.5", "nearest": "100.5"}],
        },
    )
    assert words is not None
    assert "nothing was sent" in words
    assert "  price: a multiple of 0.5 (nearest valid value: 100.5)" in words.split("\n")
    assert "i-1 is not used up" in words


def test_a_rejected_write_needs_a_new_intent() -> None:
    words = console.outcome_in_words("m", {"outcome": "rejected", "intent": "i-1", "venue_code": "10009"})
    assert words is not None
    assert "its code 10009" in words
    assert "a corrected call needs a new one" in words


def test_an_unknown_outcome_names_the_intent_to_ask_for() -> None:
    words = console.outcome_in_words("m", {"outcome": "unknown", "intent": "i-1", "recorded": False})
    assert words is not None
    assert "intent=i-1" in words
    assert "never send it under another intent" in words
    assert "could not be recorded" in words


def test_a_confirmed_write_needs_no_words() -> None:
    assert console.outcome_in_words("m", {"outcome": "confirmed", "intent": "i-1"}) is None
