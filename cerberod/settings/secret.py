"""A value that must not be seen: it prints as stars wherever it goes.

Whoever needs the text asks for it by name (`reveal`), so that every place a secret is used can be found by one search.
"""

import hashlib
import hmac
from typing import NoReturn

MASK = "***"


class Secret:
    """Text that neither `repr`, `str`, formatting, pickling nor a comparison's timing gives away."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself, to be used at once and kept nowhere."""
        return self._text

    def digest(self) -> bytes:
        """Return the SHA-256 of the text, the only form in which a token is kept for comparison."""
        return hashlib.sha256(self._text.encode()).digest()

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written anywhere")
