"""The comparison itself: it must see what differs."""

import pytest

from tests.readme.likeness import json_differs, output_differs


@pytest.mark.parametrize(
    ("shown", "real"),
    [
        ('{"a":1}', '{"a":1}'),
        ('{"a":1,…}', '{"a":1,"b":2}'),
        ('{…,"a":1,…}', '{"b":2,"a":1}'),
        ('{"a":[1,…]}', '{"a":[1,2,3]}'),
        ('{"a":[…]}', '{"a":[]}'),
        ('{"at":"2026-01-01T00:00:00Z"}', '{"at":"2027-01-01T00:00:00Z"}'),
        ('{"a":"left…out"}', '{"a":"left…out"}'),
    ],
)
def test_json_that_is_alike(shown: str, real: str) -> None:
    assert json_differs(shown, real) is None


@pytest.mark.parametrize(
    ("shown", "real"),
    [
        ('{"a":1}', '{"a":2}'),
        ('{"a":1}', '{"a":"1"}'),
        ('{"a":1}', '{"a":1,"b":2}'),
        ('{"a":1,…}', '{"b":2}'),
        ('{"a":[1]}', '{"a":[1,2]}'),
        ('{"a":[2,…]}', '{"a":[1,2]}'),
        ('{"error":{"code":-32602,…}}', '{"error":{"code":-32601,"message":"m"}}'),
    ],
)
def test_json_that_is_not(shown: str, real: str) -> None:
    assert json_differs(shown, real) is not None


@pytest.mark.parametrize(
    ("shown", "real"),
    [
        ("price   20000.5", "price  20001\n"),
        ("at  2026-11-22T14:40:18.579000Z", "at  2027-01-01T00:00:00Z\n"),
        ("a\n…\nz", "a\nb\nc\nz\n"),
        ("a\n…\nz", "a\nz\n"),
        ("…/audit.jsonl", "/somewhere/audit.jsonl\n"),
        ("", ""),
    ],
)
def test_output_that_is_alike(shown: str, real: str) -> None:
    assert output_differs(shown, real) is None


@pytest.mark.parametrize(
    ("shown", "real"),
    [
        ("outcome  confirmed", "outcome  denied\n"),
        ("failed (-32601)", "failed (-32602)\n"),
        ("a", "a\nb\n"),
        ("a\n…\nz", "a\nb\n"),
        ("price  20000", "price  none\n"),
    ],
)
def test_output_that_is_not(shown: str, real: str) -> None:
    assert output_differs(shown, real) is not None
