import resource
from collections.abc import Iterator

import pytest

from cerberod.transport.rlimits import RESERVED, fitting, sessions_within


@pytest.fixture
def limits() -> Iterator[tuple[int, int]]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(
    ("descriptors", "wanted", "sessions"),
    [(8192, 1024, 1024), (1024, 1024, 320), (RESERVED + 2, 1024, 1), (64, 1024, 1), (RESERVED + 2 * 7, 7, 7)],
)
def test_some_descriptors_are_always_left(descriptors: int, wanted: int, sessions: int) -> None:
    assert fitting(descriptors, wanted) == sessions


def test_the_limit_is_raised_as_far_as_it_takes_and_no_further(limits: tuple[int, int]) -> None:
    hard = limits[1]
    if hard != resource.RLIM_INFINITY and hard < RESERVED + 100:
        pytest.skip("this machine allows too few descriptors to see it")
    resource.setrlimit(resource.RLIMIT_NOFILE, (RESERVED + 20, hard))
    assert sessions_within(5) == 5
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (RESERVED + 20, hard)
    assert sessions_within(50) == 50
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (RESERVED + 100, hard)
