"""Whatever number of a call is spoilt: a refusal that names a field of the call and a rule, or a result without flaw.

Without flaw means every float is finite and every null that is said to come with a reason comes with one. Kernels run
here in this process, where a warning of numpy or scipy is an error.
"""

import math
from importlib import import_module
from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from cerberod.calculation.service import Kernel
from cerberod.calculation.working import KERNELS
from cerberod.errors import AnalyticsRefused, InvalidParams
from cerberod.rpc.dispatch import validate
from tests.functional.test_methods_are_called import EXAMPLES
from tests.support.bad_numbers import spoilt
from tests.unit.calculation.test_kernels import kernels

REASONED = "null with a reason"


def flaws(value: object, path: str = "") -> list[str]:
    """Return where a result holds what no client should see."""
    match value:
        case float():
            return [] if math.isfinite(value) else [f"{path} is {value}"]
        case list():
            return [flaw for index, each in enumerate(value) for flaw in flaws(each, f"{path}.{index}")]
        case BaseModel():
            found = [flaw for name, each in value for flaw in flaws(each, f"{path}.{name}")]
            columns = [name for name, info in type(value).model_fields.items() if REASONED in (info.description or "")]
            reason, reasons = getattr(value, "reason", None), getattr(value, "reasons", None)
            for name in columns:
                column = getattr(value, name)
                if isinstance(column, list):
                    assert isinstance(reasons, list)
                    bare = [i for i, each in enumerate(column) if each is None and reasons[i] is None]
                    found += [f"{path}.{name}.{i} is null without a reason" for i in bare]
                elif column is None and reason is None and getattr(value, f"{name}_reason", None) is None:
                    found.append(f"{path}.{name} is null without a reason")
            return found
        case _:
            return []


@pytest.mark.parametrize("kernel", list(kernels()), ids=lambda kernel: kernel.function)
def test_every_way_to_spoil_a_call(kernel: Kernel[Any, Any]) -> None:
    run = getattr(import_module(f"{KERNELS}.{kernel.module}"), kernel.function)
    answered = refused = 0
    for what, params in spoilt(EXAMPLES[f"common.{kernel.function}"]):
        try:
            checked = validate(kernel.params, orjson.dumps(params))
            result = run(checked)
        except InvalidParams as invalid:
            assert all(each["field"] and each["rule"] for each in invalid.data["problems"]), what
            refused += 1
        except AnalyticsRefused as refusal:
            field, rule = refusal.args
            assert field.split(".")[0] in kernel.params.model_fields, f"{what}: {field} {rule}"
            assert rule, what
            refused += 1
        else:
            assert isinstance(result, kernel.result)
            assert flaws(result) == [], what
            answered += 1
    assert refused > answered / 4
