"""Deribit's error codes, each with our own word and what it proves about a write. The first file to review.

One table. `FIX`, `SAFE` and `WAIT` prove that the request had no effect; after `ASK`, and after any code that is not in
the table, a write may have happened and is looked up. Deribit's current error page also shows short tables of "common
errors" that contradict the complete one on the same page; recorded answers agree with the complete one, used here.
The venue's text never leaves: of `-32602` only the reasons listed in `RULES` are told, in the same words.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from cerberod.errors import VenueRefused

VENUE = "deribit"


class Effect(Enum):
    """What a code says about the request it answers."""

    SAFE = "no effect; the same request may be sent again"
    FIX = "no effect; the request must change"
    WAIT = "no effect; the same request may be sent after a pause"
    ASK = "the effect is not known"


@dataclass(frozen=True, slots=True)
class Known:
    """One row of the table."""

    word: str
    effect: Effect


_SAFE: Mapping[int, str] = {
    10000: "authorization_required",
    10040: "retry",
    11056: "unauthenticated_public_requests_temporarily_disabled",
    13009: "unauthorized",
    13888: "valid_until_passed",
}

_WAIT: Mapping[int, str] = {
    10019: "locked_by_admin",
    10028: "too_many_requests",
    10041: "settlement_in_progress",
    10047: "matching_engine_queue_full",
    10049: "cancel_on_disconnect_failed",
    10066: "too_many_concurrent_requests",
    11051: "system_maintenance",
    11052: "subscribe_error_unsubscribed",
    12003: "login_over_limit",
    12998: "security_key_authorization_over_limit",
    13025: "method_switched_off_by_admin",
    13030: "mmp_trigger",
    13035: "active_combo_limit_reached",
    13036: "unavailable_for_combo_books",
    13043: "quotes_frozen",
    13780: "move_positions_over_limit",
}

_ASK: Mapping[int, str] = {
    10001: "general_failure",
    11031: "other_error",
    11094: "internal_server_error",
    13008: "request_failed",
    13028: "temporarily_unavailable",
    13666: "request_cancelled_by_user",
    13777: "replaced_by_another_edit",
}

_FIX: Mapping[int, str] = {
    -32700: "parse_error",
    -32602: "invalid_params",
    -32601: "method_not_found",
    -32600: "invalid_request",
    -32000: "missing_params",
    9999: "api_not_enabled",
    10002: "amount_too_low",
    10003: "order_overlap",
    10004: "order_not_found",
    10005: "price_too_low",
    10006: "price_too_low_for_index",
    10007: "price_too_high",
    10009: "not_enough_funds",
    10010: "already_closed",
    10011: "price_not_allowed",
    10012: "book_closed",
    10018: "non_pme_max_future_position_size",
    10020: "invalid_or_unsupported_instrument",
    10021: "invalid_amount",
    10022: "invalid_quantity",
    10023: "invalid_price",
    10024: "invalid_max_show",
    10025: "invalid_order_id",
    10026: "price_precision_exceeded",
    10027: "non_integer_contract_amount",
    10029: "not_owner_of_order",
    10030: "must_be_websocket_request",
    10031: "invalid_args_for_instrument",
    10032: "whole_cost_too_low",
    10033: "not_implemented_by_venue",
    10034: "trigger_price_too_high",
    10035: "trigger_price_too_low",
    10036: "invalid_max_show_amount",
    10037: "short_option_size_limit",
    10038: "risk_reducing_order_limit",
    10039: "not_enough_funds_in_currency",
    10043: "price_wrong_tick",
    10044: "trigger_price_wrong_tick",
    10045: "can_not_cancel_liquidation_order",
    10046: "can_not_edit_liquidation_order",
    10048: "not_on_this_server",
    10072: "disabled_while_position_lock",
    11008: "already_filled",
    11013: "max_spot_open_orders",
    11021: "post_only_price_modification_not_possible",
    11022: "max_spot_order_quantity",
    11029: "invalid_arguments",
    11030: "other_reject",
    11035: "no_more_triggers",
    11036: "invalid_trigger_price",
    11037: "outdated_instrument_for_iv_order",
    11038: "no_advanced_for_futures",
    11039: "no_advanced_post_only",
    11041: "not_advanced_order",
    11042: "permission_denied",
    11043: "bad_argument",
    11044: "not_open_order",
    11045: "invalid_event",
    11046: "outdated_instrument",
    11047: "unsupported_argument_combination",
    11048: "wrong_max_show_for_option",
    11049: "bad_arguments",
    11050: "bad_request",
    11053: "transfer_or_account_matter",
    11054: "post_only_reject",
    11055: "post_only_not_allowed",
    11098: "account_locked",
    13004: "invalid_credentials",
    13005: "password_match_error",
    13006: "security_error",
    13007: "user_not_found",
    13010: "value_required",
    13011: "value_too_short",
    13012: "unavailable_in_subaccount",
    13016: "invalid_input",
    13018: "invalid_content_type",
    13019: "orderbook_closed",
    13020: "not_found",
    13021: "forbidden",
    13031: "verification_required",
    13032: "non_unique_order_label",
    13040: "mmp_required",
    13042: "cancel_on_disconnect_not_enabled",
    13403: "scope_exceeded",
    13503: "unavailable",
    13668: "security_key_authorization_error",
    13778: "raw_subscriptions_need_authentication",
}

_FIX_RANGES: tuple[tuple[int, int, str], ...] = (
    (10013, 10017, "pme_open_order_limit"),
    (11090, 11097, "transfer_or_account_matter"),
    (12001, 12100, "transfer_or_account_matter"),
    (13901, 13907, "linked_order_limit"),
    (13910, 13919, "quote_or_block_limit"),
)
"""Whole families that share a word; a code listed above on its own keeps its own row."""


def _rows() -> Iterator[tuple[int, Known]]:
    for first, last, word in _FIX_RANGES:
        for code in range(first, last + 1):
            yield code, Known(word, Effect.FIX)
    for effect, words in ((Effect.FIX, _FIX), (Effect.SAFE, _SAFE), (Effect.WAIT, _WAIT), (Effect.ASK, _ASK)):
        for code, word in words.items():
            yield code, Known(word, effect)


CODES: Mapping[int, Known] = dict(_rows())

UNKNOWN = Known("unlisted_venue_code", Effect.ASK)

RULES: frozenset[str] = frozenset(
    {
        "wrong format",
        "instrument not found",
        "invalid value",
        "invalid currency",
        "value must be >= 10",
        "must be a multiple of contract size",
    }
)
"""Reasons of `-32602` that were seen in recorded answers; any other is told as `OTHER_RULE`."""

OTHER_RULE = "a rule of the venue"

ORDER_IS_DONE: frozenset[int] = frozenset({10010, 11008, 11044})
"""The order is not open any more, however it ended."""

INSTRUMENT_CHANGED: frozenset[int] = frozenset(
    {-32602, 10002, 10012, 10020, 10021, 10026, 10027, 10043, 10044, 11037, 11046, 13019, 13020}
)
"""Refusals that may mean that what we know of the instrument is out of date."""

READ_AGAIN: frozenset[int] = frozenset({10028, 10040, 10041, 10047, 10066, 11094, 13028})
"""A read answered with one of these is worth asking again after a pause."""

NOT_AUTHENTICATED: frozenset[int] = frozenset({10000, 13009})
INVALID_CREDENTIALS = 13004
TOO_MANY_REQUESTS = 10028
ORDER_NOT_FOUND = 10004
TOO_MANY_COMBOS = 13035


def known(code: int) -> Known:
    """Return the row of a code; one that is not in the table leaves the effect open."""
    return CODES.get(code, UNKNOWN)


def refusal(code: int, data: object = None, params: Collection[str] = ()) -> VenueRefused:
    """Turn an error answer into ours. `params` are the names that were sent: only those are ever named back."""
    row = known(code)
    told: dict[str, str] = {}
    if code == -32602 and isinstance(data, dict):
        if (param := data.get("param")) in params:
            told["param"] = str(param)
        if isinstance(rule := data.get("reason"), str):
            told["rule"] = rule if rule in RULES else OTHER_RULE
    return VenueRefused(VENUE, str(code), row.word, effect_possible=row.effect is Effect.ASK, **told)
