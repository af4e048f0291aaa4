"""The simulated Deribit: one market, two environments with accounts of their own, over WebSocket and HTTP."""
