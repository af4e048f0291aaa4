"""`python -m tests.support.failing serve …`: the whole daemon, with two methods that fail in the worst way there is.

Their exceptions, the values of their frames, what they log and warn of, and a thread of theirs all hold the venue's key
and the caller's own words.
"""

import logging
import sys
import threading
import warnings

from pydantic import Field

from cerberod.cli import main
from cerberod.rpc.call import Call, Services
from cerberod.rpc.registry import NoParams, Result, method
from cerberod.trading.journal import Entry
from cerberod.trading.orders import Ending, WriteOutcome
from cerberod.trading.placing import write
from cerberod.trading.writes import Plan, Sent, WriteParams
from cerberod.venues.deribit.client import Deribit


class Nothing(Result):
    """Never returned."""

    nothing: str = Field(description="Never returned.")


@method("test.fail")
async def fail(call: Call, params: NoParams) -> Nothing:
    """Fail with the venue's secret wherever a secret can be."""
    secret = _secret(call)
    logging.getLogger("some.library").warning("signing with %s", secret)
    warnings.warn(f"old key: {secret}", stacklevel=1)
    thread = threading.Thread(target=_raise, args=(secret,), name=secret)
    thread.start()
    thread.join()
    try:
        _raise(secret)
    except ValueError as error:
        raise RuntimeError({"key": secret}) from error
    raise AssertionError("it raises")


@write("test.fail_sent", finder=lambda services, entry: _never(services, entry))
async def fail_sent(call: Call, params: WriteParams) -> Plan[WriteOutcome]:
    """Fail in the same way once the request has left."""
    secret = _secret(call)

    async def send(sent: Sent) -> Ending:
        sent.mark()
        _raise(secret)
        raise AssertionError("it raises")

    return Plan("deribit", "an-account", send, wire={"nothing": "of interest"})


async def _never(services: Services, entry: Entry) -> Ending | None:
    _raise(_secret(services))
    return None


def _secret(of: Call | Services) -> str:
    deribit = of.use(Deribit) if isinstance(of, Call) else of.get(Deribit)
    assert deribit._credentials is not None
    return deribit._credentials.client_secret.reveal()


def _raise(secret: str) -> None:
    raise ValueError(f"cannot sign with {secret}")


if __name__ == "__main__":
    sys.exit(main())
