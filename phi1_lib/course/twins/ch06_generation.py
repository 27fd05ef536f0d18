"""The library's functions in the signatures of chapter 06's exercises."""

from collections.abc import Callable
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


def decode_step(
    q_HK: "Tensor",
    k_HK: "Tensor",
    v_HK: "Tensor",
    keys_SHK: "Tensor",
    values_SHK: "Tensor",
    turn: Callable[["Tensor", int], "Tensor"],
) -> tuple["Tensor", "Tensor", "Tensor"]:
    """Exercise 6.7: one query attends to all keys, bottom right, as in `model/block.py`."""
    import torch

    from phi1_lib.attention import attend

    position = len(keys_SHK)
    keys_SHK = torch.cat([keys_SHK, turn(k_HK, position)[None]])
    values_SHK = torch.cat([values_SHK, v_HK[None]])
    out_BTHK = attend(turn(q_HK, position)[None, None], keys_SHK[None], values_SHK[None])
    return out_BTHK[0, 0], keys_SHK, values_SHK


def showable(text: str, stops: list[str]) -> str:
    """Exercise 6.9: `StopStrings` with a character for each id."""
    from phi1_lib.generation import StopStrings

    def decode(ids: list[int]) -> str:
        return "".join(map(chr, ids))

    return text[: StopStrings(stops, decode).settled(list(map(ord, text)))]


TWINS = {"6.4": keep_top_k, "6.5": keep_top_p, "6.7": decode_step, "6.9": showable}
