"""How a call reads in the audit; and the audit of what the write path does not record itself.

That is reads, writes refused before they came to the path, and what a write has made for itself before it is sent.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from cerberod.audit.record import AuditEvent, EventKind
from cerberod.errors import Code, RpcError
from cerberod.logs import Redactor
from cerberod.rpc.call import Call, Principal
from cerberod.rpc.dispatch import Finished
from cerberod.rpc.registry import Effect
from cerberod.trading.recording import NotRecordable, Recorder
from cerberod.trading.writes import WriteParams

UNAUDITED_NAMESPACES = frozenset({"session", "rpc"})
MAX_AUDITED_PARAMS = 16_384


class Auditor:
    """Audits the calls that the write path does not: reads, and writes refused before they came to it."""

    def __init__(self, recorder: Recorder, redactor: Redactor, *, reads: bool) -> None:
        self._recorder = recorder
        self._redactor = redactor
        self._reads = reads

    def __call__(self, finished: Finished) -> None:
        method = finished.method
        if method is None or finished.call.recorded or method.namespace in UNAUDITED_NAMESPACES:
            return
        is_read = method.effect is Effect.READ
        if is_read and not self._reads:
            return
        params: Mapping[str, Any] = finished.params
        encoded = orjson.dumps(params)
        if len(encoded) > MAX_AUDITED_PARAMS:
            params = {"omitted": f"over {MAX_AUDITED_PARAMS} bytes"}
        elif self._redactor.holds_secret(encoded):
            params = {"omitted": "held a secret"}
        kind = EventKind.READ if is_read else EventKind.REFUSED
        self._recorder.note_later(audit_event(finished.call, kind, params, code=finished.code))


async def record_step(recorder: Recorder, call: Call, params: WriteParams, step: str, wire: Mapping[str, Any]) -> None:
    """Make the record durable of a request that prepares a write and goes out next.

    Only for what may be sent any number of times and moves nothing: it has no intent of its own and no outcome to be
    found. How it went on is told by the records of the write. Raises `RpcError` where there can be no record.
    """
    asked = params.model_dump(mode="json", exclude={"intent"})
    detail = {"step": step, "wire": dict(wire)}
    try:
        await recorder.step(audit_event(call, EventKind.REQUEST, asked, intent=params.intent, detail=detail))
    except NotRecordable as refusal:
        raise RpcError(Code.NOT_RECORDABLE, reason=refusal.reason) from None


def audit_event(
    call: Call,
    kind: EventKind,
    params: Mapping[str, Any] | None,
    *,
    intent: str | None = None,
    outcome: str | None = None,
    code: int | None = None,
    detail: Mapping[str, Any] | None = None,
) -> AuditEvent:
    """Describe one call for the audit."""
    principal: Principal = call.principal
    return AuditEvent(
        kind=kind,
        environment=principal.environment.value,
        actor=principal.actor,
        bot_tag=principal.bot_tag,
        session_id=principal.session_id,
        request_id=call.request_id,
        transport=principal.transport,
        client_ip=principal.client_ip,
        method=call.method,
        intent=intent,
        params=None if params is None else dict(params),
        outcome=outcome,
        code=code,
        detail=None if detail is None else dict(detail),
    )
