"""What the daemon may be told about each venue and provider: addresses and keys, declared once.

Pure: it gets names and texts, and says which key feeds which environment. A key named for one environment is never
used in the other; a key without a suffix feeds both, which for most venues can be right for only one of them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never
from urllib.parse import urlsplit

from cerberod.ids import Environment
from cerberod.settings import rules
from cerberod.settings.declared import Setting
from cerberod.settings.rules import BrokenRule, Rule
from cerberod.settings.secret import Secret

_HTTP = rules.url("https", "http")
_WEBSOCKET = rules.url("wss", "ws")


class Kind(StrEnum):
    """Which half of the upstreams one belongs to."""

    VENUE = "venue"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class Key:
    """One part of the credentials; `public` ones may be shown."""

    field: str
    name: str
    rule: Rule[Secret]
    public: bool = False


@dataclass(frozen=True, slots=True)
class Address:
    """One address with its value in either environment."""

    field: str
    prefix: str
    rule: Rule[str]
    mainnet: str
    testnet: str

    def default(self, environment: Environment) -> str:
        """Return the address used when none is given."""
        match environment:
            case Environment.MAINNET:
                return self.mainnet
            case Environment.TESTNET:
                return self.testnet
            case _:
                assert_never(environment)


@dataclass(frozen=True, slots=True)
class Upstream:
    """The declaration of one venue or provider."""

    name: str
    kind: Kind
    title: str
    keys: tuple[Key, ...]
    addresses: tuple[Address, ...]
    shares_keys: bool

    def settings(self) -> Iterator[Setting]:
        """Yield everything that can be set for this upstream."""
        for key in self.keys:
            for suffix, where in (("", "testnet and mainnet"), ("_TESTNET", "testnet"), ("_LIVE", "mainnet")):
                help = f"{self.title} {key.field.replace('_', ' ')} for {where}."
                yield Setting(key.name + suffix, key.rule, "", help, secret=not key.public)
        for address in self.addresses:
            for environment in Environment:
                help = f"{self.title} {address.field.replace('_', ' ')} for {environment}."
                yield Setting(
                    f"{address.prefix}_{SUFFIX[environment]}", address.rule, address.default(environment), help
                )


SUFFIX: Mapping[Environment, str] = {Environment.MAINNET: "LIVE", Environment.TESTNET: "TESTNET"}


def _provider(name: str, title: str, key: str, base: str) -> Upstream:
    return Upstream(
        name,
        Kind.PROVIDER,
        title,
        (Key("api_key", key, rules.API_KEY),),
        (Address("url", f"{name.upper()}_URL", _HTTP, base, base),),
        shares_keys=True,
    )


UPSTREAMS: tuple[Upstream, ...] = (
    Upstream(
        "deribit",
        Kind.VENUE,
        "Deribit",
        (
            Key("client_id", "DERIBIT_CLIENT_ID", rules.API_KEY),
            Key("client_secret", "DERIBIT_CLIENT_SECRET", rules.API_KEY),
        ),
        (
            Address(
                "url", "DERIBIT_URL", _WEBSOCKET, "wss://www.deribit.com/ws/api/v2", "wss://test.deribit.com/ws/api/v2"
            ),
        ),
        shares_keys=False,
    ),
    Upstream(
        "bybit",
        Kind.VENUE,
        "Bybit",
        (Key("api_key", "BYBIT_API_KEY", rules.API_KEY), Key("api_secret", "BYBIT_API_SECRET", rules.API_KEY)),
        (Address("url", "BYBIT_URL", _HTTP, "https://api.bybit.com", "https://api-testnet.bybit.com"),),
        shares_keys=False,
    ),
    Upstream(
        "hyperliquid",
        Kind.VENUE,
        "Hyperliquid",
        (
            Key("wallet_address", "HYPERLIQUID_WALLET_ADDRESS", rules.WALLET_ADDRESS, public=True),
            Key("private_key", "HYPERLIQUID_PRIVATE_KEY", rules.PRIVATE_KEY),
        ),
        (
            Address(
                "url",
                "HYPERLIQUID_URL",
                _HTTP,
                "https://api.hyperliquid.xyz",
                "https://api.hyperliquid-testnet.xyz",
            ),
        ),
        shares_keys=True,
    ),
    Upstream(
        "alpaca",
        Kind.VENUE,
        "Alpaca",
        (
            Key("api_key_id", "ALPACA_API_KEY_ID", rules.API_KEY),
            Key("secret_key", "ALPACA_SECRET_KEY", rules.API_KEY),
        ),
        (
            Address("url", "ALPACA_URL", _HTTP, "https://api.alpaca.markets", "https://paper-api.alpaca.markets"),
            # Both kinds of key read the same market data.
            Address("data_url", "ALPACA_DATA_URL", _HTTP, "https://data.alpaca.markets", "https://data.alpaca.markets"),
        ),
        shares_keys=False,
    ),
    _provider("fred", "FRED", "FRED_API_KEY", "https://api.stlouisfed.org"),
    _provider("finnhub", "Finnhub", "FINNHUB_API_KEY", "https://finnhub.io"),
    _provider("cryptopanic", "CryptoPanic", "CRYPTOPANIC_KEY", "https://cryptopanic.com"),
    _provider("lunarcrush", "LunarCrush", "LUNARCRUSH_KEY", "https://lunarcrush.com"),
)


@dataclass(frozen=True, slots=True)
class UpstreamSettings:
    """What one environment knows of one upstream: where it is, and the keys, or None when there are none."""

    name: str
    kind: Kind
    environment: Environment
    url: str
    data_url: str | None = None
    credentials: Mapping[str, Secret] | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    """For each of the fields above that was set, the name of the setting that fed it."""


Tell = Callable[[str, str], None]
"""Takes the name of a setting and the rule it breaks."""


def check_keys(upstream: Upstream, given: Mapping[str, str], tell: Tell) -> None:
    """Tell of every key given for an upstream, in whatever form, that cannot be one."""
    for key in upstream.keys:
        for name in (key.name, key.name + "_TESTNET", key.name + "_LIVE"):
            try:
                if name in given:
                    key.rule.read(given[name])
            except BrokenRule as broken:
                tell(name, f"must be {str(broken) or key.rule.says}")


def resolve(upstream: Upstream, environment: Environment, given: Mapping[str, str], tell: Tell) -> UpstreamSettings:
    """Choose the addresses and keys of one upstream in one environment from the texts given.

    What is wrong with a key itself is told by `check_keys`, so that keys which no environment uses are checked too.
    """
    sources: dict[str, str] = {}
    urls = {
        address.field: _resolve_address(address, environment, given, sources, tell) for address in upstream.addresses
    }
    credentials = _resolve_keys(upstream, environment, given, sources, tell)
    return UpstreamSettings(
        upstream.name, upstream.kind, environment, urls["url"], urls.get("data_url"), credentials, sources
    )


def _resolve_address(
    address: Address, environment: Environment, given: Mapping[str, str], sources: dict[str, str], tell: Tell
) -> str:
    name = f"{address.prefix}_{SUFFIX[environment]}"
    default = address.default(environment)
    text = given.get(name)
    if text is None:
        return default
    try:
        value = address.rule.read(text)
    except BrokenRule as broken:
        tell(name, f"must be {str(broken) or address.rule.says}")
        return default
    if address.mainnet != address.testnet:
        other = Environment.TESTNET if environment is Environment.MAINNET else Environment.MAINNET
        if urlsplit(value).hostname == urlsplit(address.default(other)).hostname:
            tell(name, f"must not name the {other} host")
            return default
    sources[address.field] = name
    return value


def _resolve_keys(
    upstream: Upstream, environment: Environment, given: Mapping[str, str], sources: dict[str, str], tell: Tell
) -> Mapping[str, Secret] | None:
    suffix = "_" + SUFFIX[environment]
    chosen = {
        key: next((name for name in (key.name + suffix, key.name) if name in given), None) for key in upstream.keys
    }
    if not upstream.shares_keys and any(name == key.name + suffix for key, name in chosen.items()):
        # Half of a pair named for this environment must not be completed by a plain half made for who knows which.
        chosen = {key: key.name + suffix if key.name + suffix in given else None for key in upstream.keys}
    present = [name for name in chosen.values() if name is not None]
    if not present:
        return None
    credentials: dict[str, Secret] = {}
    for key, name in chosen.items():
        if name is None:
            stem = suffix if present[0].endswith(suffix) else ""
            tell(key.name + stem, f"must be given with {present[0]}")
            continue
        try:
            credentials[key.field] = key.rule.read(given[name])
        except BrokenRule:
            continue
        sources[key.field] = name
    return credentials if len(credentials) == len(upstream.keys) else None
