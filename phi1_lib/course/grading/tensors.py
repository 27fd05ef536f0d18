"""How graders compare tensors: equal, a mistake that is known, or neither."""

import pytest
import torch
from torch import Tensor


def close(found: Tensor, right: Tensor) -> bool:
    """Equal but for float32 rounding: 64 units in the last place of the largest finite value."""
    if found.shape != right.shape:
        return False
    finite = right[right.isfinite()].abs()
    bound = 64 * torch.finfo(torch.float32).eps * float(finite.max() if len(finite) else 1.0)
    return torch.allclose(found.double(), right.double(), rtol=0.0, atol=bound, equal_nan=True)


def expect_tensor(found: object, shape: tuple[int, ...], what: str = "the result") -> None:
    """Fail unless a tensor of this shape was returned."""
    if found is None:
        pytest.fail("your function returned None: is there a `return`?", pytrace=False)
    if not isinstance(found, Tensor):
        pytest.fail(f"{what} is a {type(found).__name__}, not a tensor", pytrace=False)
    if tuple(found.shape) != shape:
        pytest.fail(f"{what} has shape {tuple(found.shape)}; it should be {shape}", pytrace=False)


def expect(
    found: object,
    right: Tensor,
    mistakes: list[tuple[Tensor, str]],
    otherwise: str,
    what: str = "the result",
) -> None:
    """Fail unless found equals right; with the message of the mistake that it equals, if any."""
    expect_tensor(found, tuple(right.shape), what)
    if right.is_floating_point() and not found.is_floating_point():
        pytest.fail(
            f"{what} has dtype {found.dtype}: it should hold floating-point numbers", pytrace=False
        )
    if close(found, right):
        return
    for wrong, message in mistakes:
        if close(found, wrong):
            pytest.fail(message, pytrace=False)
    if found.isnan().any() and not right.isnan().any():
        otherwise = f"there are nan in {what}; {otherwise}"
    pytest.fail(otherwise, pytrace=False)
