"""The audit of what the write path does not record itself: reads, and writes refused before they came to it."""

from collections.abc import Mapping
from typing import Any

import orjson

from cerberod.audit.record import EventKind
from cerberod.rpc.dispatch import Finished
from cerberod.rpc.registry import Effect
from cerberod.trading.placing import audit_event
from cerberod.trading.recording import Recorder

UNAUDITED_NAMESPACES = frozenset({"session", "rpc"})
MAX_AUDITED_PARAMS = 16_384


class Auditor:
    """Audits the calls that the write path does not: reads, and writes refused before they came to it."""

    def __init__(self, recorder: Recorder, *, reads: bool) -> None:
        self._recorder = recorder
        self._reads = reads

    def __call__(self, finished: Finished) -> None:
        method = finished.method
        if method is None or finished.call.recorded or method.namespace in UNAUDITED_NAMESPACES:
            return
        is_read = method.effect is Effect.READ
        if is_read and not self._reads:
            return
        params: Mapping[str, Any] = finished.params
        if len(orjson.dumps(params)) > MAX_AUDITED_PARAMS:
            params = {"omitted": f"over {MAX_AUDITED_PARAMS} bytes"}
        kind = EventKind.READ if is_read else EventKind.REFUSED
        self._recorder.note_later(audit_event(finished.call, kind, params, code=finished.code))
