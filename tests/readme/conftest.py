"""Daemons, commands and simulators as the functional tests have them."""

from tests.functional.conftest import cerberod as cerberod
from tests.functional.conftest import daemon as daemon
from tests.functional.conftest import simulator as simulator
from tests.functional.conftest import simulator_process as simulator_process
from tests.functional.conftest import start_daemon as start_daemon
