"""Bybit's retCodes, each with our own word and what it proves about a write. The first file to review.

One table. `FIX`, `SAFE`, `WAIT` and `DONE` prove that the request had no effect of its own; after `ASK`, and after any
code that is not in the table, a write may have happened and is looked up. `TWIN` says that an order with this link id
exists already: an earlier attempt landed. The wording of one code varies, so nothing is read but the number, and the
venue's text, which may repeat our key, never leaves.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from cerberod.errors import VenueRefused

VENUE = "bybit"


class Effect(Enum):
    """What a code says about the request it answers."""

    SAFE = "no effect; the same request may be sent again"
    FIX = "no effect; the request must change"
    WAIT = "no effect; the same request may be sent after a pause"
    DONE = "already as asked; counts as success"
    TWIN = "an order with this link id exists: an earlier attempt landed"
    ASK = "the effect is not known"


@dataclass(frozen=True, slots=True)
class Known:
    """One row of the table."""

    word: str
    effect: Effect


_SAFE: Mapping[int, str] = {10002: "timestamp_outside_window"}

_WAIT: Mapping[int, str] = {
    10006: "too_many_visits",
    10018: "too_many_visits_from_address",
    110079: "order_being_processed",
    170005: "too_many_orders",
    170191: "can_not_cancel_now",
    170212: "cancel_in_progress",
    170222: "too_many_requests",
}

_DONE: Mapping[int, str] = {
    34040: "not_modified",
    110025: "position_mode_not_modified",
    110026: "margin_mode_not_modified",
    110027: "margin_not_modified",
    110043: "leverage_not_modified",
}

_TWIN: Mapping[int, str] = {110072: "duplicate_order_link_id", 170141: "duplicate_order_link_id"}

_ASK: Mapping[int, str] = {
    429: "trading_service_overloaded",
    10000: "server_timeout",
    10014: "duplicate_request",
    10016: "internal_error",
    170001: "internal_error",
    170007: "backend_timeout",
    170032: "network_error",
    170146: "order_creation_timed_out",
    170147: "order_cancellation_timed_out",
    170310: "order_amendment_timed_out",
}

_FIX: Mapping[int, str] = {
    10001: "invalid_params",
    10003: "invalid_api_key",
    10004: "invalid_signature",
    10005: "permission_denied",
    10007: "authentication_failed",
    10008: "account_banned",
    10009: "region_blocked",
    10010: "address_not_bound",
    10017: "no_such_route",
    10024: "compliance_rules",
    10027: "trading_banned",
    10028: "needs_unified_account",
    10029: "symbol_not_on_whitelist",
    33004: "api_key_expired",
    -2015: "api_key_expired",
    110001: "order_not_found",
    110003: "price_outside_band",
    110004: "not_enough_wallet_balance",
    110006: "not_enough_margin",
    110007: "not_enough_available_balance",
    110008: "order_completed_or_cancelled",
    110009: "too_many_stop_orders",
    110010: "order_cancelled",
    110012: "not_enough_available_balance",
    110013: "leverage_over_risk_limit",
    110014: "not_enough_available_balance_for_margin",
    110017: "reduce_only_not_satisfied",
    110020: "too_many_active_orders",
    110021: "open_interest_cap",
    110023: "only_reducing_allowed",
    110024: "position_open_mode_fixed",
    110028: "orders_open_mode_fixed",
    110029: "no_hedge_mode",
    110034: "no_position",
    110036: "leverage_not_allowed_in_cross_margin",
    110038: "leverage_not_allowed_in_portfolio_margin",
    110042: "only_reducing_before_delivery",
    110044: "not_enough_margin",
    110045: "not_enough_wallet_balance",
    110051: "not_enough_available_balance",
    110052: "not_enough_available_balance",
    110053: "not_enough_available_balance",
    110063: "settlement_in_progress",
    110066: "trading_closed",
    110074: "contract_not_live",
    110090: "position_over_tier_for_leverage",
    110092: "trigger_price_must_be_above",
    110093: "trigger_price_must_be_below",
    110094: "order_value_too_low",
    110118: "no_price_for_market_order",
    110120: "price_below_limit",
    110121: "price_above_limit",
    170033: "not_enough_balance",
    170121: "invalid_symbol",
    170124: "amount_too_large",
    170130: "invalid_params",
    170131: "not_enough_balance",
    170132: "price_too_high",
    170133: "price_too_low",
    170134: "price_too_precise",
    170136: "quantity_too_low",
    170137: "quantity_too_precise",
    170139: "order_filled",
    170140: "order_value_too_low",
    170142: "order_cancelled",
    170143: "order_not_found",
    170148: "amount_too_precise",
    170190: "cancel_finished",
    170192: "price_outside_limit",
    170193: "price_outside_limit",
    170194: "price_outside_limit",
    170197: "fill_too_far_from_market",
    170198: "fill_too_far_from_market",
    170210: "order_rejected",
    170213: "order_not_found",
    170217: "only_post_only_now",
    170218: "post_only_price_invalid",
    170341: "amount_too_large",
    170371: "price_outside_limit",
    170372: "price_outside_limit",
    170381: "amount_too_large",
    170382: "amount_too_large",
    170810: "too_many_orders",
}


def _rows() -> Iterator[tuple[int, Known]]:
    for effect, words in (
        (Effect.FIX, _FIX),
        (Effect.SAFE, _SAFE),
        (Effect.WAIT, _WAIT),
        (Effect.DONE, _DONE),
        (Effect.TWIN, _TWIN),
        (Effect.ASK, _ASK),
    ):
        for code, word in words.items():
            yield code, Known(word, effect)


CODES: Mapping[int, Known] = dict(_rows())

UNKNOWN = Known("unlisted_venue_code", Effect.ASK)

TIMESTAMP = 10002
TOO_MANY_VISITS = 10006
KEY_REFUSED: frozenset[int] = frozenset({10003, 10004, 10007, 10008, 10009, 10010, 10028, 33004, -2015})
"""The venue takes no request with this key, whatever it asks; 10005 lacks one permission only."""
ORDER_NOT_FOUND: frozenset[int] = frozenset({110001, 170143, 170213})
"""For a cancel or an amendment: it is closed, or was never there; whoever asks looks it up."""
ORDER_IS_DONE: frozenset[int] = frozenset({110008, 110010, 170139, 170142, 170190})
"""The order is not open any more, however it ended."""
READ_AGAIN: frozenset[int] = frozenset({429, 10000, 10002, 10006, 10016, 170001, 170007, 170032})
"""A read answered with one of these is worth asking again after a pause."""
INSTRUMENT_CHANGED: frozenset[int] = frozenset({10001, 110003, 110094, 170121, 170130, 170134, 170137, 170140, 170148})
"""Refusals that may mean that what we know of the instrument is out of date."""


def known(code: int) -> Known:
    """Return the row of a code; one that is not in the table leaves the effect open."""
    return CODES.get(code, UNKNOWN)


def refusal(code: int) -> VenueRefused:
    """Turn an error answer into ours."""
    row = known(code)
    return VenueRefused(VENUE, str(code), row.word, effect_possible=row.effect in (Effect.ASK, Effect.TWIN))
