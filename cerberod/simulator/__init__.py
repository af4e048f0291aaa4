"""Small real servers on loopback that speak the venues' own protocols, driven by one market model.

`run_simulator` is the whole interface. The simulator imports nothing of the daemon but `clock` and `analytics`, so
that it cannot agree with a bug of the client. Importing this package is cheap; running it is not.
"""

from cerberod.simulator.config import ChainFileError, SimulatorConfig
from cerberod.simulator.running import Simulator, run_simulator

__all__ = ["ChainFileError", "Simulator", "SimulatorConfig", "run_simulator"]
