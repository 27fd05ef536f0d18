"""The tokenizer: text to token ids and back, exactly."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from phi1_lib.tokenizer import files, stream
from phi1_lib.tokenizer.byte_map import to_printable
from phi1_lib.tokenizer.codegen import END_OF_TEXT, GPT2_VOCAB_SIZE, WHITESPACE_TOKENS
from phi1_lib.tokenizer.counting import count_pieces
from phi1_lib.tokenizer.fast import RustEncoder
from phi1_lib.tokenizer.merging import apply_merges
from phi1_lib.tokenizer.pretokenize import pretokenize, reject_lone_surrogates
from phi1_lib.tokenizer.special import match_longest
from phi1_lib.tokenizer.trainer import train_merges

# The cache holds at most this many pieces, none longer than this many characters: about 10 MB of
# words, 150 MB if every piece were 64 rare ideographs.
_CACHE_PIECES = 65_536
_CACHE_LENGTH = 64


class Tokenizer:
    """Byte-level BPE with GPT-2's pre-tokenisation.

    Every text encodes, for every byte is a token; decoding gives the same text again. Three kinds
    of token:

    - ordinary: a byte, or what a merge made;
    - added: matched in every text before pre-tokenisation, longest first (phi-1's whitespace);
    - special: matched only when `encode` is told so by name (`<|endoftext|>`).

    Ids equal those of Hugging Face's `tokenizers` on the same vocabulary
    (`tests/tokenizer/test_against_tokenizers.py`).

    Attributes:
        merges: pairs of ids in order of rank.
        special_tokens: text -> id.
        added_tokens: text -> id.
    """

    def __init__(
        self,
        token_bytes: Sequence[bytes],
        merges: Sequence[tuple[int, int]],
        special_tokens: Mapping[str, int] | None = None,
        added_tokens: Mapping[str, int] | None = None,
    ) -> None:
        """Use `train`, `from_files`, `codegen` or `load` instead, unless you have the parts.

        Args:
            token_bytes: the bytes of every token by id, special and added tokens included.
            merges: pairs of ids in order of rank.
            special_tokens, added_tokens: text -> id.
        """
        self.merges = tuple(merges)
        self.special_tokens = dict(special_tokens or {})
        self.added_tokens = dict(added_tokens or {})
        self._token_bytes = tuple(token_bytes)
        apart = {*self.special_tokens.values(), *self.added_tokens.values()}
        id_of = {token: i for i, token in enumerate(self._token_bytes) if i not in apart}
        self._byte_ids = [id_of[bytes([byte])] for byte in range(256)]
        self._merge_table = {
            (left, right): (rank, id_of[self._token_bytes[left] + self._token_bytes[right]])
            for rank, (left, right) in enumerate(self.merges)
        }
        self._added_pattern = match_longest(self.added_tokens)
        self._cache: dict[str, list[int]] = {}

    # ---- making one -------------------------------------------------------------------------

    @classmethod
    def train(
        cls,
        texts: Iterable[str | Path],
        vocab_size: int,
        special_tokens: Sequence[str] = (),
        *,
        workers: int = 1,
        progress: bool = False,
    ) -> Self:
        """Learn a vocabulary from texts; see `trainer` for the rule.

        Ids: 0 to 255 the bytes, then the merged tokens in order of making, last the special
        tokens. The text of a special token in `texts` is ordinary text.

        Args:
            texts: texts, or paths of UTF-8 text files; read one after the other, never kept.
            vocab_size: number of all ids, special tokens included.
            workers: processes for pre-tokenisation; the result is the same for any number.
            progress: show bars.

        Raises:
            ValueError: no text, a lone surrogate, a file that is no UTF-8 text, `vocab_size` below
                256 + special tokens or more than the texts can fill, a special token that is
                empty, repeated or an ordinary token too.
        """
        if isinstance(special_tokens, str):
            raise ValueError(
                f"special_tokens={special_tokens!r}: write a sequence, ({special_tokens!r},)"
            )
        least = 256 + len(special_tokens)
        if vocab_size < least:
            raise ValueError(
                f"vocab_size={vocab_size}: must be at least {least}: 256 bytes and "
                f"{len(special_tokens)} special tokens"
            )
        # What is wrong with the special tokens alone is said before the corpus is read.
        bytes_alone = cls([bytes([byte]) for byte in range(256)], ())
        bytes_alone._with_tokens(special_tokens, special=True)
        piece_counts = count_pieces(texts, workers=workers, progress=progress)
        token_bytes, merges = train_merges(
            piece_counts, vocab_size - len(special_tokens), progress=progress
        )
        return cls(token_bytes, merges)._with_tokens(special_tokens, special=True)

    @classmethod
    def from_files(cls, vocab_json: str | Path, merges_txt: str | Path) -> Self:
        """Read a vocabulary in GPT-2's two files; `<|endoftext|>` is special if it is there.

        Raises:
            ValueError: a file is missing, cut short or no such file; the message names it.
        """
        return cls(*files.read_vocab_and_merges(vocab_json, merges_txt))

    @classmethod
    def codegen(cls, vocab_json: str | Path, merges_txt: str | Path) -> Self:
        """phi-1's tokenizer: GPT-2's files and CodeGen's 38 whitespace tokens; 50,295 ids.

        Raises:
            ValueError: as `from_files`, or the files do not hold GPT-2's vocabulary.
        """
        base = cls.from_files(vocab_json, merges_txt)
        expected = GPT2_VOCAB_SIZE - 1
        if base.special_tokens.get(END_OF_TEXT) != expected or base.vocab_size != GPT2_VOCAB_SIZE:
            raise ValueError(
                f"{vocab_json} has {base.vocab_size} tokens; GPT-2's vocab.json has "
                f"{GPT2_VOCAB_SIZE}, and {END_OF_TEXT} is number {expected}"
            )
        return base.with_whitespace_tokens()

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a `tokenizer.json` that `save` wrote, or any byte-level BPE in GPT-2's form.

        Raises:
            ValueError: the file is missing, damaged, or another kind of tokenizer.
        """
        return cls(*files.read_tokenizer_json(path))

    def save(self, path: str | Path) -> None:
        """Write the file `path` (by custom `tokenizer.json`) in Hugging Face's format.

        `tokenizers.Tokenizer.from_file` and `transformers.PreTrainedTokenizerFast` read it and
        give the same ids as `encode` with every special token allowed.
        """
        files.write_whole(Path(path), self.tokenizer_json())

    def with_whitespace_tokens(self) -> Self:
        """This tokenizer with CodeGen's 38 whitespace tokens after the last id."""
        return self._with_tokens(WHITESPACE_TOKENS, special=False)

    def _with_tokens(self, texts: Sequence[str], special: bool) -> Self:
        taken = {*self.special_tokens, *self.added_tokens}
        written = {to_printable(token) for token in self._token_bytes}
        new: dict[str, int] = {}
        for text in texts:
            if not text or text in taken or text in new:
                raise ValueError(f"token {text!r} is empty or there already")
            reject_lone_surrogates(text, f"token {text!r}")
            if text in written:  # `tokenizer.json` has one name for each token
                raise ValueError(
                    f"token {text!r} is an ordinary token too, or written like one in a vocabulary "
                    "file; choose a text that does not occur, such as <|endoftext|>"
                )
            new[text] = self.vocab_size + len(new)
        return type(self)(
            (*self._token_bytes, *(text.encode("utf-8") for text in new)),
            self.merges,
            self.special_tokens | (new if special else {}),
            self.added_tokens | ({} if special else new),
        )

    # ---- asking it --------------------------------------------------------------------------

    @property
    def vocab_size(self) -> int:
        """Number of ids, special and added tokens included; ids are 0 to `vocab_size - 1`."""
        return len(self._token_bytes)

    @property
    def end_of_text_id(self) -> int:
        """The id of `<|endoftext|>`.

        Raises:
            ValueError: this tokenizer has none.
        """
        if END_OF_TEXT not in self.special_tokens:
            raise ValueError(
                f"this tokenizer has no {END_OF_TEXT}; train it with "
                f"special_tokens=({END_OF_TEXT!r},)"
            )
        return self.special_tokens[END_OF_TEXT]

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes that a token stands for; they need not be valid UTF-8 on their own.

        Raises:
            ValueError: there is no such id.
        """
        if not 0 <= token_id < self.vocab_size:
            raise ValueError(self._no_such_id(token_id))
        return self._token_bytes[token_id]

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process without the cache."""
        parts = (self._token_bytes, self.merges, self.special_tokens, self.added_tokens)
        return type(self), parts

    def tokenizer_json(self) -> str:
        """The text that `save` writes."""
        return files.tokenizer_json(
            self._token_bytes, self.merges, self.special_tokens, self.added_tokens
        )

    def __repr__(self) -> str:
        return (
            f"Tokenizer(vocab_size={self.vocab_size}, merges={len(self.merges)}, "
            f"special_tokens={list(self.special_tokens)}, added_tokens={len(self.added_tokens)})"
        )

    # ---- text to ids ------------------------------------------------------------------------

    def encode(self, text: str, allowed_special: Collection[str] = ()) -> list[int]:
        """Turn text into token ids.

        Args:
            text: any Unicode text.
            allowed_special: special tokens that the text may contain as such. The text of any
                other special token is ordinary text, so nobody can end a document by writing
                `<|endoftext|>` in it.

        Raises:
            ValueError: the text holds a lone surrogate, or a name in `allowed_special` is no
                special token of this tokenizer.
        """
        reject_lone_surrogates(text)
        ids: list[int] = []
        pattern = match_longest(self._allowed(allowed_special))
        # A pattern in a group splits into ordinary, match, ordinary, match, ..., ordinary.
        for i, part in enumerate(pattern.split(text) if pattern else [text]):
            if i % 2:
                ids.append(self.special_tokens[part])
            else:
                self._encode_without_special(part, ids)
        return ids

    @cached_property
    def _rust(self) -> RustEncoder:
        return RustEncoder(self.tokenizer_json())

    def encode_batch(
        self,
        texts: Iterable[str],
        allowed_special: Collection[str] = (),
        *,
        fast: bool = True,
        workers: int = 1,
    ) -> list[list[int]]:
        """Encode many texts; for a corpus larger than memory take `encode_stream`.

        The ids are those of `encode`, in the order of the texts.

        Args:
            texts, allowed_special: as for `encode`.
            fast: let Hugging Face's Rust `tokenizers` do the work, on all cores. False: this
                library's own Python.
            workers: processes, for `fast=False`.

        Raises:
            ValueError: as `encode`, the text's number added; `workers` with `fast`.
        """
        return list(self.encode_stream(texts, allowed_special, fast=fast, workers=workers))

    def encode_stream(
        self,
        texts: Iterable[str],
        allowed_special: Collection[str] = (),
        *,
        fast: bool = True,
        workers: int = 1,
    ) -> Iterator[list[int]]:
        """Yield the ids of one text after the other, as `encode_batch`, with a few texts in memory.

        Texts are taken some at a time: at most 1,000, or those that hold a million characters.
        """
        allowed = self._allowed(allowed_special)
        if not fast:
            return stream.encode_in_python(self, texts, allowed, workers)
        if workers != 1:
            raise ValueError(
                f"workers={workers}: the fast encoder takes all cores by itself; workers is for "
                "fast=False"
            )
        return stream.encode_in_rust(self, self._rust, texts, allowed)

    def _allowed(self, names: Collection[str]) -> Collection[str]:
        if isinstance(names, str):
            raise ValueError(f"allowed_special={names!r}: write a collection, ({names!r},)")
        names = tuple(names)
        for name in names:
            if name not in self.special_tokens:
                raise ValueError(
                    f"allowed_special holds {name!r}, which is no special token here; "
                    f"these are: {', '.join(self.special_tokens) or 'none'}"
                )
        return names

    def _encode_without_special(self, text: str, ids: list[int]) -> None:
        if self._added_pattern is None:
            self._encode_ordinary(text, ids)
            return
        for i, part in enumerate(self._added_pattern.split(text)):
            if i % 2:
                ids.append(self.added_tokens[part])
            else:
                self._encode_ordinary(part, ids)

    def _encode_ordinary(self, text: str, ids: list[int]) -> None:
        known = self._cache.get
        for piece in pretokenize(text):
            ids += known(piece) or self._encode_piece(piece)

    def _encode_piece(self, piece: str) -> list[int]:
        byte_ids = [self._byte_ids[byte] for byte in piece.encode("utf-8")]
        ids = apply_merges(byte_ids, self._merge_table)
        if len(piece) <= _CACHE_LENGTH:
            if len(self._cache) >= _CACHE_PIECES:
                self._cache.clear()
            self._cache[piece] = ids
        return ids

    # ---- ids to text ------------------------------------------------------------------------

    def decode(self, ids: Iterable[int], *, lenient: bool = False) -> str:
        """Turn token ids into text, special tokens included.

        Ids that a model made up need not join to valid UTF-8; what is invalid becomes U+FFFD.

        Args:
            ids: token ids.
            lenient: an id that does not exist becomes U+FFFD too.

        Raises:
            ValueError: there is no such id; the message says which and where.
        """
        parts = []
        for position, token_id in enumerate(ids):
            if 0 <= token_id < self.vocab_size:
                parts.append(self._token_bytes[token_id])
            elif lenient:
                parts.append("\ufffd".encode())
            else:
                raise ValueError(f"{self._no_such_id(token_id)} (position {position})")
        return b"".join(parts).decode("utf-8", errors="replace")

    def _no_such_id(self, token_id: int) -> str:
        return f"token id {token_id}: this tokenizer has ids 0 to {self.vocab_size - 1}"
