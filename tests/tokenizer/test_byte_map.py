"""Oracle: the `tokenizers` library's own byte alphabet and byte-level pre-tokeniser."""

import pytest
from tokenizers import pre_tokenizers

from phi1_lib.tokenizer.byte_map import BYTE_TO_CHARACTER, from_printable, to_printable


def test_alphabet_is_gpt2s():
    assert set(BYTE_TO_CHARACTER.values()) == set(pre_tokenizers.ByteLevel.alphabet())


def test_each_byte_has_gpt2s_character():
    cut = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    # U+0000 to U+07FF and one character for each longer lead byte reach every byte UTF-8 uses.
    text = "".join(map(chr, range(0x800))) + "".join(chr(n << 12) for n in range(1, 13))
    text += "".join(chr(n) for n in (0xE000, 0xF000, 0x10000, 0x40000, 0x80000, 0xC0000, 0x100000))
    [(written, _)] = cut.pre_tokenize_str(text)
    assert to_printable(text.encode()) == written


def test_round_trip():
    every_byte = bytes(range(256))
    assert from_printable(to_printable(every_byte)) == every_byte
    assert to_printable(b" x\n") == "ĠxĊ"


def test_no_byte():
    with pytest.raises(ValueError, match="' ' .U\\+0020. stands for no byte"):
        from_printable("a b")
