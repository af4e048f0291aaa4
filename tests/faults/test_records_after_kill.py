"""Killed in the middle of recording: what was acknowledged is in the journal and the audit. `faults.md` 68, P4, P8.

A real process records writes and says so on its standard output; it is killed at a moment drawn from a seed.
"""

import random  # noqa: TID251 - a seeded moment
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from cerberod.audit.verify import verify
from cerberod.clock import SystemClock
from cerberod.trading.journal import State, read_anchors
from cerberod.trading.records import JOURNAL_FILE, open_records
from tests.support.records import KEY, entry, lines_of

RECORDING = """
import sys
from pathlib import Path
import anyio
from cerberod.audit.record import EventKind
from cerberod.clock import SystemClock
from cerberod.trading.recording import recording
from cerberod.trading.records import open_records
from tests.support.records import KEY, entry, event

def say(word, intent):
    sys.stdout.write(f"{word} {intent}\\n")
    sys.stdout.flush()

async def bot(recorder, name):
    for number in range(10**6):
        intent = f"{name}-{number}"
        assert await recorder.begin(entry(intent), event(intent=intent)) is None
        say("begun", intent)
        happened = event(EventKind.OUTCOME, intent=intent, outcome="confirmed")
        await recorder.conclude("testnet", "night-owl", intent, "confirmed", {}, happened)
        say("ended", intent)
        recorder.note_later(event(EventKind.READ))

async def main():
    folder = Path(sys.argv[1])
    clock = SystemClock()
    records = open_records(folder, folder / "audit.jsonl", KEY, "live", clock, 30)
    async with recording(records, clock) as recorder, anyio.create_task_group() as bots:
        for number in range(5):
            bots.start_soon(bot, recorder, f"{sys.argv[2]}-{number}")

anyio.run(main)
"""


@pytest.mark.promise("P4", "P8")
@pytest.mark.parametrize("seed", range(3))
def test_what_was_acknowledged_survives_kills(tmp_path: Path, seed: int) -> None:
    seeded = random.Random(seed)
    acknowledged: list[tuple[str, str]] = []
    for start in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", RECORDING, str(tmp_path), f"run-{start}"],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            said = [process.stdout.readline() for _ in range(seeded.randint(1, 200))]
            process.kill()
            said += process.stdout.readlines()
        acknowledged += [(word, intent) for word, intent in map(str.split, said) if word in ("begun", "ended")]

    records = open_records(tmp_path, tmp_path / "audit.jsonl", KEY, "live", SystemClock(), 30)
    held = {intent: records.journal.find(entry(intent).key) for _, intent in acknowledged}
    begun = {found.intent for found in records.journal.unresolved()}
    records.close()
    assert verify(tmp_path / "audit.jsonl", KEY, read_anchors(tmp_path / JOURNAL_FILE)).ok
    audited = {(line.get("kind"), line.get("intent")) for line in map(orjson.loads, lines_of(tmp_path / "audit.jsonl"))}
    for word, intent in acknowledged:
        found = held[intent]
        assert found is not None
        assert ("request", intent) in audited
        if word == "ended":
            assert found.state is State.ENDED
            assert ("outcome", intent) in audited
    assert all(("request", intent) in audited for intent in begun)
    assert len(acknowledged) >= 2
