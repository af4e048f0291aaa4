"""Rules that turn the text of a setting into its value.

A rule knows the words in which it is broken, and those words never hold the text it was given: a secret in the wrong
place, or half of one, is told by its setting's name alone.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from cerberod.settings.secret import Secret

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

TOKEN_MIN_LENGTH = 32
TOKEN_MAX_LENGTH = 256
TOKEN_MIN_DISTINCT = 10
_EXAMPLE_WORDS = ("example", "changeme", "change-me", "change_me", "replace", "placeholder", "your-", "your_", "xxxx")
_SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


class BrokenRule(Exception):
    """The text does not follow the rule; the message, if any, is a more exact rule. Never holds the text."""


@dataclass(frozen=True, slots=True)
class Rule(Generic[T]):
    """What a value must be, in words that follow "must be", and how it is read."""

    says: str
    read: Callable[[str], T]


def whole(least: int, most: int) -> Rule[int]:
    """A plain decimal number: no sign, blanks, underscores or exponent, which people write by mistake."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not least <= int(text) <= most:
            raise BrokenRule
        return int(text)

    return Rule(f"a whole number from {least} to {most}", read)


def seconds(least: float, most: float) -> Rule[float]:
    """A duration in seconds, decimals allowed."""

    def read(text: str) -> float:
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text) or not least <= float(text) <= most:
            raise BrokenRule
        return float(text)

    return Rule(f"a number of seconds from {least:g} to {most:g}", read)


def _read_switch(text: str) -> bool:
    match text.lower():
        case "true":
            return True
        case "false":
            return False
        case _:
            raise BrokenRule


SWITCH = Rule("true or false", _read_switch)


def one_of(kind: type[E]) -> Rule[E]:
    """One of the values of an enumeration, in any case."""

    def read(text: str) -> E:
        try:
            return kind(text.lower())
        except ValueError:
            raise BrokenRule from None

    return Rule("one of " + ", ".join(member.value for member in kind), read)


def matching(pattern: str, says: str) -> Rule[str]:
    """Text of one exact form."""
    form = re.compile(pattern)

    def read(text: str) -> str:
        if not form.fullmatch(text):
            raise BrokenRule
        return text

    return Rule(says, read)


def _read_address(text: str) -> str:
    if text == "localhost":
        return text
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise BrokenRule from None


ADDRESS = Rule("an IP address or localhost", _read_address)


def is_loopback(address: str) -> bool:
    """Tell whether an address that passed the rule stays on this machine."""
    return address == "localhost" or ipaddress.ip_address(address).is_loopback


def _read_path(text: str) -> Path:
    try:
        path = Path(text).expanduser()
    except RuntimeError:
        raise BrokenRule from None  # There is no home folder to put in place of `~`.
    if "\0" in text or not path.is_absolute():
        raise BrokenRule
    return path


PATH = Rule("an absolute path", _read_path)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _read_networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part) for part in _listed(text))
    except ValueError:
        raise BrokenRule from None


NETWORKS = Rule("IP addresses or networks such as 10.0.0.0/8, separated by commas", _read_networks)


def _read_host_names(text: str) -> tuple[str, ...]:
    names = tuple(part.lower() for part in _listed(text))
    if not all(re.fullmatch(r"(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?", name) for name in names):
        raise BrokenRule
    return names


HOST_NAMES = Rule("host names, with or without a port, separated by commas", _read_host_names)


def _read_origins(text: str) -> tuple[str, ...]:
    origins = tuple(_listed(text))
    if not all(re.fullmatch(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?", origin) for origin in origins):
        raise BrokenRule
    return origins


ORIGINS = Rule("origins such as https://desk.my.net (lower case, no path), separated by commas", _read_origins)


def url(*schemes: str) -> Rule[str]:
    """An address of an upstream, whose secure form (the first scheme) may be left only for this machine itself."""
    secure = schemes[0]

    def read(text: str) -> str:
        try:
            parts = urlsplit(text)
            host, _port = parts.hostname, parts.port
        except ValueError:
            raise BrokenRule from None
        if parts.scheme not in schemes or not host or not text.isascii() or re.search(r"[\s\x00-\x1f]", text):
            raise BrokenRule
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise BrokenRule("a URL without user, password, query or fragment")
        if parts.scheme != secure and not _host_is_loopback(host):
            raise BrokenRule(f"a {secure}:// URL, unless its host is this machine")
        return text.rstrip("/")

    return Rule("a URL that starts with " + " or ".join(f"{scheme}://" for scheme in schemes), read)


def _host_is_loopback(host: str) -> bool:
    try:
        return is_loopback(host)
    except ValueError:
        return False


def _read_token(text: str) -> Secret:
    if not TOKEN_MIN_LENGTH <= len(text) <= TOKEN_MAX_LENGTH or not re.fullmatch(r"[!-~]+", text):
        raise BrokenRule
    if any(word in text.lower() for word in _EXAMPLE_WORDS):
        raise BrokenRule("a token of your own, not an example value (cerberod token new makes one)")
    steps = sum(abs(ord(a) - ord(b)) <= 1 for a, b in pairwise(text))
    repeats = (text + text).find(text, 1) < len(text)
    if len(set(text)) < TOKEN_MIN_DISTINCT or steps * 2 > len(text) or repeats:
        raise BrokenRule("random (cerberod token new makes one)")
    return Secret(text)


TOKEN = Rule(f"{TOKEN_MIN_LENGTH} to {TOKEN_MAX_LENGTH} printable ASCII characters without blanks", _read_token)


def secret(pattern: str, says: str) -> Rule[Secret]:
    """A secret of one exact form."""
    plain = matching(pattern, says)
    return Rule(says, lambda text: Secret(plain.read(text)))


# Eight at least: anything shorter could not be kept out of the log without tearing innocent lines.
API_KEY = secret(r"[!-~]{8,512}", "8 to 512 printable ASCII characters without blanks")
WALLET_ADDRESS = secret(r"0x[0-9a-fA-F]{40}", "0x and 40 hexadecimal digits")


def _read_private_key(text: str) -> Secret:
    if not re.fullmatch(r"(0x)?[0-9a-fA-F]{64}", text) or not 0 < int(text, 16) < _SECP256K1_ORDER:
        raise BrokenRule
    return Secret(text if text.startswith("0x") else "0x" + text)


PRIVATE_KEY = Rule("a private key of 64 hexadecimal digits, with or without 0x", _read_private_key)
