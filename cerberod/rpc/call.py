"""What a handler is given: who calls, in which environment, and that environment's services. Nothing else.

A handler cannot name the other environment: `Call.use` finds services among those of the session's own.
"""

from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeVar

from cerberod.ids import Environment

Service = TypeVar("Service")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who stands behind a session, fixed at its handshake for its whole life."""

    environment: Environment
    actor: str
    """Which token was shown: `testnet`, `mainnet` or `admin`."""
    bot_tag: str
    scopes: frozenset[str]
    session_id: str
    transport: str
    """`websocket`, `stdio` or `http`."""
    client_ip: str = ""
    user_agent: str = ""


class Services:
    """The services of one environment, found by their type."""

    def __init__(self, environment: Environment, services: Iterable[object]) -> None:
        self.environment = environment
        self._by_type: dict[type, object] = {type(service): service for service in services}

    def get(self, kind: type[Service]) -> Service:
        """Return the one service of this type. An unknown type is a wiring error, hence KeyError."""
        service = self._by_type[kind]
        assert isinstance(service, kind)
        return service


@dataclass(slots=True)
class Tally:
    """What one call cost upstream."""

    calls: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Call:
    """One call in progress."""

    request_id: str
    method: str
    principal: Principal
    services: Services
    tally: Tally = field(default_factory=Tally)
    recorded: bool = False
    """True once the ending of this call stands in the audit."""

    def use(self, kind: type[Service]) -> Service:
        """Return the session's environment's service of this type."""
        return self.services.get(kind)


current_tally: ContextVar[Tally | None] = ContextVar("current_tally", default=None)
"""The tally of the call this task works for, so that a venue's transport can charge it. None outside a call."""
