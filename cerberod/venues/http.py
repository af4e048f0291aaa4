"""One request to a venue that speaks HTTP, sent once: the connections, the moment of "sent", the size of answers.

Knows no venue. What has to be repeated, signed or waited for is the business of a venue's own client. No redirect is
followed and nothing is sent again, not even on a connection that was closed while idle.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace

import aiohttp
from aiohttp import ClientSession, ClientTimeout, TCPConnector, TraceConfig
from yarl import URL

from cerberod.errors import BadVenueData, ConnectionLost, VenueDown
from cerberod.venues.sending import Marked

CONNECTIONS = 32
KEPT_S = 15.0
"""How long an idle connection is kept: shorter than venues keep it, so that a write seldom meets one that is closed."""
LARGEST_ANSWER = 32 << 20
_USER_AGENT = "cerberod"


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpLink:
    """Connections to one address of one venue."""

    def __init__(self, venue: str, url: str) -> None:
        self._venue = venue
        self._url = url.rstrip("/")
        self._session: ClientSession | None = None
        self._closed = False

    async def aclose(self) -> None:
        """Close every connection; requests under way end with `ConnectionLost`."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def exchange(
        self, method: str, path: str, query: str, body: bytes | None, headers: Mapping[str, str], sent: Marked
    ) -> HttpAnswer:
        """Send one request and return its answer. `sent` is marked once there is a connection, before the first byte.

        `query` goes out byte for byte. The caller bounds the time. Raises `VenueDown` when no connection could be made,
        `ConnectionLost` after that, `BadVenueData` for an answer that is too large.
        """
        if self._closed:
            raise VenueDown(self._venue, "closed")
        session = self._session = self._session or self._open()
        url = URL(f"{self._url}{path}{'?' + query if query else ''}", encoded=True)
        trace = SimpleNamespace(sent=sent, marked=False)
        try:
            async with session.request(
                method, url, data=body, headers=headers, allow_redirects=False, trace_request_ctx=trace
            ) as response:
                content = bytearray()
                async for chunk in response.content.iter_any():
                    content += chunk
                    if len(content) > LARGEST_ANSWER:
                        raise BadVenueData(self._venue, "answer", f"at most {LARGEST_ANSWER} bytes")
                return HttpAnswer(response.status, response.headers, bytes(content))
        except (aiohttp.ClientError, OSError):
            if trace.marked:
                raise ConnectionLost(self._venue) from None
            raise VenueDown(self._venue, "no_connection") from None

    def _open(self) -> ClientSession:
        tracing = TraceConfig()
        tracing.on_connection_create_end.append(_connected)
        tracing.on_connection_reuseconn.append(_connected)
        session = ClientSession(
            connector=TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEPT_S),
            timeout=ClientTimeout(total=None),
            headers={"User-Agent": _USER_AGENT},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=True,
            trust_env=False,
            trace_configs=[tracing],
        )
        # Otherwise what is idempotent goes out once more by itself, uncounted, whenever a connection ends unanswered.
        # There is no public way to say so; a test counts what arrives.
        session._retry_connection = False
        return session


async def _connected(session: ClientSession, context: SimpleNamespace, params: object) -> None:
    """Mark the request that just got its connection: what follows is its first byte."""
    trace = context.trace_request_ctx
    trace.marked = True
    trace.sent.mark()
