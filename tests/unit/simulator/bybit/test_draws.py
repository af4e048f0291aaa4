"""Single draws are the numbers of the arrays."""

import numpy as np
import pytest

from cerberod.simulator import noise
from cerberod.simulator.bybit import draws

KEYS = [0, 1, 2**63 + 12345, noise.key_of("bybit", "BTCUSDT")]


@pytest.mark.parametrize("key", KEYS)
def test_uniform(key: int) -> None:
    indexes = [0, 1, 7, 59_845_566, 2**40]
    expected = noise.uniform(key, np.array(indexes, dtype=np.int64))
    assert [draws.uniform(key, index) for index in indexes] == expected.tolist()


@pytest.mark.parametrize("key", KEYS)
def test_smooth(key: int) -> None:
    wobble = noise.SmoothNoise(key, 14_400_000)
    for time_ms in (0, 14_399_999, 1_787_370_645_123):
        assert draws.smooth(key, 14_400_000, time_ms) == pytest.approx(float(wobble.at(np.array([time_ms]))[0]))


def test_exponential_has_mean_one() -> None:
    found = [draws.exponential(5, n) for n in range(4_000)]
    assert min(found) > 0
    assert sum(found) / len(found) == pytest.approx(1.0, abs=0.05)
