"""Text from a model: choosing the next token, batches, stop strings, streaming, prompts."""

from phi1_lib.generation.generate import generate, stream
from phi1_lib.generation.prompts import PRINT_PRIME, function_prompt
from phi1_lib.generation.sampling import keep_top_k, keep_top_p, next_token
from phi1_lib.generation.stops import StopStrings

__all__ = [
    "PRINT_PRIME",
    "StopStrings",
    "function_prompt",
    "generate",
    "keep_top_k",
    "keep_top_p",
    "next_token",
    "stream",
]
