"""What an exception must survive: the way back from a worker process."""

import pickle

from cerberod.errors import AnalyticsRefused


def test_a_refusal_comes_back_from_a_worker_with_its_field_and_rule() -> None:
    there = pickle.loads(pickle.dumps(AnalyticsRefused("close", "must be finite")))
    assert (there.field, there.rule, str(there)) == ("close", "must be finite", "close: must be finite")
