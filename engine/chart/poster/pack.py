"""Fits blocks onto a page: in their order, columns of shelves, small blocks on top of each other beside tall ones.

Fillers go where blocks leave room, the rest into a band below. Of many pages, the one that wastes least is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, product

__all__ = ["GAP", "Block", "Placed", "packed"]

GAP = 22.0
TALLEST = 1.0  # height by width; a page that is taller counts as larger than it is
MOST_COLUMNS = 3
FEW = 14  # more blocks than this are small ones: shelves alone pack them well
WIDEST = 2.2  # a column, by what its blocks need


@dataclass(frozen=True, slots=True)
class Block:
    """A part of the poster: its smallest size, and how it is drawn into at least that."""

    width: float
    height: float
    draw: Callable[[float, float], str]


@dataclass(frozen=True, slots=True)
class Placed:
    block: Block
    x: float
    y: float
    width: float
    height: float


Stack = tuple[Block, ...]
Shelf = tuple[Stack, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """Shelves of one width, below each other."""

    width: float
    shelves: tuple[Shelf, ...]

    @property
    def height(self) -> float:
        return sum(_height_of(shelf) + GAP for shelf in self.shelves) - GAP


@dataclass(frozen=True, slots=True)
class Page:
    """Columns beside each other, and below them a band as wide as all."""

    columns: tuple[Column, ...]
    band: Column

    @property
    def width(self) -> float:
        return _width_of(self.columns)

    @property
    def columns_height(self) -> float:
        return max(column.height for column in self.columns)

    @property
    def height(self) -> float:
        return self.columns_height + (self.band.height + GAP if self.band.shelves else 0)


def packed(
    blocks: Sequence[Block], fillers: Sequence[Block], *, least: float, above: float
) -> tuple[list[Placed], float]:
    """The places of all, and the page's width, which is `least` or more.

    `above` is the height of what stands above the blocks, as a share of the width.
    """
    least = max([least, *(filler.width for filler in fillers)])
    pages = [_with_fillers(columns, fillers) for columns in _divisions(blocks, least)]
    page = min(pages, key=lambda page: _cost(page, above))
    return list(_placed(page)), page.width


def _cost(page: Page, above: float) -> float:
    height = page.height + above * page.width
    return page.width * height * max(1.0, height / page.width / TALLEST) ** 2


def _width_of(columns: Sequence[Column]) -> float:
    return sum(column.width + GAP for column in columns) - GAP


def _divisions(blocks: Sequence[Block], least: float) -> Iterator[tuple[Column, ...]]:
    most = min(MOST_COLUMNS, len(blocks)) if len(blocks) <= FEW else 1
    for count in range(1, most + 1):
        share = (least - GAP * (count - 1)) / count
        for cuts in combinations(range(1, len(blocks)), count - 1):
            parts = [blocks[start:end] for start, end in zip((0, *cuts), (*cuts, len(blocks)), strict=True)]
            yield from product(
                *([Column(width, _shelves(part, width)) for width in _widths(part, share)] for part in parts)
            )


def _widths(blocks: Sequence[Block], least: float) -> list[float]:
    """Widths at which one more block fits beside another."""
    widest = max(block.width for block in blocks)
    pairs = [a.width + GAP + b.width for a, b in pairwise(blocks)]
    sums = [sum(block.width + GAP for block in blocks[:count]) - GAP for count in range(1, len(blocks) + 1)]
    most = WIDEST * max(widest, least)
    return sorted({max(widest, least, width) for width in (least, *pairs, *sums) if width < most})


# --- shelves


def _shelves(blocks: Sequence[Block], width: float) -> tuple[Shelf, ...]:
    """The division of the blocks that is lowest in all."""
    best: list[tuple[float, tuple[Shelf, ...]]] = [(0.0, ())]  # for the first n blocks
    for end in range(1, len(blocks) + 1):
        choices = []
        for start in range(end):
            shelf = _shelf(blocks[start:end], width)
            if shelf is not None:
                height, shelves = best[start]
                choices.append((height + _height_of(shelf) + GAP, (*shelves, shelf)))
        best.append(min(choices, key=lambda choice: choice[0]))
    return best[-1][1]


def _shelf(blocks: Sequence[Block], width: float) -> Shelf | None:
    """Stacks as high as the tallest block; None if they do not fit."""
    tallest = max(block.height for block in blocks)
    stacks: list[Stack] = []
    for block in blocks:
        if stacks and _stack_height((*stacks[-1], block)) <= tallest:
            stacks[-1] = (*stacks[-1], block)
        else:
            stacks.append((block,))
    return tuple(stacks) if _needed(stacks) <= width or len(blocks) == 1 else None


def _needed(stacks: Iterable[Stack]) -> float:
    return sum(_stack_width(stack) + GAP for stack in stacks) - GAP


def _height_of(shelf: Shelf) -> float:
    return max(map(_stack_height, shelf))


def _stack_width(stack: Stack) -> float:
    return max(block.width for block in stack)


def _stack_height(stack: Stack) -> float:
    return sum(block.height + GAP for block in stack) - GAP


# --- fillers


def _with_fillers(columns: Sequence[Column], fillers: Sequence[Block]) -> Page:
    left = list(fillers)
    filled = [
        Column(column.width, tuple(_filled(shelf, left, column.width) for shelf in column.shelves))
        for column in columns
    ]
    height = max(column.height for column in filled)
    finished = tuple(_lengthened(column, left, height) for column in filled)
    width = _width_of(finished)
    return Page(finished, Column(width, _shelves(left, width) if left else ()))


def _filled(shelf: Shelf, left: list[Block], width: float) -> Shelf:
    """The shelf with fillers taken from `left`: on top of its stacks, then as stacks of their own."""
    height = _height_of(shelf)
    stacks = [_raised(stack, left, height, _stack_width(stack)) for stack in shelf]
    while True:
        room = width - _needed(stacks) - GAP
        first = next((filler for filler in left if filler.width <= room and filler.height <= height), None)
        if first is None:
            return tuple(stacks)
        left.remove(first)
        stacks.append(_raised((first,), left, height, room))


def _raised(stack: Stack, left: list[Block], height: float, room: float) -> Stack:
    for filler in tuple(left):
        if filler.width <= room and _stack_height((*stack, filler)) <= height:
            stack = (*stack, filler)
            left.remove(filler)
    return stack


def _lengthened(column: Column, left: list[Block], height: float) -> Column:
    """More shelves of fillers, as long as the column does not grow longer than the others."""
    while True:
        room = height - column.height - GAP
        first = next((filler for filler in left if filler.width <= column.width and filler.height <= room), None)
        if first is None:
            return column
        left.remove(first)
        column = Column(column.width, (*column.shelves, _filled(((first,),), left, column.width)))


# --- places


def _placed(page: Page) -> Iterator[Placed]:
    x = 0.0
    for column in page.columns:
        yield from _in_column(column, x, 0.0, page.columns_height)
        x += column.width + GAP
    if page.band.shelves:
        yield from _in_column(page.band, 0.0, page.columns_height + GAP, page.band.height)


def _in_column(column: Column, x: float, y: float, height: float) -> Iterator[Placed]:
    """Spare height goes to the shelves in proportion."""
    scale = (height - GAP * (len(column.shelves) - 1)) / sum(map(_height_of, column.shelves))
    for shelf in column.shelves:
        tall = _height_of(shelf) * scale
        yield from _on_shelf(shelf, x, y, column.width, tall)
        y += tall + GAP


def _on_shelf(shelf: Shelf, x: float, y: float, width: float, height: float) -> Iterator[Placed]:
    """Spare width goes to the stacks in proportion, spare height to the blocks of a stack alike."""
    scale = (width - GAP * (len(shelf) - 1)) / sum(map(_stack_width, shelf))
    for stack in shelf:
        wide = _stack_width(stack) * scale
        spare = (height - _stack_height(stack)) / len(stack)
        top = y
        for block in stack:
            yield Placed(block, x, top, wide, block.height + spare)
            top += block.height + spare + GAP
        x += wide + GAP
