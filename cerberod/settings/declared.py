"""Every setting but those of the upstreams, declared once: its name, rule, default and one line of help.

The example file, the table of the README and the output of `cerberod check` are all read from these declarations.
Numbers are those of the limits this daemon promises to keep; each has a bound, because a limit set to anything is none.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

from cerberod.settings import rules
from cerberod.settings.rules import Network, Rule
from cerberod.settings.secret import Secret

T = TypeVar("T")
MIB = 1 << 20


class LogLevel(StrEnum):
    """How much is logged; the request log is written at `info`."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """The form of a log line."""

    JSON = "json"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Setting:
    """One declaration, as users meet it."""

    name: str
    rule: Rule[Any]
    default: str
    help: str
    secret: bool = False
    empty_is_a_value: bool = False


@dataclass(frozen=True, slots=True)
class _Declaration:
    rule: Rule[Any]
    default_text: str
    help: str
    name: str
    secret: bool
    empty_is_a_value: bool


def _setting(
    rule: Rule[T],
    default: Any,
    help: str,
    *,
    name: str = "",
    default_text: str | None = None,
    secret: bool = False,
    empty_is_a_value: bool = False,
) -> T:
    shown = _as_text(default) if default_text is None else default_text
    declaration = _Declaration(rule, shown, help, name, secret, empty_is_a_value)
    return cast(T, field(default=default, metadata={"declaration": declaration}))


def _as_text(default: object) -> str:
    match default:
        case None | ():
            return ""
        case bool():
            return str(default).lower()
        case float():
            return f"{default:g}"
        case _:
            return str(default)


class Group:
    """A few settings that are used together."""

    PREFIX: ClassVar[str] = ""

    @classmethod
    def declared(cls) -> Iterator[tuple[str, Setting]]:
        """Yield the field and the declaration of each setting of the group."""
        for entry in fields(cls):  # type: ignore[arg-type]  # every subclass is a dataclass
            declaration = entry.metadata.get("declaration")
            if declaration is not None:
                yield (
                    entry.name,
                    Setting(
                        declaration.name or cls.PREFIX + entry.name.upper(),
                        declaration.rule,
                        declaration.default_text,
                        declaration.help,
                        declaration.secret,
                        declaration.empty_is_a_value,
                    ),
                )


@dataclass(frozen=True, slots=True)
class Tokens(Group):
    """Who may speak to the daemon. `serve` needs at least one of the first two."""

    testnet: Secret | None = _setting(
        rules.TOKEN, None, "Bearer token whose sessions live on testnet.", name="TESTNET_TOKEN", secret=True
    )
    mainnet: Secret | None = _setting(
        rules.TOKEN, None, "Bearer token whose sessions live on mainnet.", name="MAINNET_TOKEN", secret=True
    )
    testnet_old: Secret | None = _setting(
        rules.TOKEN,
        None,
        "A second testnet token that is still let in, while bots move to the first.",
        name="TESTNET_TOKEN_OLD",
        secret=True,
    )
    mainnet_old: Secret | None = _setting(
        rules.TOKEN,
        None,
        "A second mainnet token that is still let in, while bots move to the first.",
        name="MAINNET_TOKEN_OLD",
        secret=True,
    )
    admin: Secret | None = _setting(
        rules.TOKEN,
        None,
        "Bearer token of the operator: resume, settle, audit of both.",
        name="ADMIN_TOKEN",
        secret=True,
    )
    throwaway: bool = False

    def all(self) -> tuple[Secret | None, ...]:
        """Return every token there is a place for."""
        return (self.testnet, self.testnet_old, self.mainnet, self.mainnet_old, self.admin)


@dataclass(frozen=True, slots=True)
class Listen(Group):
    """Where callers reach the daemon, and who may come."""

    host: str = _setting(rules.ADDRESS, "127.0.0.1", "Address of the WebSocket listener.")
    port: int = _setting(rules.whole(0, 65535), 9000, "Port of the WebSocket listener; 0 takes a free one.")
    http_host: str = _setting(rules.ADDRESS, "127.0.0.1", "Address of the HTTP side listener.")
    http_port: int = _setting(rules.whole(0, 65535), 9001, "Port of the HTTP side listener; 0 takes a free one.")
    allow_non_loopback: bool = _setting(
        rules.SWITCH, False, "Allow listeners beyond this machine; put a TLS proxy in front of them."
    )
    allowed_hosts: tuple[str, ...] = _setting(
        rules.HOST_NAMES, (), "Host headers let in besides this machine's own; guards against DNS rebinding."
    )
    allowed_origins: tuple[str, ...] = _setting(
        rules.ORIGINS, (), "Web origins let in; none by default, and bots send none."
    )
    trusted_proxies: tuple[Network, ...] = _setting(rules.NETWORKS, (), "Proxies whose X-Forwarded-For is believed.")


@dataclass(frozen=True, slots=True)
class State(Group):
    """Where the daemon keeps what must outlive it."""

    state_dir: Path = _setting(
        rules.PATH,
        Path(),
        "Folder of journal, audit and keys, mode 0700. Unset: systemd's, or ~/.local/state/cerberod.",
        default_text="",
    )


@dataclass(frozen=True, slots=True)
class Audit(Group):
    """The record of who asked for what."""

    file: Path | None = _setting(
        rules.PATH,
        None,
        "Audit file. Unset: audit.jsonl in STATE_DIR. Set to empty: off, and mainnet writes are refused.",
        name="AUDIT_LOG_FILE",
        empty_is_a_value=True,
    )
    backup_days: int = _setting(
        rules.whole(1, 36500), 30, "Days for which closed audit files are kept.", name="AUDIT_LOG_BACKUP_DAYS"
    )
    hmac_key: Secret | None = _setting(
        rules.TOKEN,
        None,
        "Key of the audit chain. Unset: made once in STATE_DIR.",
        name="AUDIT_HMAC_KEY",
        secret=True,
    )
    reads: bool = _setting(
        rules.SWITCH, True, "Audit venue reads too, without waiting for the disk.", name="AUDIT_READS"
    )


@dataclass(frozen=True, slots=True)
class Health(Group):
    """What probes are told."""

    ready_fails_on_degraded: bool = _setting(
        rules.SWITCH, False, "Answer 503 on /health/ready unless the status is ready."
    )
    git_sha: str = _setting(
        rules.matching(r"[0-9a-f]{7,64}", "a git commit in hexadecimal"),
        "",
        "Commit that /health reports, for deploys.",
    )


@dataclass(frozen=True, slots=True)
class Logging(Group):
    """What is logged on stderr."""

    PREFIX: ClassVar[str] = "LOG_"

    level: LogLevel = _setting(rules.one_of(LogLevel), LogLevel.INFO, "Least level logged.")
    format: LogFormat | None = _setting(
        rules.one_of(LogFormat), None, "json for machines, text for eyes. Unset: text on a terminal, json elsewhere."
    )


@dataclass(frozen=True, slots=True)
class Limits(Group):
    """How much one caller, and all together, may take. Nothing is unlimited."""

    PREFIX: ClassVar[str] = "LIMIT_"

    request_bytes: int = _setting(rules.whole(1024, 16 * MIB), MIB, "Bytes of one request.")
    numbers_per_call: int = _setting(rules.whole(100, 1_000_000), 50_000, "Numbers in all series of one call.")
    reply_bytes: int = _setting(rules.whole(4096, 64 * MIB), 4 * MIB, "Bytes of one reply.")
    batch_items: int = _setting(rules.whole(1, 1000), 20, "Calls in one batch.")
    handshake_s: float = _setting(rules.seconds(0.1, 60), 5.0, "Seconds for a WebSocket handshake.")
    half_open_per_address: int = _setting(rules.whole(1, 4096), 16, "Unfinished handshakes of one address.")
    failed_auth_pause_ms: int = _setting(
        rules.whole(0, 10_000), 250, "Milliseconds a caller with a wrong token waits for its answer."
    )
    sessions: int = _setting(rules.whole(1, 100_000), 1024, "Open sessions in all.")
    sessions_per_token: int = _setting(rules.whole(1, 100_000), 1024, "Open sessions of one token.")
    in_flight_per_session: int = _setting(
        rules.whole(1, 1024), 16, "Calls of one session that run at once; more wait unread."
    )
    in_flight: int = _setting(rules.whole(1, 16_384), 128, "Calls that run at once in all; more are told busy.")
    in_flight_per_bot: int = _setting(
        rules.whole(1, 16_384), 64, "Calls of one bot that run at once, in all its sessions; more are told busy."
    )
    cost_decay_per_s: int = _setting(rules.whole(1, 1_000_000), 2_000, "Cost that one bot's debt loses each second.")
    cost_soft: int = _setting(
        rules.whole(1, 100_000_000), 20_000, "Debt beyond which a bot's calls are slowed to that pace."
    )
    cost_hard: int = _setting(
        rules.whole(2, 1_000_000_000), 200_000, "Debt beyond which calls are refused and the session is closed."
    )
    cost_error: int = _setting(rules.whole(0, 1_000_000), 10, "Cost of an error of the caller's own making.")
    cost_parse_error: int = _setting(rules.whole(0, 1_000_000), 100, "Cost of a message that is no JSON.")
    cost_wait_ms: int = _setting(
        rules.whole(0, 60_000), 1_000, "Milliseconds a slowed call waits at most; longer, and it is told busy."
    )
    cost_bots: int = _setting(rules.whole(16, 1_000_000), 4_096, "Bots whose debt is remembered after they disconnect.")
    writes_per_account: int = _setting(
        rules.whole(1, 256), 4, "Writes under way for one venue account; as many batches beside them."
    )
    outbox_messages: int = _setting(rules.whole(1, 65_536), 256, "Messages waiting for one slow reader.")
    outbox_bytes: int = _setting(rules.whole(4096, 64 * MIB), MIB, "Bytes waiting for one slow reader.")
    read_deadline_s: float = _setting(rules.seconds(0.1, 120), 10.0, "Seconds for a read.")
    write_deadline_s: float = _setting(rules.seconds(0.1, 120), 15.0, "Seconds for a write.")
    analytics_deadline_s: float = _setting(rules.seconds(0.1, 600), 30.0, "Seconds for an analytic.")
    ping_interval_s: float = _setting(rules.seconds(1, 3600), 20.0, "Seconds between pings of an idle session.")
    ping_timeout_s: float = _setting(rules.seconds(1, 3600), 20.0, "Seconds for a pong before the session is closed.")
    stdio_line_bytes: int = _setting(rules.whole(1024, 16 * MIB), MIB, "Bytes of one line on stdio.")


@dataclass(frozen=True, slots=True)
class Client(Group):
    """How this program, as a client, reaches a running daemon (`cerberod call`, `cerberod stdio` as a bridge)."""

    PREFIX: ClassVar[str] = "CERBEROD_"

    url: str | None = _setting(
        rules.url("wss", "ws"), None, "Address of a running daemon, such as ws://127.0.0.1:9000/."
    )
    token: Secret | None = _setting(rules.TOKEN, None, "Token for that daemon.", secret=True)
    bot_tag: str | None = _setting(
        rules.matching(r"[!-~]([ -~]{0,62}[!-~])?", "1 to 64 printable ASCII characters"),
        None,
        "Name under which calls are made there.",
    )


GROUPS: tuple[type[Group], ...] = (Tokens, Listen, State, Audit, Health, Logging, Limits, Client)
