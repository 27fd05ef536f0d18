"""Duplicates dropped. Copies teach nothing new, and training on them invites memorising."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator

from phi1_lib.data.documents import Document

EXACT_DUPLICATE = "exact duplicate"


def drop_exact_duplicates(
    documents: Iterable[Document], skipped: Counter[str] | None = None
) -> Iterator[Document]:
    """Yield each text once: the first document that has it.

    Texts are compared by sha256, so memory grows by 32 bytes a document, not by its text.

    Args:
        documents: in the order in which they should win.
        skipped: counts the copies dropped, under "exact duplicate".
    """
    skipped = Counter() if skipped is None else skipped
    seen = set()
    for document in documents:
        digest = hashlib.sha256(document.text.encode("utf-8", "surrogatepass")).digest()
        if digest in seen:
            skipped[EXACT_DUPLICATE] += 1
            continue
        seen.add(digest)
        yield document
