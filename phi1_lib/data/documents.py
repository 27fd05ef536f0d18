"""The one shape that all text has on its way to the model, whatever source it came from."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Document:
    """A text and where it came from.

    A source is an iterator of documents: `phi1_lib.data.local.local_corpus` is one, and a generator
    of three lines over your own files is another.

    Attributes:
        text: the content, lines ended by "\\n".
        id: unique in its source, and the same on every run ("stdlib/3.11.7/json/decoder.py").
        source: name of the source ("local", "folder").
        license: SPDX expression of the licence under which the text may be used.
        meta: facts that only some sources know. Files of the local corpus have `distribution`,
            `version` and `path`; snippets have `first` and `last`, the lines in their file,
            counted from 1, both included.
    """

    text: str
    id: str
    source: str
    license: str
    meta: dict[str, Any] = field(default_factory=dict)
