"""Reads tokens and the log level again while the daemon runs, when SIGHUP asks for it: all of it or nothing.

Everything else that changed is named and waits for a restart. A reading that cannot be used changes nothing. Both are
audited. Sessions end only when the token that they were opened with is no longer there.
"""

import logging
from collections.abc import Callable
from dataclasses import replace

import anyio

from cerberod.audit.record import AuditEvent, EventKind
from cerberod.ids import Environment
from cerberod.logs import LogSink, set_level
from cerberod.settings import Settings, SettingsError, Sources
from cerberod.settings.declared import Logging, Tokens
from cerberod.trading.recording import NotRecordable, Recorder
from cerberod.transport.auth import Authenticator
from cerberod.transport.websocket import WebSocketListener

log = logging.getLogger("cerberod")

ENDING_S = 2.0
"""How long the sessions of a withdrawn token have to finish what runs."""
_AT_ONCE = frozenset(setting.name for kind in (Tokens, Logging) for _, setting in kind.declared()) - {"LOG_FORMAT"}


class Reloading:
    """Applies another reading of the settings to a running daemon."""

    def __init__(
        self,
        settings: Settings,
        sources: Sources,
        authenticator: Authenticator,
        digests: Callable[[Settings], dict[str, tuple[bytes, ...]]],
        websocket: WebSocketListener,
        recorder: Recorder,
        sink: LogSink,
    ) -> None:
        self._settings = settings
        self._sources = sources
        self._authenticator = authenticator
        self._digests = digests
        self._websocket = websocket
        self._recorder = recorder
        self._sink = sink
        self._asked = anyio.Event()

    def ask(self) -> None:
        """Have the settings read again, soon; asking twice before that is asking once."""
        self._asked.set()

    async def run(self) -> None:
        """Reload whenever it is asked for, until cancelled."""
        while True:
            await self._asked.wait()
            self._asked = anyio.Event()
            await self._reload()

    async def _reload(self) -> None:
        try:
            found = await anyio.to_thread.run_sync(self._sources.load)
        except SettingsError as error:
            await self._refuse([str(problem) for problem in error.problems])
            return
        if found.tokens.throwaway:  # made up at each reading; the one that was told to the user stays
            found = replace(found, tokens=self._settings.tokens)
        if new := found.environments() - self._settings.environments():
            await self._refuse([f"{_token_of(each)}: opens an environment, which takes a restart" for each in new])
            return
        changed = self._settings.changed(found)
        applied = [name for name in changed if name in _AT_ONCE]
        waiting = [name for name in changed if name not in _AT_ONCE]
        # Known as secret before anything can show it.
        self._sink.redactor.learn(found.secrets())
        self._settings = replace(
            self._settings, tokens=found.tokens, log=replace(found.log, format=self._settings.log.format)
        )
        self._authenticator.replace(self._digests(self._settings))
        set_level(self._settings.log.level)
        ended = await self._websocket.close_withdrawn(grace_s=ENDING_S)
        log.info("reloaded", extra={"event": "reloaded", "changed": applied, "sessions_ended": ended})
        if waiting:
            log.warning("changed settings wait for a restart", extra={"event": "reload_waits", "settings": waiting})
        await self._audit({"applied": True, "changed": applied, "waiting": waiting, "sessions_ended": ended})

    async def _refuse(self, problems: list[str]) -> None:
        log.error("reload refused, nothing changed", extra={"event": "reload_refused", "problems": problems})
        await self._audit({"applied": False, "problems": problems})

    async def _audit(self, detail: dict[str, object]) -> None:
        try:
            await self._recorder.note(AuditEvent(EventKind.RELOAD, detail=detail))
        except NotRecordable:
            log.error("the reload could not be recorded")


def _token_of(environment: Environment) -> str:
    return f"{environment.value.upper()}_TOKEN"
