"""When to log in at Deribit, with what, and what was granted.

Pure: it is told the time, hands out params and takes in answers. The secret signs and is never sent. A key that the
venue refuses is not tried again for an hour: repeated wrong logins lock it. Only what trading needs is asked for,
so that a stolen token cannot withdraw.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cerberod.settings.secret import Secret
from cerberod.venues.backoff import Backoff
from cerberod.venues.deribit.errors import INVALID_CREDENTIALS, NOT_AUTHENTICATED, known
from cerberod.venues.deribit.wire.frames import signature
from cerberod.venues.deribit.wire.reading import Fields

SCOPE = "connection account:read trade:read_write"
_REFRESH_AT = 0.8
_REFUSED_PAUSE_S = 3600.0
_RENEWED_LATELY_S = 10.0
_SIGNATURES_TRIED = 3


@dataclass(frozen=True, slots=True)
class Credentials:
    """One API key of one environment."""

    client_id: Secret
    client_secret: Secret


class Login:
    """The state of our login, across connections."""

    def __init__(self, credentials: Credentials, backoff: Backoff, nonce: Callable[[], str]) -> None:
        self._credentials = credentials
        self._backoff = backoff
        self._nonce = nonce
        self._refresh_token: str | None = None
        self._due_at = 0.0
        self._paused_until = 0.0
        self._refusals = 0
        self._granted_at: float | None = None
        self.reason: str | None = "not_logged_in"
        """Why we cannot do everything; None when we can."""
        self.granted = False
        """Whether private methods work on this connection."""
        self.grants = 0
        """How often a login succeeded."""

    def due_s(self, now: float) -> float:
        """Return the seconds until the next login is to be tried."""
        return max(0.0, self._due_at - now)

    def connected(self, now: float) -> None:
        """Begin on a new connection: tokens of the last one are void. A refused key stays refused."""
        if now < self._paused_until:
            return
        self._lose("not_logged_in")
        self._due_at = now

    def void(self, now: float) -> bool:
        """Take in that the venue does not accept our token. Returns False when it is too young to be renewed again."""
        if self._granted_at is None or now - self._granted_at < _RENEWED_LATELY_S:
            return False
        self._refresh_token = None
        self._due_at = now
        return True

    def params(self, venue_ms: int) -> dict[str, Any]:
        """Return the params of `public/auth`: the refresh token while there is one, else a signature."""
        if self._refresh_token is not None:
            return {"grant_type": "refresh_token", "refresh_token": self._refresh_token}
        nonce = self._nonce()
        return {
            "grant_type": "client_signature",
            "client_id": self._credentials.client_id.reveal(),
            "timestamp": venue_ms,
            "nonce": nonce,
            "signature": signature(self._credentials.client_secret.reveal(), venue_ms, nonce),
            "scope": SCOPE,
        }

    def accept(self, result: object, now: float) -> None:
        """Take in a successful answer."""
        row = Fields(result, "result")
        row.text("token_type")
        lifetime_s = row.number("expires_in")
        if lifetime_s <= 0:
            raise row.bad("expires_in", "above zero")
        if not isinstance(token := row.get("refresh_token"), str):
            raise row.bad("refresh_token", "text")
        self._refresh_token = token
        self._granted_at = now
        self._due_at = now + lifetime_s * _REFRESH_AT
        self._backoff.reset()
        self._refusals = 0
        self.granted = True
        self.grants += 1
        self.reason = lacking(row.get("scope"))

    def refuse(self, code: int, now: float) -> None:
        """Take in an error answer.

        A refresh token may just be too old: a signature is tried at once. A signature may be refused because the clocks
        disagree, so it is tried a few times; a key that is refused again, or that the venue does not know, rests.
        """
        by_token = self._refresh_token is not None
        if by_token and code != INVALID_CREDENTIALS:
            self._lose(known(code).word)
            self._due_at = now
            return
        by_signature = code in NOT_AUTHENTICATED
        self._lose("signature_refused" if by_signature else known(code).word)
        self._refusals += by_signature
        if code == INVALID_CREDENTIALS or self._refusals >= _SIGNATURES_TRIED:
            self._paused_until = self._due_at = now + _REFUSED_PAUSE_S
            self._refusals = 0
        else:
            self._due_at = now + self._backoff.next_s()

    def fail(self, reason: str, now: float) -> None:
        """Take in that no usable answer came. A token granted before stays good until it expires."""
        if not self.granted:
            self.reason = reason
        self._refresh_token = None
        self._due_at = now + self._backoff.next_s()

    def _lose(self, reason: str) -> None:
        self._refresh_token = None
        self.granted = False
        self._granted_at = None
        self.reason = reason


def lacking(scope: object) -> str | None:
    """Return what a granted scope is short of for our methods, as a word; None when it is enough."""
    parts = set(scope.split()) if isinstance(scope, str) else set()
    for area in ("account", "trade"):
        if not {f"{area}:read", f"{area}:read_write"} & parts:
            return f"key_without_{area}_read"
    return None if "trade:read_write" in parts else "key_is_read_only"
