"""Byte-level BPE: text to token ids and back.

Read in this order: `byte_map` (how bytes are written in vocabulary files), `pretokenize` (where
text is cut first), `counting` and `trainer` (how merges are found), `merging` (how they are
applied), `tokenizer` (the class that ties them together), `codegen` (phi-1's whitespace tokens),
`files` (formats). For corpora: `corpus`, `stream`, `fast`. `hub` finds GPT-2's files.
"""

from phi1_lib.tokenizer.codegen import END_OF_TEXT, WHITESPACE_TOKENS
from phi1_lib.tokenizer.hub import gpt2_files
from phi1_lib.tokenizer.pretokenize import pretokenize
from phi1_lib.tokenizer.tokenizer import Tokenizer

__all__ = ["END_OF_TEXT", "WHITESPACE_TOKENS", "Tokenizer", "gpt2_files", "pretokenize"]
