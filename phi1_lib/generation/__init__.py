"""Text from a model: choosing the next token, KV cache, stop strings."""

from phi1_lib.generation.generate import generate
from phi1_lib.generation.sampling import keep_top_p, next_token
from phi1_lib.generation.stops import StopStrings

__all__ = ["StopStrings", "generate", "keep_top_p", "next_token"]
