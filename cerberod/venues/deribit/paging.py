"""How far a read over several pages has come, for the log."""

import logging
from datetime import datetime

from cerberod.clock import iso
from cerberod.venues.deribit.errors import VENUE

logger = logging.getLogger("cerberod.venues.deribit")


class Progress:
    """How far one read over several pages has come."""

    def __init__(self, method: str) -> None:
        self._method = method
        self.pages = 0

    def page(self, rows: int, reached: datetime | None) -> None:
        """Count a page, and tell the log of it: how many rows it had, and how far it reaches."""
        self.pages += 1
        if logger.isEnabledFor(logging.DEBUG):
            extra = {"page": self.pages, "rows": rows, "reached": None if reached is None else iso(reached)}
            logger.debug("page read", extra={"venue": VENUE, "upstream_method": self._method, **extra})
