"""The fault plan in force, and the answers it holds back until their time or until they are released."""

import anyio

from cerberod.simulator.faults import FaultPlan


class Faults:
    """The plan, and the answers that are held back."""

    def __init__(self) -> None:
        self.plan = FaultPlan()
        self.held = 0
        """Answers that wait for their time or for `release`."""
        self._released = anyio.Event()

    def release(self) -> int:
        """Let every held answer go; return how many there were."""
        held = self.held
        self._released.set()
        self._released = anyio.Event()
        return held

    def clear(self) -> None:
        """Lift every rule and let go what is held."""
        self.plan.lift()
        self.release()

    async def hold(self, ms: int | None) -> None:
        """Wait until released, or for so long."""
        released = self._released
        self.held += 1
        try:
            with anyio.move_on_after(None if ms is None else ms / 1000):
                await released.wait()
        finally:
            self.held -= 1
