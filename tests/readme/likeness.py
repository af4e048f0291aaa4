"""Whether what the README shows is what really came out. Pure.

`…` stands for what was left out. Of values that differ from run to run only the kind is compared: numbers and instants
in what a command prints, and the members named in `VARYING` in what a session answers. Words, codes and structure are
compared exactly.
"""

import re
from typing import Any

import orjson

MORE = "…"
VARYING = frozenset(
    {
        "as_of",
        "at",
        "best_ask_amount",
        "best_ask_price",
        "best_bid_amount",
        "best_bid_price",
        "created_at",
        "hash",
        "index_price",
        "latency_ms",
        "mark_price",
        "next",
        "prev",
        "request_id",
        "seq",
        "server_time",
        "session_id",
        "updated_at",
        "valid_until",
    }
)

_CODE = re.compile(r"-32\d{3}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_ID = re.compile(r"\b([rs]-|auto-)[0-9a-f]{12,24}\b")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(\.\d+)?(?![\w])")


def json_differs(shown: str, real: str) -> str | None:
    """Tell how a JSON text of the README, with `…` in it, differs from a real one; None when it does not."""
    return _differs(orjson.loads(_readable(shown)), orjson.loads(real), "$")


def _readable(shown: str) -> str:
    """Turn `…` among members or items into something JSON."""
    out, opened = [], []
    inside = escaped = False
    for character in shown:
        if inside:
            escaped = character == "\\" and not escaped
            inside = character != '"' or escaped
        elif character == '"':
            inside = True
        elif character in "{[":
            opened.append(character)
        elif character in "}]":
            opened.pop()
        elif character == MORE:
            character = f'"{MORE}":0' if opened[-1] == "{" else f'"{MORE}"'
        out.append(character)
    return "".join(out)


def _differs(shown: Any, real: Any, path: str) -> str | None:
    if type(shown) is not type(real):
        return f"{path}: {shown!r} is shown, {real!r} came"
    if isinstance(shown, dict):
        names = shown.keys() - {MORE}
        if names - real.keys() or (MORE not in shown and real.keys() - names):
            return f"{path}: members {sorted(shown)} are shown, {sorted(real)} came"
        for name in names:
            if name not in VARYING and (found := _differs(shown[name], real[name], f"{path}.{name}")):
                return found
        return None
    if isinstance(shown, list):
        items = [item for item in shown if item != MORE]
        if len(items) > len(real) or (len(items) == len(shown) != len(real)):
            return f"{path}: {len(items)} items are shown, {len(real)} came"
        told = (_differs(item, other, f"{path}[]") for item, other in zip(items, real, strict=False))
        return next((found for found in told if found), None)
    return None if shown == real else f"{path}: {shown!r} is shown, {real!r} came"


def output_differs(shown: str, real: str) -> str | None:
    """Tell how printed lines differ; a line of `…` alone stands for any number of lines."""
    lines = [_plain(line) for line in shown.splitlines()]
    pattern = "".join(
        r"(?:.*\n)*" if line == MORE else re.escape(line).replace(re.escape(MORE), ".*") + r"\n" for line in lines
    )
    came = "".join(f"{_plain(line)}\n" for line in real.splitlines())
    return None if re.fullmatch(pattern, came) else f"--- shown\n{shown}\n--- came\n{real}"


def _plain(line: str) -> str:
    line = _CODE.sub(lambda code: f"code {code[0][1:].translate(_LETTERS)}", line)
    for what, sign in ((_INSTANT, "<instant>"), (_ID, "<id>"), (_NUMBER, "<number>")):
        line = what.sub(sign, line)
    return " ".join(line.split())


_LETTERS = str.maketrans("0123456789", "abcdefghij")
"""Writes the digits of an error code as letters, so that they are not taken for a number that varies."""
