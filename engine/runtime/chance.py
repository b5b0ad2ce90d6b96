"""Seeded chance: one stream per purpose, equal on every machine, with a record of what the desk drew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random


class Stream:
    """Chance of one seed and purpose; draws are whole numbers of equal probability."""

    __slots__ = ("_bits",)

    def __init__(self, seed: int, purpose: str) -> None:
        self._bits = Random(f"{seed}/{purpose}").getrandbits

    def below(self, n: int) -> int:
        # Drawn here and not by `randrange`, whose use of the bits may change with the Python version.
        width = (n - 1).bit_length()
        drawn = self._bits(width)
        while drawn >= n:
            drawn = self._bits(width)
        return drawn

    def between(self, low: int, high: int) -> int:
        return low + self.below(high - low + 1)

    def often(self, low: int, high: int) -> Callable[[], int]:
        """`between` for who draws for every message of a run: the next draw of this stream at each call."""
        bits, most = self._bits, high - low
        width = most.bit_length()

        def draw() -> int:
            drawn = bits(width)
            while drawn > most:
                drawn = bits(width)
            return low + drawn

        return draw


class _Recorded:
    """A stream whose results go into the common record, in the order in which they were drawn."""

    __slots__ = ("_drawn", "_stream")

    def __init__(self, stream: Stream, drawn: list[int]) -> None:
        self._stream = stream
        self._drawn = drawn

    def below(self, n: int) -> int:
        result = self._stream.below(n)
        self._drawn.append(result)
        return result

    def between(self, low: int, high: int) -> int:
        result = self._stream.between(low, high)
        self._drawn.append(result)
        return result


class Chance(Mapping[str, _Recorded]):
    """The desk's streams by purpose; `take_draws` is what the journal keeps of a step."""

    def __init__(self, seed: int, purposes: Sequence[str] = ("taker", "hold")) -> None:
        self._drawn: list[int] = []
        self._streams = {purpose: _Recorded(Stream(seed, purpose), self._drawn) for purpose in purposes}

    def __getitem__(self, purpose: str) -> _Recorded:
        return self._streams[purpose]

    def __iter__(self) -> Iterator[str]:
        return iter(self._streams)

    def __len__(self) -> int:
        return len(self._streams)

    def take_draws(self) -> list[int]:
        """The results since the last call, of all streams in the order of drawing."""
        if not self._drawn:
            return []
        drawn = self._drawn.copy()
        self._drawn.clear()
        return drawn
