"""The fault catalogue: what every run must get through, what plays it, and in which phases it can happen at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

__all__ = ["CATALOGUE", "PHASES", "START", "Row", "at_start", "cell", "missed"]

PHASES = ("IDLE", "MAKER_OPENING", "TAKER_HEDGING", "HOLDING", "MAKER_CLOSING", "TAKER_CLOSING", "CLEANUP")
START = "start"  # of a process that died, before its flow goes on
NO_ORDER = "no order is made there"
NO_CANCEL = "nothing rests there that could be cancelled"
_QUIET = {"IDLE": NO_ORDER, "HOLDING": NO_ORDER}
_CANCELS = dict.fromkeys(("IDLE", "TAKER_HEDGING", "HOLDING", "TAKER_CLOSING"), NO_CANCEL)
_POST = dict.fromkeys(("IDLE", "TAKER_HEDGING", "HOLDING", "TAKER_CLOSING"), "no post-only order is made there")
_STARTING = dict.fromkeys(PHASES, "it is about a start")
_NOT_CLEANUP = {phase: "it is about the cleanup" for phase in PHASES if phase != "CLEANUP"}


@dataclass(frozen=True, slots=True)
class Row:
    """One fault of the catalogue. `faults` are those of a plan, by label; `elsewhere`: where it is tested if by none.

    `impossible` says of phases why it cannot happen there.
    """

    number: int
    title: str
    faults: tuple[str, ...] = ()
    impossible: Mapping[str, str] = field(default_factory=dict)
    elsewhere: str = ""


CATALOGUE = (
    Row(
        1,
        "a request without an answer was carried out",
        ("error_accepted", "error_refused", "ack_lost", "request_lost"),
    ),
    Row(2, "the process dies", ("killed",)),
    Row(3, "a stream is silent", ("stream_stalled", "streams_stalled")),
    Row(4, "a stream is cut in a fill", ("stream_cut", "streams_cut")),
    Row(5, "an order is refused", ("order_refused",), _QUIET),
    Row(6, "two programs on one account", elsewhere="a lock of the machine: tests/test_lease.py"),
    Row(7, "the venue is down", ("maintenance",)),
    Row(8, "a cancel comes too late", ("cancel_too_late", "cancel_pending"), _CANCELS),
    Row(9, "the reply comes after the fill", ("ack_late", "frame_swapped")),
    Row(10, "told twice", ("frame_twice",)),
    Row(11, "told late, or never", ("frame_late", "frame_lost", "frame_garbled")),
    Row(12, "a taker gets a part", ("partly_taken",), _QUIET),
    Row(13, "cleanup among faults", ("frame_late", "frame_twice", "partly_taken", "order_refused"), _NOT_CLEANUP),
    Row(14, "the account changes from outside", ("foreign_trade", "liquidation")),
    Row(15, "an order stays pending", ("stuck_pending",), _QUIET),
    Row(16, "too many requests", ("rate_limited",)),
    Row(17, "a person asks to stop", ("stop_asked",)),
    Row(18, "the disk is full", ("disk_full",)),
    Row(19, "wrong market, multiplier or side", elsewhere="refused before any order: tests/test_online.py"),
    Row(20, "stale book, price jump", ("stream_stalled book", "frame_lost book", "price_jump")),
    Row(21, "the machine sleeps, a clock is wrong", ("suspended", "clock_set", "clock_skewed")),
    Row(22, "nonce gap, refused after 200", ("order_refused by the sequencer", "request_lost of a nonce"), _QUIET),
    Row(23, "a corrupt or foreign journal", elsewhere="found at the start: tests/test_journal.py"),
    Row(24, "the disk is slow", ("disk_slow",)),
    Row(25, "a post-only order would cross", ("order_refused post_only",), _POST),
    Row(26, "the tick changes", ("tick_changed",)),
    Row(27, "a wrong config or flow", elsewhere="refused before any order: tests/broken_configs, tests/broken_flows"),
    Row(28, "keys or tokens are refused", ("keys_refused",)),
    Row(
        29,
        "no answer while a run comes up",
        ("error_refused at a start", "request_lost at a start", "rate_limited at a start", "maintenance at a start"),
        _STARTING,
    ),
)


def cell(row: Row, phase: str, cells: Mapping[tuple[str, str], int]) -> int:
    """How often a row's faults acted in a phase."""
    return sum(cells.get((fault, phase), 0) for fault in row.faults)


def missed(cells: Mapping[tuple[str, str], int]) -> Collection[tuple[Row, str]]:
    """Rows and phases that can happen together, and did not."""
    return [
        (row, phase)
        for row in CATALOGUE
        for phase in ([START] if at_start(row) else PHASES)
        if row.faults and phase not in row.impossible and not cell(row, phase, cells)
    ]


def at_start(row: Row) -> bool:
    """Is it about a start alone?"""
    return row.impossible is _STARTING
