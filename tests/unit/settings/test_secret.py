"""A secret shows itself only when asked by name. faults.md 91."""

import copy
import pickle

import pytest

from cerberod.settings.secret import Secret

CANARY = "canary-kZ3vQ9xT1mW7pL5s"


def test_never_shown() -> None:
    secret = Secret(CANARY)
    shown = f"{secret} {secret!r} {secret!s} %s {{}}" % secret + repr([secret]) + repr({"key": secret})
    assert CANARY not in shown
    assert secret.reveal() == CANARY


def test_never_written() -> None:
    with pytest.raises(TypeError, match="not written"):
        pickle.dumps(Secret(CANARY))
    with pytest.raises(TypeError, match="not written"):
        copy.deepcopy(Secret(CANARY))


def test_equality_and_digest() -> None:
    assert Secret(CANARY) == Secret(CANARY)
    assert Secret(CANARY) != Secret("other")
    assert Secret(CANARY) != CANARY
    assert len({Secret(CANARY), Secret(CANARY)}) == 1
    assert len(Secret(CANARY).digest()) == 32
