import pytest

from cerberod.ids import Environment
from cerberod.rpc.call import Call, Services
from tests.support.small import Bench, principal


def test_a_handler_finds_services_of_its_own_environment_by_type() -> None:
    bench = Bench()
    call = Call("r-1", "test.x", principal(), Services(Environment.TESTNET, [bench, "text"]))
    assert call.use(Bench) is bench
    assert call.use(str) == "text"


def test_an_unknown_service_is_a_wiring_error() -> None:
    with pytest.raises(KeyError):
        Services(Environment.TESTNET, []).get(Bench)
