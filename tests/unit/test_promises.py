"""The promises and their tests, held against each other. P11.

The marks are read from the source, so that a test that is skipped or was not selected counts as what it is.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.promises import PROMISES

TESTS = Path(__file__).parents[1]


def promised(node: ast.expr) -> list[str]:
    """Return what a decorator or a mark promises; nothing if it is another one."""
    if isinstance(node, ast.List):
        return [each for element in node.elts for each in promised(element)]
    if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.promise"):
        return []
    return [ast.literal_eval(argument) for argument in node.args]


def marks_in(source: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each test function of a module with the promises that it or its module is marked with."""
    module = ast.parse(source)
    of_all = [
        each
        for node in module.body
        if isinstance(node, ast.Assign) and any(ast.unparse(target) == "pytestmark" for target in node.targets)
        for each in promised(node.value)
    ]
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            own = [each for decorator in node.decorator_list for each in promised(decorator)]
            yield node.name, own + of_all


def marked(folder: Path = TESTS) -> Iterator[tuple[str, list[str]]]:
    for path in sorted(folder.rglob("test_*.py")):
        for name, promises in marks_in(path.read_text("utf-8")):
            yield f"{path.relative_to(TESTS)}::{name}", promises


@pytest.mark.promise("P11")
def test_every_promise_has_a_test() -> None:
    kept = {promise for _, promises in marked() for promise in promises}
    assert PROMISES.keys() - kept == set()


@pytest.mark.promise("P11")
def test_every_mark_names_a_promise() -> None:
    assert [name for name, promises in marked() if set(promises) - PROMISES.keys()] == []


@pytest.mark.promise("P11")
def test_every_test_of_a_fault_is_a_test_of_a_promise() -> None:
    assert [name for name, promises in marked(TESTS / "faults") if not promises] == []


def test_promises_are_numbered_and_say_what_is_required() -> None:
    assert list(PROMISES) == [f"P{number}" for number in range(1, len(PROMISES) + 1)]
    for promise in PROMISES.values():
        assert promise.says.endswith(".")
        assert promise.figure
        assert promise.required
        assert all(part.what and part.reason for part in promise.deferred)


def test_marks_are_found_wherever_they_may_stand() -> None:
    source = """
import pytest
pytestmark = [pytest.mark.recorded, pytest.mark.promise("P1")]

@pytest.mark.parametrize("n", [1])
@pytest.mark.promise("P2", "P3")
async def test_one(n): ...

class TestMore:
    def test_two(self): ...

def helper(): ...
"""
    assert dict(marks_in(source)) == {"test_one": ["P2", "P3", "P1"], "test_two": ["P1"]}
