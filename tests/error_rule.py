"""The rule by which numerical results are compared.

Our error against float64 may be twice PyTorch's own in the same precision, plus four units in the
last place of the largest value: a bound that comes from the reference, not from a picked number.
"""

import torch


def largest(difference: torch.Tensor) -> float:
    return difference.abs().max().item()


def root_mean_square(difference: torch.Tensor) -> float:
    return difference.square().mean().sqrt().item()


def assert_close(
    ours: torch.Tensor, theirs: torch.Tensor, exact: torch.Tensor, measure=largest
) -> None:
    """Check `ours` against float64 `exact`, measured by the error of `theirs`, PyTorch's result.

    `root_mean_square` is the measure for gradients through several layers of PyTorch's fused CPU
    attention. There the largest error is a matter of luck: that of transformers' own model, with
    the same kernel, differs up to tenfold from one random input to the next.
    """
    assert ours.dtype == theirs.dtype and exact.dtype == torch.float64
    assert ours.shape == theirs.shape == exact.shape
    assert ours.isfinite().all()
    error = measure(ours.double() - exact)
    their_error = measure(theirs.double() - exact)
    bound = 2 * their_error + 4 * torch.finfo(ours.dtype).eps * largest(exact)
    assert error <= bound, f"error {error:.3g}, allowed {bound:.3g} (PyTorch's {their_error:.3g})"
