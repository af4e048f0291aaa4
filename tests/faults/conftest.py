"""One daemon and one simulator for all bad days of a file."""

from collections.abc import Iterator

import pytest

from tests.faults.desk import Desk, opened


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """The same as elsewhere, for fixtures that live as long as a file."""
    return "asyncio"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with opened(tmp_path_factory.mktemp("matrix")) as desk:
        yield desk
