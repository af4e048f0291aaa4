"""Amounts and prices of orders: decimal text on the wire, `Decimal` inside, digits exactly as the caller meant them.

JSON numbers are refused: they lose digits between writer and reader. Plain `Decimal` parsing would also take
`1_000`, full-width digits, blanks around the text and exponents; none of them is a price.
"""

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

MAX_WHOLE_DIGITS = 18
MAX_FRACTION_DIGITS = 12


def _pattern(sign: str) -> str:
    return rf"^{sign}(0|[1-9][0-9]{{0,{MAX_WHOLE_DIGITS - 1}}})(\.[0-9]{{1,{MAX_FRACTION_DIGITS}}})?$"


_NEGATIVE = re.compile(_pattern("-")).match
_ABOVE_ZERO = "a decimal number above 0"


class _DecimalText:
    """A pydantic type: text of plain decimal digits in, `Decimal` inside, the same plain text out."""

    def __init__(self, *, signed: bool, zero: bool) -> None:
        self._text = _pattern("-?" if signed else "")
        self._match = re.compile(self._text).match
        self._signed = signed
        self._zero = zero

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self._read,
            serialization=core_schema.plain_serializer_function_ser_schema(
                plain, return_schema=core_schema.str_schema()
            ),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": self._text}

    def _read(self, value: object) -> Decimal:
        if isinstance(value, Decimal):
            value = plain(value)
        if not self._signed and isinstance(value, str) and _NEGATIVE(value):
            raise PydanticCustomError("decimal_text", "0 or a decimal number above 0" if self._zero else _ABOVE_ZERO)
        if not isinstance(value, str) or self._match(value) is None:
            raise PydanticCustomError(
                "decimal_text",
                "a decimal number as text: digits, at most "
                f"{MAX_WHOLE_DIGITS} before and {MAX_FRACTION_DIGITS} after the point, no exponent",
            )
        number = Decimal(value)
        if not self._zero and number == 0:
            raise PydanticCustomError("decimal_text", _ABOVE_ZERO if not self._signed else "not zero")
        return number


def plain(number: Decimal) -> str:
    """Write a decimal without exponent: `1E+2` becomes `100`."""
    return format(number, "f")


Amount = Annotated[Decimal, _DecimalText(signed=False, zero=False)]
"""A quantity above zero."""
Price = Annotated[Decimal, _DecimalText(signed=False, zero=False)]
"""A price above zero."""
PriceOrZero = Annotated[Decimal, _DecimalText(signed=False, zero=True)]
"""A price above zero, or 0 where that means none."""
Quantity = Annotated[Decimal, _DecimalText(signed=True, zero=True)]
"""Any decimal a venue reports: a filled amount, a position, a fee."""


def nearest_multiple(number: Decimal, step: Decimal) -> Decimal:
    """Return the multiple of `step` nearest to `number`, never below one step."""
    return max((number / step).to_integral_value(), Decimal(1)) * step
