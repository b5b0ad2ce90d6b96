"""What earlier runs of the same accounts left open, by the journal alone (S1, S15).

The newest run that touched these accounts tells: what it took over itself, what it filled, and which of its orders it
never saw the end of. Of a flat run nothing is left, and the next baseline is what the venues say.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from engine.errors import JournalCorrupt
from engine.runtime.codec import decode_input
from engine.runtime.left_lots import left_lots
from engine.trading.inputs import Carried, Held, Recalled
from engine.trading.world import DEAD_MARGIN_NS, MS, VALID_MS
from exchanges.types import ZERO, OrderState, Side

__all__ = ["LONGEST_NS", "Left", "Place", "broken_off", "chain_of", "left_by_earlier_runs"]

LONGEST_NS = 2 * VALID_MS * MS + DEAD_MARGIN_NS  # as the world gives to every request: then it is provably dead (S4)

NEVER_MS = 1 << 62
OVERLAP_MS = 10_000  # clocks differ, and rows may come late


@dataclass(frozen=True, slots=True)
class Place:
    """Where an account trades; `venue` is its name in the config, `where` the kind and address behind it."""

    venue: str
    where: str
    symbol: str


@dataclass(frozen=True, slots=True)
class Left:
    """`elsewhere`: what is open on accounts that the new run does not name as that run did, in words."""

    run: int
    carried: Carried | None
    elsewhere: tuple[str, ...]


def left_by_earlier_runs(
    journal: sqlite3.Connection, places: Mapping[str, Place], *, wheres: Mapping[int, Mapping[str, str]], wall_ms: int
) -> Left | None:
    """What the newest run left that traded on one of these accounts; None where there is none, or nothing is open.

    `wheres` says of each run to be looked at what is behind its venues' names. Raises: JournalCorrupt.
    """
    for run, then in _on(journal, places, wheres):
        left = _left_by(journal, run, then, wall_ms)
        if left is None:
            continue  # it died before it knew what it stood on, and sent nothing
        return _sorted_out(run, left, then, places, listens=_listens(journal, run))
    return None


def broken_off(
    journal: sqlite3.Connection, places: Mapping[str, Place], *, wheres: Mapping[int, Mapping[str, str]]
) -> int:
    """The newest run that traded on one of these accounts, if it never came to its end; else 0."""
    run = next((run for run, _ in _on(journal, places, wheres)), 0)
    return run if run and _untold(journal, run)[0] else 0


def _on(
    journal: sqlite3.Connection, places: Mapping[str, Place], wheres: Mapping[int, Mapping[str, str]]
) -> Iterator[tuple[int, dict[str, Place]]]:
    """The runs that traded on one of these accounts, newest first, each with where its accounts were."""
    for run in sorted(wheres, reverse=True):
        then = {
            name: Place(venue, wheres[run].get(venue, ""), symbol)
            for name, venue, symbol in journal.execute(_ACCOUNTS, (run,))
        }
        if any(places.get(name) == place for name, place in then.items()):
            yield run, then


def chain_of(journal: sqlite3.Connection, run: int) -> tuple[int, ...]:
    """The run, and before it those whose leftovers it took over, one from the other; oldest first."""
    chain = [run]
    while (before := _taken_over(journal, chain[0])) is not None:
        chain.insert(0, before.run)
    return tuple(chain)


def _sorted_out(
    run: int, left: Carried, then: Mapping[str, Place], places: Mapping[str, Place], *, listens: bool
) -> Left | None:
    open_on = {it.account for it in left.held if it.ours} | {it.account for it in left.orders}
    if listens and not left.orders and not left.untold and not sum((it.ours for it in left.held), ZERO):
        return None  # what is held on both sides is meant to stay, and no hedge can be missing in the journal
    if not open_on:
        return None
    lost = [name for name in sorted(open_on) if places.get(name) != then[name]]
    if lost:
        held = {it.account: it.ours for it in left.held}
        words = [f"{name}: {held[name]:+f} {then[name].symbol} on {then[name].venue}" for name in lost]
        return Left(run, None, tuple(words))
    return Left(run, replace(left, held=tuple(it for it in left.held if it.account in places)), ())


def _left_by(journal: sqlite3.Connection, run: int, then: Mapping[str, Place], wall_ms: int) -> Carried | None:
    before = _taken_over(journal, run)
    started = {name for (name,) in journal.execute(_STARTED, (run,))}
    if before is None and not started:
        return None
    earlier = {} if before is None else {it.account: it for it in before.held}
    held = []
    for name, place in then.items():
        filled = _filled(journal, run, name, place.symbol)
        if name in earlier:
            held.append(Held(name, earlier[name].baseline, earlier[name].ours + filled))
        else:
            held.append(Held(name, _start(journal, run, name, place.symbol), filled))
    orders, since_ms = _without_end(journal, run, wall_ms)
    lots = left_lots(journal, run, before, wall_ms) if _listens(journal, run) else ()
    untold, told_ms = _untold(journal, run)
    if before is not None and not started:  # it never asked for what it was to find out
        untold, told_ms = (*before.untold, *untold), min(told_ms, before.since_ms + OVERLAP_MS)
    return Carried(run, min(since_ms, told_ms) - OVERLAP_MS, tuple(held), tuple(orders), lots, untold)


def _untold(journal: sqlite3.Connection, run: int) -> tuple[tuple[int, ...], int]:
    """A run without an end, whose last orders may be in no journal, and until when it told all; none if it ended."""
    ((ended_ms, told_ms),) = journal.execute(_TOLD, {"run": run}).fetchall()
    return ((), NEVER_MS) if ended_ms is not None else ((run,), int(told_ms))


def _listens(journal: sqlite3.Connection, run: int) -> bool:
    """Was an account of it only listened to?"""
    ((plan,),) = journal.execute("SELECT plan FROM runs WHERE number = ?", (run,)).fetchall()
    return bool(json.loads(plan).get("heard"))


def _taken_over(journal: sqlite3.Connection, run: int) -> Carried | None:
    for (body,) in journal.execute("SELECT body FROM inputs WHERE run = ? AND kind = 'carried'", (run,)):
        try:
            given = decode_input("carried", body)
        except (ValueError, TypeError, KeyError) as error:
            raise JournalCorrupt(f"run {run}: what it took over cannot be read ({error})") from error
        assert isinstance(given, Carried)
        return given
    return None


def _start(journal: sqlite3.Connection, run: int, account: str, symbol: str) -> Decimal:
    return sum((Decimal(qty) for (qty,) in journal.execute(_START, (run, account, symbol))), ZERO)


def _filled(journal: sqlite3.Connection, run: int, account: str, symbol: str) -> Decimal:
    """Signed sum of the run's fills, net of fees taken in base (S18)."""
    total = ZERO
    for side, news, fee, fee_asset, base, quote in journal.execute(_FILLS, (run, account, symbol)):
        total += Side(side).sign * Decimal(news)
        if fee_asset == base != quote:
            total -= Decimal(fee)
    return total


def _without_end(journal: sqlite3.Connection, run: int, wall_ms: int) -> tuple[list[Recalled], int]:
    """Orders whose end or rows the run did not see; one that has only an intent may be anything (S4)."""
    found, since_ms = [], wall_ms
    for row in journal.execute(_ORDERS, {"run": run}):
        client, account, venue, symbol, side, qty, price, purpose, leg, number, made_ms, order, state, cum, rows = row
        if state is not None and OrderState(state).terminal and Decimal(cum) == Decimal(rows):
            continue
        trades = journal.execute(_TRADES, (venue, account, symbol, order or "")).fetchall()
        since_ms = min(since_ms, made_ms)
        age_ns = max(0, wall_ms - made_ms) * MS
        filled = Decimal(rows or 0)
        found.append(
            Recalled(
                client_id=client, account=account, venue=venue, symbol=symbol, side=Side(side), qty=Decimal(qty),
                price=None if price is None else Decimal(price), purpose=purpose, leg=leg, round=number,
                order_id=order or "", state=OrderState.PENDING if state is None else OrderState(state),
                filled=filled, provisional=max(Decimal(cum or 0) - filled, ZERO),
                trades=tuple(sorted(trade for (trade,) in trades)), dead_in_ns=max(0, LONGEST_NS - age_ns),
            )
        )  # fmt: skip
    return found, since_ms


_ACCOUNTS = "SELECT name, venue, symbol FROM accounts WHERE run = ?"
_STARTED = "SELECT account FROM balances WHERE run = ? AND moment = 'start'"
_START = "SELECT qty FROM holdings WHERE run = ? AND moment = 'start' AND account = ? AND symbol = ?"
_FILLS = """
SELECT f.side, f.news_qty, f.fee, f.fee_asset, a.base, a.quote FROM fills f
JOIN accounts a ON a.run = f.run AND a.name = f.account
WHERE f.run = ? AND f.account = ? AND f.symbol = ?
"""
_TOLD = """
SELECT ended_wall_ms, coalesce((SELECT max(wall_ms) FROM inputs WHERE run = :run), started_wall_ms) FROM runs
WHERE number = :run
"""
_ORDERS = """
SELECT i.client_id, i.account, i.venue, i.symbol, i.side, i.qty, i.price, i.purpose, i.leg, i.round, i.wall_ms,
       o.order_id, o.state, o.cum_qty, o.row_qty
FROM intents i LEFT JOIN orders o ON o.run = :run AND o.client_id = i.client_id
WHERE i.kind = 'place' AND (i.run = :run OR (i.account, i.client_id) IN (
    SELECT account, client_id FROM orders WHERE run = :run))
ORDER BY i.id
"""
_TRADES = """
SELECT DISTINCT trade_id FROM fills
WHERE run IN (SELECT number FROM runs) AND venue = ? AND account = ? AND symbol = ? AND order_id = ? AND NOT provisional
"""
