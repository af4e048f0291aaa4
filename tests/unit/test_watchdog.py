"""When the service manager hears from us, and when it does not."""

import anyio

from cerberod.watchdog import PINGS, Watchdog
from tests.support.clock import ManualClock


class Manager:
    def __init__(self) -> None:
        self.heard = 0
        self.record_age_s = 0.0
        self.watchdog = Watchdog(30.0, lambda: self.record_age_s, self._hear)

    def _hear(self, state: bytes) -> None:
        assert state == b"WATCHDOG=1"
        self.heard += 1


def test_three_signs_of_life_fit_into_the_managers_patience() -> None:
    assert Manager().watchdog.every_s == 10.0


def test_a_late_loop_or_a_hanging_record_gives_no_sign_until_it_is_over() -> None:
    manager = Manager()
    manager.watchdog.look(late_s=9.9)
    assert (manager.heard, manager.watchdog.objection) == (1, None)
    manager.watchdog.look(late_s=10.1)
    assert (manager.heard, manager.watchdog.objection) == (1, "the event loop is late")
    manager.record_age_s = 10.1
    manager.watchdog.look(late_s=0.0)
    assert (manager.heard, manager.watchdog.objection) == (1, "recording makes no progress")
    manager.record_age_s = 0.0
    manager.watchdog.look(late_s=0.0)
    assert (manager.heard, manager.watchdog.objection) == (2, None)


async def test_standing_still_between_a_sign_of_life_and_the_next_wait_is_noticed() -> None:
    clock, heard = ManualClock(), 0

    def pause(_: bytes) -> None:
        nonlocal heard
        heard += 1
        clock.advance(seconds=60)

    watchdog = Watchdog(PINGS * 0.001, lambda: 0.0, pause)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watchdog.run, clock)
        while watchdog.objection is None:
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert (heard, watchdog.objection) == (1, "the event loop is late")
