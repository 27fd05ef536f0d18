"""Stop strings: texts that end a generation and are not part of it."""

from collections.abc import Callable, Sequence


class StopStrings:
    """Finds the first stop string in a growing list of new ids.

    The prompt is not searched: a stop string that begins in it is not seen.

    Args:
        stop: the strings, none of them empty.
        decode: ids to text, by a byte-level tokenizer: the text is the ids' bytes joined, and
            every id has at least one byte. Bytes that are no character, or not yet, are U+FFFD.

    Raises:
        ValueError: an empty stop string, or stop strings without `decode`.
    """

    def __init__(self, stop: Sequence[str], decode: Callable[[list[int]], str] | None) -> None:
        for text in stop:
            if not isinstance(text, str) or not text:
                raise ValueError(
                    f"stop={tuple(stop)!r}: must be strings, and none an empty string, which would "
                    "stop everything"
                )
        if stop and decode is None:
            raise ValueError("stop strings need decode, for example decode=tokenizer.decode")
        self.stop = tuple(stop)
        self.decode = decode
        # A stop string that the newest id completes lies within the last ids, as many of them as
        # it has bytes. Only these are decoded at every step.
        self.tail = max((len(text.encode()) for text in stop), default=0)

    def cut(self, ids: list[int]) -> int | None:
        """Return how many ids to keep if they hold a stop string, else None. Ask after every id.

        Kept is the longest prefix whose text ends where the first stop string begins, or earlier:
        nothing of the stop string is left. A token that holds the text's last characters and the
        stop string's first ones goes as a whole.
        """
        if not self.stop:
            return None
        tail = self.decode(ids[-self.tail :])
        if not any(stop in tail for stop in self.stop):
            return None
        text = self.decode(ids)
        begins = [text.find(stop) for stop in self.stop if stop in text]
        if not begins:  # the tail began inside a character, and only looked like a stop string
            return None
        before = text[: min(begins)]
        return next(n for n in range(len(ids), -1, -1) if before.startswith(self.decode(ids[:n])))

    def settled(self, ids: list[int]) -> int:
        """Return how many ids can be shown: no id that follows changes their text or cuts them.

        The others may be the beginning of a character or of a stop string. The ids hold no whole
        stop string, and those settled before may be left off at their front.
        """
        text = self.decode(ids)
        characters = text.rstrip("\ufffd")  # at the end it may be a character of which bytes lack
        begins = (
            len(characters) - n
            for stop in self.stop
            for n in range(1, len(stop))
            if characters.endswith(stop[:n])
        )
        safe = characters[: min(begins, default=len(characters))]
        for n in range(len(ids), 0, -1):
            head = self.decode(ids[:n])
            # The second condition: the n-th id does not end inside a character.
            if safe.startswith(head) and head + self.decode(ids[n:]) == text:
                return n
        return 0
