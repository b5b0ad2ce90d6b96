"""The run that a review is about: what it was, and the flow that it ran, from the journal's own text."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from engine.chart.load import load_flow
from engine.chart.model import Flow, FlowError
from engine.errors import JournalCorrupt
from engine.runtime.journal_read import RunRow
from engine.trading.vocabulary import trading_vocabulary

__all__ = ["RunHead", "flow_of", "head_of", "leaf_names"]

DIGEST_SHOWN = 8


@dataclass(frozen=True, slots=True)
class RunHead:
    """`over` is False for a run that goes on or whose process died; `last_*` is the last step of the journal."""

    number: int
    flow: str
    version: int
    digest: str
    market: str
    over: bool
    last_seq: int
    last_ns: int

    def __str__(self) -> str:
        """`run 1: eagle_chicken version 1 (1f0c2a9d) on ETH-PERP`."""
        return f"run {self.number}: {self.flow} version {self.version} ({self.digest[:DIGEST_SHOWN]}) on {self.market}"


def head_of(journal: sqlite3.Connection, row: RunRow) -> RunHead:
    last = journal.execute("SELECT seq, at_ns FROM inputs WHERE run = ? ORDER BY seq DESC LIMIT 1", (row.number,))
    seq, at_ns = last.fetchone() or (0, 0)
    market = journal.execute("SELECT market FROM accounts WHERE run = ? LIMIT 1", (row.number,)).fetchone()
    return RunHead(
        row.number, row.flow, row.flow_version, row.flow_digest, market[0] if market else "no market",
        row.exit_code is not None, seq, at_ns,
    )  # fmt: skip


def flow_of(row: RunRow) -> Flow:
    """Raises: JournalCorrupt for a text that this program cannot read."""
    try:
        return load_flow(row.flow_text, file=f"{row.flow}.yaml", vocabulary=trading_vocabulary())
    except FlowError as wrong:
        raise JournalCorrupt(f"run {row.number}: this program cannot read its flow: {wrong}") from wrong


def leaf_names(flow: Flow) -> Mapping[str, str]:
    """The journal writes states in lower case (E4); this gives them back as the flow has them."""
    return {leaf.lower(): leaf for leaf in flow.leaves}
