from cerberod.errors import Code, RpcError
from cerberod.rpc.envelope import Malformed, Request, encode_error
from cerberod.rpc.library import answer_by_library


class Runs:
    """Counts what the library hands back to be run."""

    def __init__(self, answer: bytes | None) -> None:
        self.answer = answer
        self.requests: list[Request] = []

    async def __call__(self, request: Request) -> bytes | None:
        self.requests.append(request)
        return self.answer


async def test_a_request_is_run_once_and_its_answer_passed_on() -> None:
    runs = Runs(b"answer")
    request = Request("any.name", {"self": 1, "context": 2, "params": 3}, "x")
    assert await answer_by_library(request, runs) == b"answer"
    assert runs.requests == [request]


async def test_a_notification_is_run_once_and_not_answered() -> None:
    runs = Runs(None)
    assert await answer_by_library(Request("any.name", {}, None), runs) is None
    assert len(runs.requests) == 1


async def test_a_malformed_message_is_answered_in_our_words_and_not_run() -> None:
    runs = Runs(b"never")
    malformed = Malformed(RpcError(Code.INVALID_REQUEST, rule="x"), 5)
    assert await answer_by_library(malformed, runs) == encode_error(5, malformed.error)
    assert runs.requests == []
