import json

import pytest

from tapeless.runtime.signature import KernelSignature, Operand, Result

SIGNATURE = KernelSignature(
    "norm_backward",
    "float32",
    (Operand("d", (3,), "cotangent"), Operand("x", (3,), used=False), Operand("t", (), "tangent")),
    (Result("r"), Result("x_bar", (3,), like=1, same=0)),
)


def test_signature_survives_json():
    assert KernelSignature.from_json(json.loads(json.dumps(SIGNATURE.to_json()))) == SIGNATURE


def test_lanes_are_the_elements_of_the_core():
    assert [part.lanes for part in (Operand("a"), Operand("a", (3,)), Result("a", (2, 5)))] == [1, 3, 10]


@pytest.mark.parametrize(
    ("dtype", "operands", "results"),
    [
        ("int64", (Operand("x"),), (Result("y"),)),
        ("float64", (Operand("x", role="input"),), (Result("y"),)),
        ("float64", (Operand("x", (3,)),), (Result("x_bar", like=0),)),
    ],
)
def test_contradictions_are_refused(dtype, operands, results):
    with pytest.raises(ValueError, match=r"must be one of|differ in core shape"):
        KernelSignature("f", dtype, operands, results)
