"""What is typed becomes the JSON that was meant: an amount stays text, a limit becomes a number."""

from typing import Any

import pytest

from cerberod.arguments import BadArgument, from_json, needs_schema, split_words, typed

SCHEMA: dict[str, Any] = {
    "properties": {
        "amount": {"type": "string", "pattern": "^[0-9]+$"},
        "price": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "limit": {"type": "integer"},
        "ratio": {"type": "number"},
        "post_only": {"type": "boolean"},
        "names": {"type": "array", "items": {"type": "string"}},
        "one_or_many": {"anyOf": [{"type": "string"}, {"type": "array"}]},
        "side": {"$ref": "#/$defs/Side"},
        "level": {"enum": [1, 5, 10]},
        "anything": {},
    },
    "$defs": {"Side": {"enum": ["buy", "sell"], "type": "string"}},
}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("amount=10", "10"),
        ("amount=1e5", "1e5"),
        ("price=null", "null"),
        ("price=0.50", "0.50"),
        ("limit=5", 5),
        ("limit=five", "five"),
        ("ratio=1", 1),
        ("ratio=0.5", 0.5),
        ("post_only=true", True),
        ("post_only=yes", "yes"),
        ('names=["a","b"]', ["a", "b"]),
        ("one_or_many=a", "a"),
        ('one_or_many=["a"]', ["a"]),
        ("one_or_many=5", "5"),
        ("side=buy", "buy"),
        ("level=5", 5),
        ("anything=5", 5),
        ("unheard_of=true", True),
        ("amount=", ""),
        ("price=a=b", "a=b"),
    ],
)
def test_a_word_takes_the_type_of_its_param(word: str, value: object) -> None:
    name = word.partition("=")[0]
    found = typed(split_words([word]), SCHEMA)
    assert found == {name: value}
    assert type(found[name]) is type(value)


def test_without_schema_json_is_json_and_the_rest_is_text() -> None:
    texts = split_words(["a=1", "b=true", "c=[1]", "d=BTC-PERPETUAL", 'e="x"'])
    assert typed(texts, None) == {"a": 1, "b": True, "c": [1], "d": "BTC-PERPETUAL", "e": "x"}


def test_a_schema_is_only_needed_where_a_word_could_be_read_in_two_ways() -> None:
    assert not needs_schema({"instrument_name": "BTC-PERPETUAL", "side": "buy"})
    assert needs_schema({"amount": "10"})


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["buy"], "'buy' is neither NAME=VALUE"),
        (["1a=2"], "neither NAME=VALUE"),
        (["a=1", "a=2"], "a is given twice"),
        (["=1"], "neither NAME=VALUE"),
    ],
)
def test_what_is_no_word_is_told(words: list[str], told: str) -> None:
    with pytest.raises(BadArgument, match=told):
        split_words(words)


def test_params_as_json() -> None:
    assert from_json('{"a": {"b": 1}}') == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("text", "told"), [("{", "not JSON"), ("[1]", "by name"), ("NaN", "not JSON"), (b"\xff", "not JSON")]
)
def test_what_is_no_object_is_told(text: str | bytes, told: str) -> None:
    with pytest.raises(BadArgument, match=told):
        from_json(text)
