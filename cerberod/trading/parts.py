"""How the outcome of a write that consists of others is found again: from the outcomes of those.

Each part is a write in the journal like any other, pursued by the finder of its own method. The whole is known once all
of them are. Asks no venue.
"""

from cerberod.rpc.call import Services
from cerberod.trading.journal import Entry
from cerberod.trading.methods import Trading
from cerberod.trading.orders import Ending, together
from cerberod.trading.recording import NotRecordable


async def find_parts(services: Services, entry: Entry) -> Ending | None:
    """Put the outcome of a write together from those of its parts, whose intents its wire names as `parts`."""
    recorder = services.get(Trading).recorder
    try:
        found = [await recorder.find(entry.environment, entry.bot_tag, intent) for intent in entry.wire["parts"]]
    except NotRecordable:
        return None
    results = [dict(part.result) for part in found if part is not None and part.resolved and part.result is not None]
    return together(results) if len(results) == len(found) else None
