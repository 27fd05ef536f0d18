"""The rule by which numerical results are compared.

Our error against float64 may be twice PyTorch's own in the same precision, plus four units in the
last place of the largest value: a bound that comes from the reference, not from a picked number.
"""

import torch


def assert_close(ours: torch.Tensor, theirs: torch.Tensor, exact: torch.Tensor) -> None:
    """Check `ours` against float64 `exact`, measured by the error of `theirs`, PyTorch's result."""
    assert ours.dtype == theirs.dtype and exact.dtype == torch.float64
    assert ours.shape == theirs.shape == exact.shape
    assert ours.isfinite().all()
    if ours.numel() == 0:
        return
    error = (ours.double() - exact).abs().max().item()
    their_error = (theirs.double() - exact).abs().max().item()
    bound = 2 * their_error + 4 * torch.finfo(ours.dtype).eps * exact.abs().max().item()
    assert error <= bound, f"error {error:.3g}, allowed {bound:.3g} (PyTorch's {their_error:.3g})"
