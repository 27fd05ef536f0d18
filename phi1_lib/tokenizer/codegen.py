"""What phi-1's vocabulary has beyond GPT-2's 50,257 tokens: runs of spaces and of tabs.

phi-1 uses CodeGen's tokenizer: GPT-2's vocabulary and merges, ids 0 to 50256, then 38 tokens for
whitespace. 31 spaces have id 50257, 30 spaces 50258, ... 2 spaces 50286; 9 tabs have 50287, ...
2 tabs 50294. One space and one tab stay ordinary GPT-2 tokens.

These tokens are not special: they are found in every text, before GPT-2's regular expression sees
it, the longest first. They do not join with the word that follows, so four spaces and `return`
are two tokens, `"    "` and `"return"`.

Source: CodeGen's `added_tokens.json` (Salesforce), released again with phi-1.
"""

END_OF_TEXT = "<|endoftext|>"  # stands between documents; GPT-2's id 50256

GPT2_VOCAB_SIZE = 50_257

WHITESPACE_TOKENS: tuple[str, ...] = (
    *(" " * n for n in range(31, 1, -1)),
    *("\t" * n for n in range(9, 1, -1)),
)
