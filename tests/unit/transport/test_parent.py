import anyio
import pytest

from cerberod.transport import parent
from cerberod.transport.parent import parent_gone


async def test_returns_once_the_parent_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parent, "POLL_S", 0.0)
    ids = iter([7, 7, 7, 1])
    await parent_gone(lambda: next(ids))
    assert next(ids, None) is None


async def test_waits_as_long_as_the_parent_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parent, "POLL_S", 0.001)
    with anyio.move_on_after(0.05) as scope:
        await parent_gone(lambda: 7)
    assert scope.cancelled_caught
