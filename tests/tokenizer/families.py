"""Kinds of text that tokenizers stumble over, by name.

All Unicode tables agree on these characters, for they were assigned long ago, or never will be;
`test_unicode_tables.py` checks that.
"""

from phi1_lib.tokenizer import END_OF_TEXT

SPACES = "\u00a0\u1680\u2000\u2002\u2009\u200a\u2028\u2029\u202f\u205f\u3000\x0b\x0c\x1c\x1f\x85"
NO_SPACES = "\u200b\u200d\u2060\ufeff\u180e\u00ad"  # look empty, and are no whitespace to Unicode

FAMILIES = {
    "code": 'def mean(xs):\n    """Mean."""\n    return sum(xs) / len(xs)  # \'s it\n',
    "contractions": "it's I'LL they've we're I'd can't 'twas ''s 's's d'accord",
    "numbers": "3.14 1_000_000 0x1F 1e-9 ² ³ ½ Ⅷ ① ٣٤ ४२ 𝟙𝟚 x1y2",
    "latin": "naïve café Größe Ærø Łódź İstanbul ǆ ﬁ ª º",
    "combining marks": "e\u0301 e\u0301\u0323 a\u0308o\u0308 \u0301start c\u0327\u0301 q\u20d7",
    "scripts": "Ελληνικά Русский עברית العربية हिन्दी বাংলা"
    " தமிழ் ไทย ខ្មែរ 한국어 中文 日本語カナ አማርኛ ᏣᎳᎩ",
    "mixed scripts": "aбγ中אع한คe\u03011٣x²名前_имя$اسم",
    "astral letters": "𝒳𝓎 𐍈𐌰 𓀀𓂀 𠀀𠮷 🄰",
    "emoji": "🙂 😀😀😀 a🙂b 1🙂2 ☃",
    "emoji sequences": "👩\u200d👩\u200d👧\u200d👦 🏳\ufe0f\u200d🌈 👍🏽"
    " 🇫🇷🇩🇪🇯 1\ufe0f\u20e3 ❤\ufe0f ☎\ufe0e 🏴\U000e0067\U000e0062\U000e007f",
    "line ends": "a\r\nb\r\n\r\n  c\rd\n\r e\n\n\n f \r\n",
    "tabs": "\ta\t\tb \t c\t \td\t\t\t\t\t\t\t\t\t\t\te\t",
    "runs of spaces": " a  b   c" + " " * 31 + "d" + " " * 32 + "e" + " " * 70,
    "null bytes": "\0a\0\0 \0 b\0 c\x01\x1b[0m\x7f\x80",
    "unicode spaces": "".join(f"a{s}b{s}{s}c {s} d{s} " for s in SPACES) + SPACES,
    "invisible": "".join(f"a{s}b{s}{s}1 {s} {s}" for s in NO_SPACES) + NO_SPACES,
    "noncharacters": "\ufffe\uffff\ufdd0 a\ufffd\U0010ffff\ue000\U000f0000",
    "right to left": "\u202eabc\u202c \u2067שלום\u2069 \u061cعدد ٣",
    "punctuation": "... !?!? —–-‐ «» “x” ¿¡ …。、 $€£ ==>>= #!/ \\n",
    "special text": f"{END_OF_TEXT} <|endoftext|><|endof text|> <|endoftext| |>",
    "one letter": "a" * 700,
    "two letters": "ab" * 350,
    "one sign": "=" * 700 + "é" * 300,
    "one emoji": "🙂" * 150,
    "new lines": "\n" * 300 + "x" + "\r\n" * 150,
    "empty": "",
}
