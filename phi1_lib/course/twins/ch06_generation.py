"""The library's functions in the signatures of chapter 06's exercises."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def keep_top_k(probabilities_V: "Tensor", k: int) -> "Tensor":
    """Exercise 6.4."""
    from phi1_lib.generation import sampling

    return sampling.keep_top_k(probabilities_V[None], k)[0]


def keep_top_p(probabilities_V: "Tensor", p: float) -> "Tensor":
    """Exercise 6.5."""
    from phi1_lib.generation import sampling

    return sampling.keep_top_p(probabilities_V[None], p)[0]


TWINS = {"6.4": keep_top_k, "6.5": keep_top_p}
