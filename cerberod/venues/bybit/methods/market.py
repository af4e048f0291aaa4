"""Market data of Bybit. Needs no keys."""

from datetime import datetime

from pydantic import Field

from cerberod.clock import from_ms
from cerberod.rpc.call import Call
from cerberod.rpc.registry import Params, Result, method
from cerberod.venues.bybit.client import Bybit
from cerberod.venues.bybit.wire.reading import Fields

AS_OF = "When the venue answered, by its own stamp of the answer; what it tells of may be older."


class Nothing(Params):
    """No parameters."""


class ServerTime(Result):
    """The venue's clock."""

    as_of: datetime = Field(description=AS_OF)
    server_time: datetime = Field(description="The venue's time.")
    offset_ms: float | None = Field(description="The venue's clock minus ours, in milliseconds.")


@method("bybit.get_server_time")
async def get_server_time(call: Call, params: Nothing) -> ServerTime:
    """Tell Bybit's time, and how far ours is from it.

    Orders are stamped in the venue's time: a stamp a second ahead of it is refused whatever the window.
    """
    bybit = call.use(Bybit)
    answer = await bybit.read("get_server_time")
    found = Fields(answer.result, "result")
    time_ms = found.whole("timeNano") // 1_000_000
    return ServerTime(as_of=answer.stamp(), server_time=from_ms(time_ms), offset_ms=bybit.offset_ms)
