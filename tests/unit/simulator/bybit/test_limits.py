"""Rate limits: a rolling second for each endpoint and category, five seconds for an address."""

from cerberod.simulator.bybit.limits import Limits, size_of

CREATE, BATCH = "/v5/order/create", "/v5/order/create-batch"


def test_published_sizes() -> None:
    assert [size_of(CREATE, c) for c in ("linear", "inverse", "option", "spot")] == [10, 10, 10, 20]
    assert size_of("/v5/order/cancel-all", "option") == 1
    assert size_of("/v5/order/realtime", "spot") == 50
    assert size_of("/v5/account/fee-rate", "linear") == 5


def test_a_unit_comes_back_a_second_after_it_was_spent() -> None:
    limits = Limits()
    assert [limits.spend(CREATE, "linear", 1, n / 10)[0] for n in range(11)] == [1] * 11  # the first is back at 1.0
    given, standing = limits.spend(CREATE, "linear", 1, 1.05)
    assert (given, standing.left, standing.limited) == (0, 0, True)
    assert limits.spend(CREATE, "linear", 1, 1.1)[0] == 1


def test_linear_and_inverse_share_a_bucket_and_spot_has_its_own() -> None:
    limits = Limits()
    assert limits.spend(CREATE, "linear", 10, 0.0)[0] == 10
    assert limits.spend(CREATE, "inverse", 1, 0.0)[0] == 0
    assert limits.spend(CREATE, "spot", 1, 0.0)[0] == 1
    assert limits.spend(BATCH, "linear", 4, 0.0)[0] == 4


def test_a_batch_gets_what_is_left() -> None:
    limits = Limits()
    limits.spend(BATCH, "linear", 7, 0.0)
    given, standing = limits.spend(BATCH, "linear", 5, 0.5)
    assert (given, standing.limited, standing.left) == (3, True, 0)
    assert standing.headers(1_000)["X-Bapi-Limit-Reset-Timestamp"] == "2000"


def test_an_address_is_shut_out_for_ten_minutes() -> None:
    limits = Limits()
    assert all(limits.admits("a", 0.0) for _ in range(600))
    assert not limits.admits("a", 4.9)
    assert limits.admits("b", 4.9)
    assert not limits.admits("a", 604.8)
    assert limits.admits("a", 605.0)


def test_slow_askers_are_never_shut_out() -> None:
    limits = Limits()
    assert all(limits.admits("a", n * 0.00834) for n in range(5_000))


def test_addresses_are_remembered_within_a_bound() -> None:
    limits = Limits()
    for n in range(1_000):
        limits.admits(f"a{n}", 0.0)
    assert len(limits._requests) <= 256
