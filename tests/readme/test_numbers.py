"""Numbers that the README's sentences name, compared with the constants they come from."""

import pytest

from cerberod import cli, daemon
from cerberod.audit.query import DEFAULT_LIMIT, MAX_LIMIT
from cerberod.rpc.conversation import ConversationLimits
from cerberod.settings import Limits
from cerberod.trading import resolving
from cerberod.trading.records import INTENTS_KEPT
from cerberod.venues.backoff import Backoff
from cerberod.venues.deribit import client, limits, link, login
from tests.readme import document

DEFAULTS = Limits()
COUNTED = {1: "one", 5: "five"}
SENTENCES = [
    f"Up to {DEFAULTS.in_flight_per_session} calls of one session run at the same time",
    f"A batch holds at most {DEFAULTS.batch_items} reads.",
    f"{ConversationLimits(1, 1, 1).max_waiting} more calls wait, then reading pauses",
    f"is kept for {INTENTS_KEPT.days} days",
    f"and is kept {INTENTS_KEPT.days} days",
    f"after waiting {DEFAULTS.write_deadline_s * client._PATIENCE_SHARE:g} s for the connection",
    f"-32021 after {DEFAULTS.read_deadline_s * client._PATIENCE_SHARE:g} s",
    f"with pauses that grow to {Backoff(lambda: 0.0).cap_s:g} s",
    f"open writes are looked up, for {resolving.FIRST_ROUND_S:g} s at most",
    f"{COUNTED[int(daemon.READS_GRACE_S)]} second for reads",
    f"the same, within {daemon.READS_GRACE_S:g} s",
    f"`limit` ({DEFAULT_LIMIT}, at most {MAX_LIMIT})",
    f"The exit code is 0 for a result, {cli.FAILED} for an error, a refusal or a denial, {cli.MISTYPED} for a mistyped"
    f" command, {cli.UNKNOWN_OUTCOME} when the outcome of a write is not known, {cli.EX_CONFIG} for a configuration",
]


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_number_is_that_of_the_code(sentence: str) -> None:
    assert sentence in " ".join(document.text().split())


def test_numbers_in_words_are_those_of_the_code() -> None:
    told = " ".join(document.text().split())
    assert "The daemon asks the venue each second, later every five" in told
    assert (resolving.EAGER_S, resolving.PATIENT_S) == (1.0, 5.0)
    assert "A fifth of the matching pool is left to cancels" in told
    assert limits.KEPT_FOR_CANCELS == 1 / 5
    assert "not tried again for an hour" in told
    assert login._REFUSED_PAUSE_S == 3600
    assert "tried again every five minutes" in told
    assert link._WRONG_ENVIRONMENT_PAUSE_S == 300
