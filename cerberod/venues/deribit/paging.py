"""What reads over more than one page share: refusing what would cost too much, and telling the log how far one is.

Pure but for the log. How the pages of one method join is that method's own matter.
"""

import logging
from datetime import datetime

from cerberod.clock import iso
from cerberod.errors import InvalidParams
from cerberod.venues.deribit.errors import VENUE

logger = logging.getLogger("cerberod.venues.deribit")


def check_cost(rows: int, most: int, page: int, what: str) -> None:
    """Refuse a window whose number of rows is known beforehand and too large, telling what it would cost."""
    if rows > most:
        rule = f"at most {most} {what}; this window has {rows} and would cost {-(-rows // page)} requests"
        raise InvalidParams([{"field": "start", "rule": rule}])


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
