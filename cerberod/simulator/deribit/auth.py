"""Who a caller is: keys, tokens, signatures, scopes. Pure; times are arguments.

A signature is checked for real (HMAC-SHA256 over the received text). Its timestamp may lie up to 60 s from the real
clock *or* from the market's: with a recorded chain the market stands in the past, and a client may rightly stamp with
either.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass, replace
from typing import Final

from cerberod.simulator.deribit.wire import VenueError, invalid

DEFAULT_LIFETIME_S: Final = 900
SIGNATURE_WINDOW_MS: Final = 60_000
_MOST_TOKENS = 4_096
_MOST_SESSIONS = 16
_LEVELS = ("none", "read", "read_write")
_FULL = {"account": "read_write", "trade": "read_write", "wallet": "read_write", "block_trade": "read_write"}


@dataclass(frozen=True)
class Key:
    """An API key of an account."""

    client_id: str
    client_secret: str
    account: str


@dataclass(frozen=True)
class Token:
    """An access token as the server remembers it. `connection` is set for tokens that die with their connection."""

    access: str
    refresh: str
    account: str
    client_id: str
    rights: dict[str, str]
    expires_s: float
    lifetime_s: int
    connection: str | None
    session: str | None

    @property
    def scope(self) -> str:
        rights = " ".join(f"{area}:{level}" for area, level in sorted(self.rights.items()))
        kind = f"session:{self.session}" if self.session else "connection"
        return f"{rights} {kind} mainaccount"

    def allows(self, area: str, level: str) -> bool:
        """Tell whether the token grants at least a level in an area."""
        return _LEVELS.index(self.rights.get(area, "none")) >= _LEVELS.index(level)


class Authority:
    """The keys and tokens of one environment."""

    def __init__(self, keys: list[Key]) -> None:
        self._keys = {key.client_id: key for key in keys}
        self._by_access: dict[str, Token] = {}
        self._by_refresh: dict[str, Token] = {}

    def clear(self) -> None:
        """Forget every token."""
        self._by_access.clear()
        self._by_refresh.clear()

    # Proof of identity

    def by_secret(self, client_id: object, client_secret: object) -> Key:
        """Return the key if the secret is right."""
        key = self._keys.get(client_id) if isinstance(client_id, str) else None
        if key is None or not isinstance(client_secret, str) or not _same(client_secret, key.client_secret):
            raise VenueError(13004)
        return key

    def by_signature(
        self, client_id: object, timestamp: object, nonce: object, signature: object, rest: str, now_ms: tuple[int, ...]
    ) -> Key:
        """Return the key if `signature` signs "timestamp\\nnonce\\nrest" and the timestamp is fresh."""
        key = self._keys.get(client_id) if isinstance(client_id, str) else None
        stamp = _whole(timestamp)
        if key is None:
            raise VenueError(13004)
        if stamp is None or not isinstance(nonce, str) or not isinstance(signature, str):
            raise VenueError(13009)
        if not _same(sign(key.client_secret, str(timestamp), nonce, rest), signature):
            raise VenueError(13009)
        if all(abs(stamp - now) > SIGNATURE_WINDOW_MS for now in now_ms):
            raise VenueError(13009)
        return key

    def by_basic(self, encoded: str) -> Key:
        """Return the key of an HTTP Basic header's value."""
        try:
            client_id, _, client_secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise VenueError(13004) from None
        return self.by_secret(client_id, client_secret)

    # Tokens

    def grant(self, key: Key, scope: object, connection: str | None, now_s: float) -> Token:
        """Make a token with the asked scope, narrowed to what exists."""
        rights, lifetime_s, session = _read_scope(scope)
        token = Token(
            access=secrets.token_urlsafe(32),
            refresh=secrets.token_urlsafe(32),
            account=key.account,
            client_id=key.client_id,
            rights=rights,
            expires_s=now_s + lifetime_s,
            lifetime_s=lifetime_s,
            connection=None if session else connection,
            session=session,
        )
        return self._remember(token)

    def refresh(self, refresh_token: object, connection: str | None, now_s: float) -> Token:
        """Exchange a refresh token; the old pair is dead."""
        old = self._by_refresh.get(refresh_token) if isinstance(refresh_token, str) else None
        if old is None or (old.connection is not None and old.connection != connection):
            raise VenueError(13009, data={"reason": "invalid_token"})
        self._drop(old)
        return self._remember(
            replace(
                old,
                access=secrets.token_urlsafe(32),
                refresh=secrets.token_urlsafe(32),
                expires_s=now_s + old.lifetime_s,
            )
        )

    def check(self, access: object, connection: str | None, now_s: float) -> Token:
        """Return the token if it is known, alive, and used where it may be."""
        token = self._by_access.get(access) if isinstance(access, str) else None
        if token is None or token.expires_s <= now_s:
            raise VenueError(13009, data={"reason": "invalid_token"})
        if token.connection is not None and token.connection != connection:
            raise VenueError(13009, data={"reason": "invalid_token"})
        return token

    def end_connection(self, connection: str) -> None:
        """Kill the tokens that live with a connection."""
        for token in [t for t in self._by_access.values() if t.connection == connection]:
            self._drop(token)

    def end(self, token: Token) -> None:
        """Kill one token."""
        self._drop(token)

    def _remember(self, token: Token) -> Token:
        if token.session is not None:
            mine = [t for t in self._by_access.values() if t.session and t.client_id == token.client_id]
            for old in mine[: max(0, len(mine) - _MOST_SESSIONS + 1)]:
                self._drop(old)
        while len(self._by_access) >= _MOST_TOKENS:
            self._drop(next(iter(self._by_access.values())))
        self._by_access[token.access] = token
        self._by_refresh[token.refresh] = token
        return token

    def _drop(self, token: Token) -> None:
        self._by_access.pop(token.access, None)
        self._by_refresh.pop(token.refresh, None)


def sign(secret: str, timestamp: str, nonce: str, rest: str) -> str:
    """Return the venue's signature over a timestamp, a nonce and the rest, in lower-case hex."""
    text = f"{timestamp}\n{nonce}\n{rest}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def read_signed_header(value: str) -> dict[str, str]:
    """Read `id=..,ts=..,sig=..,nonce=..`."""
    pairs = (part.strip().partition("=") for part in value.split(","))
    return {name: text for name, _, text in pairs}


def token_result(token: Token) -> dict[str, object]:
    """Return a granted token as public/auth tells it."""
    return {
        "access_token": token.access,
        "refresh_token": token.refresh,
        "expires_in": token.lifetime_s,
        "token_type": "bearer",
        "scope": token.scope,
        "sid": token.session or token.access[:12],
        "enabled_features": [],
        "mandatory_tfa_status": "unspecified",
        "google_login": False,
    }


def _same(a: str, b: str) -> bool:
    return hmac.compare_digest(a.encode("utf-8", "surrogatepass"), b.encode())


def _whole(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20 else None


def _read_scope(scope: object) -> tuple[dict[str, str], int, str | None]:
    """Return (rights, lifetime in seconds, session name); a scope that names no right grants them all."""
    if scope is None or scope == "":
        return dict(_FULL), DEFAULT_LIFETIME_S, None
    if not isinstance(scope, str) or len(scope) > 512:
        raise invalid("scope", "wrong format")
    rights: dict[str, str] = {}
    lifetime_s, session = DEFAULT_LIFETIME_S, None
    for word in scope.split():
        area, _, value = word.partition(":")
        if area in _FULL and value in _LEVELS:
            rights[area] = value
        elif area == "expires" and (seconds := _whole(value)):
            lifetime_s = seconds
        elif area == "session" and value:
            session = value[:64]
    return rights or dict(_FULL), lifetime_s, session
