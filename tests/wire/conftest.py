"""The limits under which conversation files run: those of the daemon as it is delivered."""

import pytest

from cerberod.rpc.dispatch import CallLimits
from cerberod.rpc.registry import Deadline
from cerberod.settings import Limits


@pytest.fixture
def wire_limits() -> CallLimits:
    limits = Limits()
    return CallLimits(
        max_request_bytes=limits.request_bytes,
        max_reply_bytes=limits.reply_bytes,
        max_batch=limits.batch_items,
        max_in_flight=limits.in_flight,
        deadlines_s={
            Deadline.READ: limits.read_deadline_s,
            Deadline.WRITE: limits.write_deadline_s,
            Deadline.ANALYTICS: limits.analytics_deadline_s,
        },
    )
