"""The life of a write in the journal, against a table of what may follow what. models.md 5.5, faults.md P1 and P2.

The table is the promise: nothing follows a final outcome, and an intent is free again only if nothing was ever sent.
"""

import shutil
import sqlite3
import tempfile
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cerberod.trading.journal import Begin, Entry, IntentKey, Journal
from tests.support.records import entry

FREE, BEGUN, UNKNOWN, FINAL = "free", "begun", "unknown", "final"
MAY_FOLLOW = {
    (FREE, "begin"): BEGUN,
    (BEGUN, "release"): FREE,
    (BEGUN, "confirmed"): FINAL,
    (BEGUN, "rejected"): FINAL,
    (BEGUN, "unknown"): UNKNOWN,
    (UNKNOWN, "unknown"): UNKNOWN,
    (UNKNOWN, "confirmed"): FINAL,
    (UNKNOWN, "rejected"): FINAL,
}
INTENTS = st.sampled_from(["i-1", "i-2", "i-3"])
BOTS = st.sampled_from(["owl", "fox"])
OUTCOMES = st.sampled_from(["confirmed", "rejected", "unknown"])
AT = "2026-08-22T03:50:45.000Z"


class Lives(RuleBasedStateMachine):
    """Everything that can happen to a few intents of two bots, restarts included."""

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.journal = Journal.open(self.folder / "journal.db", "live")
        self.states: dict[IntentKey, str] = {}
        self.outcomes: dict[IntentKey, str] = {}

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.journal.close()
            shutil.rmtree(self.folder)

    def step(self, key: IntentKey, what: str) -> bool:
        """Tell whether the table lets this happen, and remember it if so."""
        follows = MAY_FOLLOW.get((self.states.get(key, FREE), what))
        if follows is not None:
            self.states[key] = follows
        return follows is not None

    @rule(bot=BOTS, intent=INTENTS)
    def begin(self, bot: str, intent: str) -> None:
        wanted = entry(intent, bot_tag=bot)
        known = self.journal.begin(wanted, None)
        assert (known is None) == self.step(wanted.key, "begin")
        assert known is None or known.key == wanted.key

    @rule(bot=BOTS, intent=INTENTS, outcome=OUTCOMES)
    def conclude(self, bot: str, intent: str, outcome: str) -> None:
        key = IntentKey("testnet", bot, intent)
        took = self.journal.conclude(key, outcome, {"order_id": outcome}, AT, None)
        assert took == self.step(key, outcome)
        if took:
            self.outcomes[key] = outcome

    @rule(bot=BOTS, intent=INTENTS)
    def release(self, bot: str, intent: str) -> None:
        key = IntentKey("testnet", bot, intent)
        assert self.journal.release(key, None) == self.step(key, "release")

    @precondition(lambda self: hasattr(self, "journal"))
    @rule()
    def restart(self) -> None:
        self.journal.close()
        self.journal = Journal.open(self.folder / "journal.db", "live")

    @precondition(lambda self: hasattr(self, "journal"))
    @rule(bot=BOTS, intent=INTENTS)
    def begin_twice_in_one_commit(self, bot: str, intent: str) -> None:
        """Nothing of a commit stays that holds an intent which is taken."""
        wanted = entry(intent, bot_tag=bot)
        try:
            self.journal.apply([Begin.of(wanted), Begin.of(wanted)])
            raise AssertionError("an intent was taken twice")
        except sqlite3.IntegrityError:
            pass

    @invariant()
    def what_stands_is_what_happened(self) -> None:
        if not hasattr(self, "journal"):
            return
        for key, state in self.states.items():
            found = self.journal.find(key)
            assert (found is None) == (state == FREE)
            if found is not None:
                assert found.resolved == (state == FINAL)
                assert found.outcome == (None if state == BEGUN else self.outcomes[key])

    @invariant()
    def the_open_are_listed(self) -> None:
        if hasattr(self, "journal"):
            listed: list[Entry] = self.journal.unresolved("testnet")
            assert {each.key for each in listed} == {
                key for key, state in self.states.items() if state in (BEGUN, UNKNOWN)
            }


TestLives = Lives.TestCase
