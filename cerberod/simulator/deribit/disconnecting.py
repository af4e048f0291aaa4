"""Cancel on disconnect: which connections take their orders with them when they end.

A change for the account is the start of every connection opened later; one for the connection is its own. Only orders
placed over that connection are meant, and a logout is no disconnection.
"""

from typing import Any, Final

from cerberod.simulator.deribit.params import Params
from cerberod.simulator.deribit.session import Session
from cerberod.simulator.deribit.wire import VenueError

SWITCHES: Final = frozenset({"private/enable_cancel_on_disconnect", "private/disable_cancel_on_disconnect"})
METHODS: Final = SWITCHES | {"private/get_cancel_on_disconnect"}


class CancelOnDisconnect:
    """The account's setting; a connection's own lies with its session."""

    def __init__(self) -> None:
        self.account = False

    def call(self, name: str, params: Params, session: Session | None) -> Any:
        """Run one of METHODS."""
        scope = params.choice("scope", ("connection", "account"), "connection")
        if scope == "connection" and session is None:
            raise VenueError(10030)
        if name in SWITCHES:
            enabled = name == "private/enable_cancel_on_disconnect"
            if session is not None and scope == "connection":
                session.cancels_on_disconnect = enabled
            else:
                self.account = enabled
            return "ok"
        own = session is not None and scope == "connection"
        return {"scope": scope, "enabled": session.cancels_on_disconnect if session and own else self.account}
