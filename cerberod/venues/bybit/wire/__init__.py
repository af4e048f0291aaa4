"""Bybit's JSON in and out, and nothing else: no socket, no clock."""
