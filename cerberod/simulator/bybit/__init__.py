"""The simulated Bybit v5: one market, two environments with accounts of their own, over signed REST.

Where the venue's documents and recordings are silent, this is assumed: failed authentication is HTTP 200 with its code;
a price off its grid is 10001 on derivatives; a batch that is too long is refused as a whole with 10001; a link id is
never good twice and has at most 36 characters; a post-only order that would take ends Cancelled. Left out: WebSockets,
liquidation, borrowing, session settlement of USDC contracts, collateral ratios, risk tiers beyond the first, mark
prices from recorded chains.
"""
