"""phi-1's network: rotary embedding, parallel block, the model, its weights on disk, its costs."""

from phi1_lib.model.cache import KVCache
from phi1_lib.model.flops import (
    TrainingMemory,
    cache_bytes,
    count_parameters,
    flops_per_token,
    training_memory_bytes,
)
from phi1_lib.model.phi import Phi
from phi1_lib.model.rotary import angle_table, rotary_table, rotate

__all__ = [
    "KVCache",
    "Phi",
    "TrainingMemory",
    "angle_table",
    "cache_bytes",
    "count_parameters",
    "flops_per_token",
    "rotary_table",
    "rotate",
    "training_memory_bytes",
]
