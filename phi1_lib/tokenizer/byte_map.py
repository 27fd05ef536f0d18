"""How GPT-2's vocabulary files write bytes: one printable character for each of the 256.

A token is a string of bytes, and most bytes are no text of their own. GPT-2 therefore writes each
byte as one character: the 188 bytes that are printable in Latin-1 stand for themselves, the other
68 take the characters from U+0100 on, in order. A space (byte 32) becomes "Ġ" (U+0120), a newline
(byte 10) "Ċ" (U+010A). Only files use this writing; the library's code works on bytes.

Source: `bytes_to_unicode` in OpenAI's GPT-2 `encoder.py`.
"""

_PRINTABLE = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]

BYTE_TO_CHARACTER: dict[int, str] = {byte: chr(byte) for byte in _PRINTABLE} | {
    byte: chr(0x100 + n) for n, byte in enumerate(_OTHERS)
}
CHARACTER_TO_BYTE: dict[str, int] = {char: byte for byte, char in BYTE_TO_CHARACTER.items()}


def to_printable(token: bytes) -> str:
    """Write a token's bytes as vocabulary files do: `b" x"` becomes `"Ġx"`."""
    return "".join(BYTE_TO_CHARACTER[byte] for byte in token)


def from_printable(written: str) -> bytes:
    """Read a token as vocabulary files write it: `"Ġx"` becomes `b" x"`.

    Raises:
        ValueError: a character stands for no byte.
    """
    try:
        return bytes(CHARACTER_TO_BYTE[char] for char in written)
    except KeyError as error:
        char = error.args[0]
        raise ValueError(
            f"{written!r} is no byte-level token: {char!r} (U+{ord(char):04X}) stands for no byte"
        ) from None
