"""What pybit decides: endpoint, parameter names and form, signature. It sends nothing here.

Every method of pybit ends in `_submit_request`, which is overridden to say what would be sent. So pybit's sleeps, its
re-sending of orders, its threads and its clock have no part: our transport sends, in venue time, once. Imported when
first needed, because pybit brings `requests` and a cryptography package.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pybit._v5_account import AccountHTTP
from pybit._v5_market import MarketHTTP
from pybit._v5_position import PositionHTTP
from pybit._v5_trade import TradeHTTP

from cerberod.settings import Secret

_AS_GIVEN = frozenset({"cursor"})
"""Cursors come percent-encoded from the venue and go back as they came."""
_UNRESERVED = "-_.~,:"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as pybit would make it, not signed yet."""

    method: str
    path: str
    payload: str
    """The query string, or the body: exactly what is signed and what goes out."""
    private: bool


class Endpoints(AccountHTTP, MarketHTTP, PositionHTTP, TradeHTTP):  # type: ignore[misc]
    """pybit's methods, each of which returns what it would send."""

    def __init__(self, api_key: str | None, api_secret: Secret | None) -> None:
        # The base class would open a `requests` session and take a logger; nothing of that is wanted.
        self.endpoint = ""
        self.api_key = api_key
        self.rsa_authentication = False
        self._secret = api_secret

    @property
    def api_secret(self) -> str | None:
        """The secret, read by the base class only while it signs."""
        return None if self._secret is None else self._secret.reveal()

    def __repr__(self) -> str:
        return "Endpoints(***)"

    def _submit_request(
        self,
        method: str = "GET",
        path: str = "",
        query: dict[str, Any] | None = None,
        auth: bool = False,
    ) -> Asked:
        given = self._clean_query(query)
        if method == "GET":
            given = {
                name: value if name in _AS_GIVEN else quote(_text(value), _UNRESERVED) for name, value in given.items()
            }
        payload = self.prepare_payload(method, given)
        return Asked(method, path, payload, auth)

    def sign(self, asked: Asked, timestamp_ms: int, window_ms: int) -> dict[str, str]:
        """Return the headers that authenticate a request for a window that begins at a moment of the venue's time."""
        return {
            "X-BAPI-API-KEY": str(self.api_key),
            "X-BAPI-TIMESTAMP": str(timestamp_ms),
            "X-BAPI-RECV-WINDOW": str(window_ms),
            "X-BAPI-SIGN": str(self._auth(asked.payload, window_ms, timestamp_ms)),
        }


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
