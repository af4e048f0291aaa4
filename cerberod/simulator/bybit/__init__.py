"""The simulated Bybit v5: one market, two environments with accounts of their own, over signed REST."""
