"""All of the configuration, read once, checked whole, frozen.

Every problem is told at once, by name and rule, never with the value. Nobody else reads the environment: what a part of
the daemon needs, it is given from here.
"""

import os
import secrets
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from cerberod.ids import Environment
from cerberod.settings import rules
from cerberod.settings.declared import (
    GROUPS,
    Audit,
    Client,
    Group,
    Health,
    Limits,
    Listen,
    Logging,
    Setting,
    State,
    Tokens,
)
from cerberod.settings.rules import BrokenRule
from cerberod.settings.secret import MASK, Secret
from cerberod.settings.sources import Gathered, Origin, Problem, forget, gather
from cerberod.settings.upstreams import UPSTREAMS, Kind, UpstreamSettings, check_keys, resolve

G = TypeVar("G", bound=Group)

_OWN_PREFIXES = tuple(
    sorted(
        {"CERBEROD_", "LIMIT_", "AUDIT_LOG_", "TESTNET_TOKEN", "MAINNET_TOKEN", "ADMIN_TOKEN"}
        | {f"{upstream.name.upper()}_" for upstream in UPSTREAMS}
    )
)
_HMAC_KEY = "AUDIT_HMAC_KEY"
_TOKENS = ("TESTNET_TOKEN", "TESTNET_TOKEN_OLD", "MAINNET_TOKEN", "MAINNET_TOKEN_OLD", "ADMIN_TOKEN")


class SettingsError(Exception):
    """The configuration cannot be used; `problems` says why, all of it, without values."""

    def __init__(self, problems: list[Problem], warnings: tuple[str, ...] = ()) -> None:
        self.problems = problems
        self.warnings = warnings
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n  ".join([f"{count} with the settings:", *map(str, problems)]))


@dataclass(frozen=True, slots=True)
class Systemd:
    """What the service manager said: where to report, and how often it wants to hear from us."""

    notify_socket: str | None = None
    watchdog_s: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of `cerberod check`. Secrets are masked in it."""

    group: str
    name: str
    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the daemon was told."""

    simulated: bool
    tokens: Tokens
    listen: Listen
    state_dir: Path
    audit: Audit
    health: Health
    log: Logging
    limits: Limits
    client: Client
    systemd: Systemd
    upstreams: Mapping[tuple[str, Environment], UpstreamSettings]
    origins: Mapping[str, Origin]
    warnings: tuple[str, ...] = ()

    def venue(self, name: str, environment: Environment) -> UpstreamSettings:
        """Return where a venue is and the keys for it; a name that is not declared is a bug."""
        return self.upstreams[name, environment]

    def provider(self, name: str, environment: Environment) -> UpstreamSettings:
        """Return where a data provider is and the key for it."""
        return self.upstreams[name, environment]

    def with_upstreams(self, *found: UpstreamSettings) -> "Settings":
        """Return these settings with other addresses and keys, such as those of a simulator started meanwhile."""
        merged = {**self.upstreams, **{(each.name, each.environment): each for each in found}}
        return replace(self, upstreams=merged)

    def environments(self) -> frozenset[Environment]:
        """Return the environments that a session can be in: those with a token."""
        pairs = ((Environment.TESTNET, self.tokens.testnet), (Environment.MAINNET, self.tokens.mainnet))
        return frozenset(environment for environment, token in pairs if token is not None)

    def secrets(self) -> tuple[Secret, ...]:
        """Return every secret value, for whoever has to keep them out of sight."""
        found = [*self.tokens.all(), self.audit.hmac_key, self.client.token]
        for upstream in UPSTREAMS:
            hidden = [key.field for key in upstream.keys if not key.public]
            for environment in Environment:
                credentials = self.upstreams[upstream.name, environment].credentials or {}
                found += [credentials[name] for name in hidden if name in credentials]
        return tuple(dict.fromkeys(each for each in found if each is not None))

    def describe(self) -> list[Row]:
        """Return what is set, from where, and which name feeds which environment."""
        rows = []
        for kind, group in zip(GROUPS, self._groups(), strict=True):
            for attribute, setting in kind.declared():
                value = _of(group, attribute)
                origin = self.origins.get(setting.name, Origin.DEFAULT)
                rows.append(Row(kind.__name__.lower(), setting.name, _shown(value), origin))
        for upstream in UPSTREAMS:
            for environment in Environment:
                rows += self._describe_upstream(self.upstreams[upstream.name, environment])
        return rows

    def changed(self, other: "Settings") -> list[str]:
        """Return the names of what another reading says differently; of a venue or provider, its name."""
        names = []
        for kind, mine, theirs in zip(GROUPS, self._groups(), other._groups(), strict=True):
            names += [
                setting.name for attribute, setting in kind.declared() if _of(mine, attribute) != _of(theirs, attribute)
            ]
        for key, upstream in self.upstreams.items():
            if upstream != other.upstreams[key]:
                names.append(f"{upstream.name} {upstream.environment}")
        return names

    def _groups(self) -> tuple[Group | Path, ...]:
        # In the order of GROUPS; the group of the state directory is the directory itself.
        return (
            self.tokens,
            self.listen,
            self.state_dir,
            self.audit,
            self.health,
            self.log,
            self.limits,
            self.client,
        )

    def _describe_upstream(self, upstream: UpstreamSettings) -> list[Row]:
        group = f"{upstream.name} {upstream.environment}"
        values: dict[str, object] = {"url": upstream.url}
        if upstream.data_url is not None:
            values["data_url"] = upstream.data_url
        rows = [Row(group, name, _shown(value), self._fed_by(upstream, name)) for name, value in values.items()]
        if upstream.credentials is None:
            return [*rows, Row(group, "keys", "none", "public methods only" if upstream.kind is Kind.VENUE else "off")]
        return rows + [Row(group, name, MASK, self._fed_by(upstream, name)) for name in upstream.credentials]

    def _fed_by(self, upstream: UpstreamSettings, name: str) -> str:
        source = upstream.sources.get(name)
        return Origin.DEFAULT if source is None else f"{source} ({self.origins[source]})"


def new_token() -> str:
    """Make a bearer token that passes the rules."""
    return secrets.token_urlsafe(32)


def all_settings() -> list[tuple[str, str, list[Setting]]]:
    """Return every declaration: heading, explanation, settings; in the order users should meet them."""
    found = [(kind.__name__, (kind.__doc__ or "").strip(), [each for _, each in kind.declared()]) for kind in GROUPS]
    for upstream in UPSTREAMS:
        shared = "may be the same" if upstream.shares_keys else "are never the same"
        text = f"A {upstream.kind}. Keys of testnet and mainnet {shared}; without keys public methods still work."
        if upstream.kind is Kind.PROVIDER:
            text = "A data provider. Without its key it is not used."
        found.append((upstream.title, text, list(upstream.settings())))
    return found


class Sources:
    """Where the daemon's configuration comes from, kept so that it can be read again while the daemon runs.

    Secrets leave the environment when this is made, so that no child process inherits them; what the environment said
    cannot change in a running process and is remembered. Credentials and the file are read anew each time.
    """

    def __init__(
        self,
        environ: MutableMapping[str, str] | None = None,
        env_file: Path | None = Path(".env"),
        *,
        sim: bool = False,
        needs_token: bool = True,
        admits: bool = True,
    ) -> None:
        """Remember what the environment says.

        With `sim`, addresses and keys of venues and the place of the audit file are not read: nothing real is touched
        by a simulation. Without `needs_token` the daemon may start for one caller who needs none (stdio). A program
        that `admits` nobody, because it only reads what a daemon left, has no use for tokens.
        """
        source = os.environ if environ is None else environ  # noqa: TID251 - the one place
        self._declared = {each.name: each for _, _, group in all_settings() for each in group}
        self._environ = dict(source)
        self._env_file = env_file
        self._sim, self._needs_token, self._admits = sim, needs_token, admits
        forget(source, lambda name: name == "NOTIFY_SOCKET" or self._secret(name))

    def load(self) -> Settings:
        """Read, check and freeze the configuration. Raises SettingsError."""
        gathered = gather(
            self._environ,
            self._env_file,
            known={name: each.empty_is_a_value for name, each in self._declared.items()},
            secret=self._secret,
            own=lambda name: name.startswith(_OWN_PREFIXES),
        )
        ambient = {name: self._environ.get(name, "") for name in _AMBIENT}
        return _Loading(gathered, ambient, self._sim).run(needs_token=self._needs_token, admits=self._admits)

    def _secret(self, name: str) -> bool:
        return name in self._declared and self._declared[name].secret


def load_settings(
    environ: MutableMapping[str, str] | None = None,
    env_file: Path | None = Path(".env"),
    *,
    sim: bool = False,
    needs_token: bool = True,
    admits: bool = True,
) -> Settings:
    """Read the configuration once, as `Sources` describes. Raises SettingsError."""
    return Sources(environ, env_file, sim=sim, needs_token=needs_token, admits=admits).load()


_AMBIENT = ("STATE_DIRECTORY", "XDG_STATE_HOME", "HOME", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


def load_client(environ: MutableMapping[str, str] | None = None, env_file: Path | None = Path(".env")) -> Client:
    """Read only what a client of a running daemon needs; problems of the daemon's own settings do not matter to it."""
    source = os.environ if environ is None else environ  # noqa: TID251 - the one place
    declared = {each.name: each for _, each in Client.declared()}
    every = {each.name for _, _, group in all_settings() for each in group}
    gathered = gather(
        source,
        env_file,
        known=dict.fromkeys(every, False),
        secret=lambda name: name in declared and declared[name].secret,
        own=lambda name: name.startswith(Client.PREFIX),
    )
    forget(source, lambda name: name in declared and declared[name].secret)
    loading = _Loading(gathered, {}, sim=False)
    loading.problems = [each for each in gathered.problems if each.name in declared]
    client = loading.read(Client)
    if loading.problems:
        raise SettingsError(loading.problems)
    return client


@dataclass(slots=True)
class _Loading:
    """One pass over what was gathered."""

    gathered: Gathered
    ambient: Mapping[str, str]
    sim: bool
    problems: list[Problem] = field(init=False)
    warnings: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.problems = list(self.gathered.problems)
        self.warnings = list(self.gathered.warnings)

    def run(self, *, needs_token: bool, admits: bool) -> Settings:
        if self.sim:
            self._set_real_things_aside()
        tokens = self._tokens(needs_token=needs_token) if admits else Tokens()
        listen = self._listen()
        state_dir = self._state_dir()
        audit = self._audit(state_dir)
        health, log, limits, client = self.read(Health), self.read(Logging), self._limits(), self.read(Client)
        if admits:
            self._tell_equal_secrets()
        upstreams = self._upstreams()
        self._warn_about_plain_keys(upstreams, tokens)
        systemd = self._systemd()
        if self.problems:
            raise SettingsError(self.problems, tuple(self.warnings))
        origins = {name: each.origin for name, each in self.gathered.given.items()}
        return Settings(
            self.sim,
            tokens,
            listen,
            state_dir,
            audit,
            health,
            log,
            limits,
            client,
            systemd,
            upstreams,
            origins,
            tuple(self.warnings),
        )

    def read(self, kind: type[G]) -> G:
        values: dict[str, Any] = {}
        for attribute, setting in kind.declared():
            given = self.gathered.given.get(setting.name)
            if given is None:
                continue
            if not given.text and setting.empty_is_a_value:
                values[attribute] = None
                continue
            try:
                values[attribute] = setting.rule.read(given.text)
            except BrokenRule as broken:
                self._problem(setting.name, f"must be {str(broken) or setting.rule.says}")
        return kind(**values)

    def _problem(self, name: str, rule: str) -> None:
        self.problems.append(Problem(name, rule))

    def _set_real_things_aside(self) -> None:
        given = self.gathered.given
        for upstream in UPSTREAMS:
            for setting in upstream.settings():
                given.pop(setting.name, None)
        audit_file = given.get("AUDIT_LOG_FILE")
        if audit_file is not None and audit_file.text:
            del given["AUDIT_LOG_FILE"]
            self.warnings.append("AUDIT_LOG_FILE: not used in a simulation, whose audit stays in STATE_DIR/sim")
        given.pop(_HMAC_KEY, None)

    def _tokens(self, *, needs_token: bool) -> Tokens:
        tokens = self.read(Tokens)
        given = self.gathered.given
        if self.sim:
            for name in ("MAINNET_TOKEN", "MAINNET_TOKEN_OLD"):
                if name in given:
                    self._problem(name, "must not be given to a simulation (--sim)")
            if "TESTNET_TOKEN" not in given:
                tokens = replace(tokens, testnet=Secret(new_token()), throwaway=True)
        lonely = [name for name in ("TESTNET_TOKEN", "MAINNET_TOKEN") if name + "_OLD" in given and name not in given]
        for name in lonely:
            self._problem(name, f"must be given with {name}_OLD")
        tokenless = "TESTNET_TOKEN" not in given and "MAINNET_TOKEN" not in given
        if tokenless and needs_token and not (self.sim or lonely):
            self._problem("TESTNET_TOKEN", "must be given, or MAINNET_TOKEN (cerberod token new makes one)")
        return tokens

    def _listen(self) -> Listen:
        listen = self.read(Listen)
        if listen.port and listen.port == listen.http_port:
            self._problem("HTTP_PORT", "must differ from PORT")
        for name, address in (("HOST", listen.host), ("HTTP_HOST", listen.http_host)):
            if not rules.is_loopback(address) and not listen.allow_non_loopback:
                self._problem(name, "must be an address of this machine alone, unless ALLOW_NON_LOOPBACK=true")
        if not rules.is_loopback(listen.host) and not listen.allowed_hosts:
            self.warnings.append("ALLOWED_HOSTS: empty, so that callers from other machines are refused")
        return listen

    def _state_dir(self) -> Path:
        state_dir = self.read(State).state_dir
        if state_dir == Path():
            state_dir = self._default_state_dir()
        return state_dir / "sim" if self.sim else state_dir

    def _default_state_dir(self) -> Path:
        # systemd separates several directories by colons; the first is ours.
        service = self.ambient["STATE_DIRECTORY"].partition(":")[0]
        home = self.ambient["HOME"]
        choices = (
            (service, Path(service)),
            (self.ambient["XDG_STATE_HOME"], Path(self.ambient["XDG_STATE_HOME"]) / "cerberod"),
            (home, Path(home) / ".local" / "state" / "cerberod"),
        )
        for text, path in choices:
            # The XDG rules say that a relative path is to be ignored.
            if text and path.is_absolute():
                return path
        if not any(each.name == "STATE_DIR" for each in self.problems):
            self._problem("STATE_DIR", "must be given where neither STATE_DIRECTORY, XDG_STATE_HOME nor HOME is set")
        return Path("/nonexistent")

    def _audit(self, state_dir: Path) -> Audit:
        audit = self.read(Audit)
        if "AUDIT_LOG_FILE" not in self.gathered.given:
            audit = replace(audit, file=state_dir / "audit.jsonl")
        return audit

    def _limits(self) -> Limits:
        limits = self.read(Limits)
        if limits.cost_hard <= limits.cost_soft:
            self._problem("LIMIT_COST_HARD", "must be above LIMIT_COST_SOFT")
        return limits

    def _tell_equal_secrets(self) -> None:
        seen: dict[str, str] = {}
        for name in (*_TOKENS, _HMAC_KEY):
            given = self.gathered.given.get(name)
            if given is None:
                continue
            if given.text in seen:
                self._problem(name, f"must differ from {seen[given.text]}")
            seen.setdefault(given.text, name)

    def _upstreams(self) -> dict[tuple[str, Environment], UpstreamSettings]:
        texts = {name: given.text for name, given in self.gathered.given.items()}
        for upstream in UPSTREAMS:
            check_keys(upstream, texts, self._problem)
        return {
            (upstream.name, environment): resolve(upstream, environment, texts, self._problem_once)
            for upstream in UPSTREAMS
            for environment in Environment
        }

    def _problem_once(self, name: str, rule: str) -> None:
        # Half a pair of plain keys is missed in both environments.
        problem = Problem(name, rule)
        if problem not in self.problems:
            self.problems.append(problem)

    def _warn_about_plain_keys(
        self, upstreams: Mapping[tuple[str, Environment], UpstreamSettings], tokens: Tokens
    ) -> None:
        if (tokens.testnet is None) != (tokens.mainnet is None):
            return  # Only one environment is in use, so that the key is used in one only.
        for upstream in UPSTREAMS:
            if upstream.shares_keys:
                continue
            testnet, mainnet = (upstreams[upstream.name, environment].sources for environment in Environment)
            for key in upstream.keys:
                if testnet.get(key.field) == mainnet.get(key.field) == key.name:
                    self.warnings.append(
                        f"{key.name}: feeds testnet and mainnet, but {upstream.title} never shares keys between them; "
                        f"name it {key.name}_TESTNET or {key.name}_LIVE"
                    )

    def _systemd(self) -> Systemd:
        micro, process = self.ambient["WATCHDOG_USEC"], self.ambient["WATCHDOG_PID"]
        watched = micro.isdigit() and int(micro) > 0 and process in ("", str(os.getpid()))
        return Systemd(self.ambient["NOTIFY_SOCKET"] or None, int(micro) / 1e6 if watched else None)


def _of(group: Group | Path, attribute: str) -> object:
    return group if isinstance(group, Path) else getattr(group, attribute)


def _shown(value: object) -> str:
    match value:
        case None | "":
            return "not set"
        case bool():
            return str(value).lower()
        case tuple():
            return ", ".join(map(str, value)) or "none"
        case float():
            return f"{value:g}"
        case _:
            return str(value)
