"""From text to batches: sources, licences, deduplication, snippets, filter, packing, shards."""

from phi1_lib.data.documents import Document
from phi1_lib.data.problems import Problem

__all__ = ["Document", "Problem"]
