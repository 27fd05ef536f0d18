"""Which licences let us train on a file, read from the metadata of the distribution that holds it.

Metadata states a licence in up to three ways: `License-Expression` (SPDX, PEP 639), classifiers
("License :: OSI Approved :: MIT License"), and the old free `License` field, which holds anything
from "BSD" to a whole licence. All are brought to SPDX names (spdx.org/licenses) and compared with a
list of permissive ones. What is not recognised is not used.
"""

import re
from email.message import Message

# Licences that ask for no more than keeping a notice. Keys are the words of the names in use.
_NAMES = {
    "0BSD": ("0bsd", "zero clause bsd"),
    "Apache-2.0": ("apache 2.0", "apache", "asl 2.0"),
    "Apache-2.0 WITH LLVM-exception": ("apache 2.0 with llvm exception",),
    "BSD-2-Clause": ("bsd 2 clause", "2 clause bsd simplified", "simplified bsd", "freebsd"),
    "BSD-3-Clause": (
        "bsd 3 clause",
        "bsd 3 clause new or revised",
        "bsd 3 clause new",
        "new bsd",
        "modified bsd",
        "revised bsd",
    ),
    "BSL-1.0": ("bsl 1.0", "boost 1.0", "boost 1.0 bsl 1.0"),
    "CC0-1.0": (
        "cc0 1.0",
        "cc0",
        "cc0 1.0 universal",
        "cc0 1.0 universal public domain dedication",
    ),
    "CNRI-Python": ("cnri python",),
    "HPND": ("hpnd", "historical permission notice and disclaimer hpnd"),
    "ISC": ("isc", "isc iscl", "iscl"),
    "MIT": ("mit", "expat", "mit expat", "mit x11"),
    "MIT-0": ("mit 0", "mit no attribution", "mit no attribution mit 0"),
    "MIT-CMU": ("mit cmu", "cmu mit cmu"),
    "PSF-2.0": ("psf 2.0", "psf", "psfl", "python foundation"),
    "Python-2.0": ("python 2.0",),
    "Unlicense": ("unlicense",),
    "Zlib": ("zlib", "zlib libpng"),
    # The metadata leaves open which BSD (2 or 3 clauses), or how the public domain was declared.
    # SPDX writes such names of one's own with this prefix.
    "LicenseRef-BSD": ("bsd",),
    "LicenseRef-Public-Domain": ("public domain",),
}
_FILLER = frozenset(["the", "license", "licence", "software", "under", "version", "agreement"])
_CLASSIFIER = "License :: "
_NO_STATEMENT = ("", "unknown", "none")
_LONG_TEXT = 100  # characters: a longer License field is a licence's text, not its name
_START_OF_TEXT = 2_000  # further on, wheels append the licences of libraries they bundle


def _words(name: str) -> frozenset[str]:
    """The words of a licence's name, so that "The MIT License (MIT)" and "mit" are the same."""
    name = re.sub(r"\bv(?=\d)", "", name.lower())
    words = re.findall(r"\d+(?:\.\d+)*|[a-z0-9]+", name)
    return frozenset(re.sub(r"^(\d+)\.0$", r"\1", word) for word in words) - _FILLER


_SPDX = {_words(name): spdx for spdx, names in _NAMES.items() for name in (spdx, *names)}
ALLOWED = frozenset(_NAMES)


def permitted(expression: str) -> str | None:
    """Return the SPDX expression under which a licence statement lets us use the text, or None.

    Of "A OR B" the allowed alternatives are kept; of "A AND B" both must be allowed. Names may be
    SPDX identifiers or common spellings.

    >>> permitted("Apache License, Version 2.0")
    'Apache-2.0'
    >>> permitted("MIT OR GPL-3.0-or-later")
    'MIT'
    >>> permitted("MPL-2.0 AND MIT") is None
    True
    """
    if (whole := _SPDX.get(_words(expression))) is not None:
        return whole
    # "or" and "and" count as operators only between names, parentheses only as grouping.
    tokens = re.split(r"(\(|\)|\s+(?:AND|OR)\s+)", expression.strip(), flags=re.IGNORECASE)
    tokens = [token.strip() for token in tokens if token.strip()]
    result = _any_of(tokens)
    return None if tokens else result  # tokens left over: not an expression


def _any_of(tokens: list[str]) -> str | None:
    """Read `A OR B ...` off the front of `tokens`."""
    choices = [_all_of(tokens)]
    while tokens and tokens[0].upper() == "OR":
        tokens.pop(0)
        choices.append(_all_of(tokens))
    return " OR ".join(choice for choice in choices if choice) or None


def _all_of(tokens: list[str]) -> str | None:
    """Read `A AND B ...` off the front of `tokens`; AND binds more tightly than OR."""
    parts = [_one(tokens)]
    while tokens and tokens[0].upper() == "AND":
        tokens.pop(0)
        parts.append(_one(tokens))
    if None in parts:
        return None
    if len(parts) == 1:
        return parts[0]
    return " AND ".join(f"({part})" if " OR " in part else part for part in parts)


def _one(tokens: list[str]) -> str | None:
    """Read a name or a group in parentheses off the front of `tokens`."""
    token = tokens.pop(0) if tokens else ""
    if token != "(":
        return _SPDX.get(_words(token))
    inside = _any_of(tokens)
    closed = bool(tokens) and tokens.pop(0) == ")"
    return inside if closed else None


def license_of(metadata: Message) -> str | None:
    """Return the permissive licence of a distribution as an SPDX expression, or None.

    `License-Expression` decides alone where it is given. Otherwise everything that is stated, by
    classifiers and by the License field, must be allowed: two sources that disagree are not
    resolved in our favour.

    Args:
        metadata: core metadata (`importlib.metadata.distribution(name).metadata`).
    """
    expression = (metadata.get("License-Expression") or "").strip()
    if expression:
        return permitted(expression)
    stated = [
        permitted(classifier.rsplit(" :: ", 1)[1])
        for classifier in metadata.get_all("Classifier") or []
        if classifier.startswith(_CLASSIFIER) and classifier != "License :: OSI Approved"
    ]
    text = (metadata.get("License") or "").strip()
    if text.lower() not in _NO_STATEMENT:
        found = _from_text(text)
        # A long text that we cannot read adds nothing to a classifier; a short name does.
        if found or not stated or len(text) <= _LONG_TEXT:
            stated.append(found)
    if not stated or None in stated:
        return None
    return _join(stated)


def _join(licenses: list[str]) -> str:
    """Join what several statements say about one distribution."""
    unique = list(dict.fromkeys(licenses))
    if any(name.startswith("BSD-") for name in unique) and "LicenseRef-BSD" in unique:
        unique.remove("LicenseRef-BSD")  # the more exact statement stands for both
    if len(unique) == 1:
        return unique[0]
    return " AND ".join(f"({name})" if " OR " in name else name for name in unique)


def _from_text(text: str) -> str | None:
    """Recognise a licence by its name or, where its text is given, by title or best-known words."""
    if len(text) <= _LONG_TEXT:
        return permitted(text)
    title = text.splitlines()[0].strip(" =*-#")
    if spdx := _SPDX.get(_words(title)):
        return spdx
    start = " ".join(text.split())[:_START_OF_TEXT]
    mit = start.find("Permission is hereby granted, free of charge, to any person obtaining a copy")
    bsd = start.find("Redistribution and use in source and binary forms")
    if mit >= 0 and not 0 <= bsd < mit:
        return "MIT"
    if bsd >= 0 and "All advertising materials" not in start:  # four clauses: asks for more
        third_clause = re.search(r"Neither the names? of|may not be used to endorse", start)
        return "BSD-3-Clause" if third_clause else "BSD-2-Clause"
    return None
