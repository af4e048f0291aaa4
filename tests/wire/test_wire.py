"""Runs the conversation files beside this module over every transport and both paths of the dispatcher.

A file is a list of steps, one on each line:

    # words for people
    --> what is sent
    <-- what must come back
    @only memory stdio      the transports that this file is about; all of them where it does not say
    @open                   lets calls of test.wait return
    @done 2                 so many writes were done so far

`<<3*text>>` stands for the text three times, `@` in it for 1, 2, 3; a comma before a closing bracket is left out.
`<<hex:FF>>` stands for bytes. In an expected answer "..." stands for any value. What gets no answer is proved by the
next answer being that of the next call; every file is ended by one.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import orjson
import pytest

from tests.support.peers import PEERS, Peer
from tests.support.small import CANARY, Daemon, small_daemon

FILES = sorted(Path(__file__).parent.glob("*.txt"))
ANYTHING = "..."
LAST = (
    '--> {"jsonrpc":"2.0","id":"last","method":"test.subtract","params":{"minuend":2,"subtrahend":1}}',
    '<-- {"jsonrpc":"2.0","id":"last","result":{"difference":1}}',
)


@dataclass(frozen=True)
class Step:
    """One line of a file."""

    verb: str
    text: str
    where: str


def steps(path: Path) -> list[Step]:
    """Read a file."""
    found = []
    for number, line in enumerate([*path.read_text(encoding="utf-8").splitlines(), *LAST], 1):
        if not line.strip() or line.startswith("#"):
            continue
        verb, _, text = line.partition(" ")
        assert verb in {"-->", "<--", "@only", "@open", "@done"}, f"{path.name}:{number}: {verb}"
        found.append(Step(verb, text, f"{path.name}:{number}"))
    return found


def expand(text: str) -> bytes:
    """Replace repetitions and hexadecimal bytes."""

    def repeated(match: re.Match[str]) -> str:
        count, pattern = int(match[1]), match[2]
        if "@" not in pattern:
            return pattern * count
        return "".join(pattern.replace("@", str(index)) for index in range(1, count + 1))

    text = re.sub(r"<<(\d+)\*(.*?)>>", repeated, text).replace(",]", "]")
    whole = re.split(r"<<hex:([0-9A-F]+)>>", text)
    return b"".join(bytes.fromhex(part) if index % 2 else part.encode() for index, part in enumerate(whole))


def alike(expected: Any, actual: Any) -> bool:
    """Compare JSON values, types included, with a wildcard."""
    if expected == ANYTHING:
        return True
    if isinstance(expected, dict) and isinstance(actual, dict):
        return expected.keys() == actual.keys() and all(alike(expected[key], actual[key]) for key in expected)
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(alike, expected, actual))
    return type(expected) is type(actual) and expected == actual


def runs() -> list[Any]:
    """Every file with every transport it is about and both paths of the dispatcher."""
    found = []
    for path in FILES:
        only = [step.text.split() for step in steps(path) if step.verb == "@only"]
        for transport in only[0] if only else PEERS:
            for direct in (True, False):
                name = f"{path.stem}-{transport}-{'direct' if direct else 'library'}"
                found.append(pytest.param(path, transport, direct, id=name))
    return found


@pytest.mark.parametrize(("path", "transport", "direct"), runs())
async def test_conversation(
    path: Path, transport: str, direct: bool, wire_limits: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    daemon = small_daemon(direct=direct, limits=wire_limits)
    with anyio.fail_after(30):
        async with PEERS[transport](daemon) as peer:
            for step in steps(path):
                await take(step, peer, daemon)
    captured = capfd.readouterr()
    assert CANARY not in captured.out + captured.err


async def take(step: Step, peer: Peer, daemon: Daemon) -> None:
    """Do what one line says."""
    match step.verb:
        case "-->":
            await peer.send(expand(step.text))
        case "<--":
            answer = await peer.receive()
            assert CANARY.encode() not in answer, step.where
            assert b"secret-of-the-caller" not in answer, step.where
            expected, actual = orjson.loads(expand(step.text)), orjson.loads(answer)
            assert alike(expected, actual), f"{step.where}: got {answer[:2000].decode()}"
        case "@open":
            daemon.bench.gate.set()
        case "@done":
            assert len(daemon.bench.done) == int(step.text), step.where


def test_the_runner_can_fail() -> None:
    assert not alike({"a": 1}, {"a": True})
    assert not alike({"a": 1}, {"a": 1, "b": 2})
    assert not alike([1], [1, 2])
    assert alike({"a": "..."}, {"a": [1]})
    assert expand("[<<3*@,>>]<<hex:FF>>") == b"[1,2,3]\xff"
