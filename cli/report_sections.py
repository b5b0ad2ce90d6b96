"""What a report says, section by section, in words and cells; terminal and page show the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum

from cli.report_words import bps, bps_of, counted, ending, money, pace, qty, share, span
from engine.review.report_figures import Money, Percentiles, Report
from engine.trading.plan import DIRECTIONAL
from exchanges.types import ZERO

__all__ = ["Line", "Section", "Table", "Tone", "heading", "preface", "sections"]

RANKS = ("median", "90 %", "99 %", "most")
Row = tuple[str, ...]


class Tone(Enum):
    PLAIN = "plain"
    GOOD = "good"
    BAD = "bad"
    WARNING = "warning"
    FAINT = "faint"


@dataclass(frozen=True, slots=True)
class Line:
    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Table:
    """The first `texts` columns are texts, the others numbers; the row that begins with `strong` stands out."""

    head: Row
    rows: tuple[Row, ...]
    texts: int = 1
    strong: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    parts: tuple[Line | Table, ...]


def heading(report: Report) -> str:
    kind = "live" if report.paper is None else "paper"
    marked = "" if report.run.hedged else f"; {DIRECTIONAL}"
    return f"run {report.run.number}, {kind}: {report.run.flow} on {report.run.market or 'no market'}{marked}"


def preface(report: Report) -> Iterator[Line]:
    """When it was, how it ended, and what limits the figures."""
    run = report.run
    begun = datetime.fromtimestamp(run.started_wall_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    clock = "virtual time" if run.speed == "max" else f"time at {run.speed}"
    yield Line(f"{span(run.length_ns)} of {clock}, its clock from {begun}; seed {run.seed}; {run.program}")
    yield Line(ending(run), Tone.GOOD if run.exit_code == 0 else Tone.BAD)
    if report.alerts:
        called = ", ".join(f"{code} ({times} x)" for code, times in report.alerts)
        yield Line(f"called for a person: {called}", Tone.BAD)
    for note in report.notes:
        yield Line(note, Tone.WARNING)
    if report.venue.unread:
        names = ", ".join(report.venue.unread)
        yield Line(f"equity was not read at both ends of {names}: the P&L is not reconciled", Tone.WARNING)


def sections(report: Report) -> Iterator[Section]:
    yield Section(f"Money, {report.run.quote}", tuple(_money(report)))
    yield Section("Accounts", (_accounts(report),))
    yield Section("Rounds", tuple(_rounds(report)))
    if report.cost.rounds:
        yield Section("Cost of a round, bps of its notional", tuple(_cost(report)))
    if report.orders:
        yield Section("Orders", tuple(_orders(report)))
    yield Section("Net position", tuple(_deviation(report)))
    if report.run.hedged:
        yield Section("Hedge latency of this program", (_latency(report),))
    if report.paper is not None:
        yield Section("This is a simulation", tuple(_paper(report)))


def _money(report: Report) -> Iterator[Table]:
    it, venue, quote = report.money, report.venue, report.run.quote
    parts = [("spread", it.spread), ("fees", -it.fees), ("funding", it.funding), ("slippage", it.slippage)]
    parts += [("drift", it.drift), *([("rest", it.rest)] if it.rest else []), ("P&L", it.pnl)]
    rows: list[Row] = [("volume", money(it.volume, digits=2), "")]
    rows += [(name, money(value, sign=True), bps_of(value, it.volume)) for name, value in parts]
    if venue.held_before:
        rows.append(("what was held before", money(venue.held_before, sign=True), ""))
    if venue.equity_change is not None and venue.unexplained is not None:
        rows.append(("change of the venues' equity", money(venue.equity_change, sign=True), ""))
        rows.append(("unexplained", money(venue.unexplained, sign=True), bps_of(venue.unexplained, it.volume)))
    yield Table(("", quote, "bps of volume"), tuple(rows), strong="P&L")
    if report.purposes:
        yield Table(
            ("of orders for", "fills", "volume", "spread", "fees", "slippage"),
            tuple(
                (
                    it.purpose, str(it.fills), money(it.volume, digits=2), money(it.spread, sign=True),
                    money(-it.fees, sign=True), money(it.slippage, sign=True),
                )
                for it in report.purposes
            ),
        )  # fmt: skip


def _accounts(report: Report) -> Table:
    def row(name: str, venue: str, position: Decimal, fills: int, it: Money) -> Row:
        return (
            name, venue, qty(position), str(fills), money(it.volume, digits=2), pace(it.volume, report.run.length_ns),
            money(-it.fees, sign=True), money(it.pnl, sign=True),
        )  # fmt: skip

    rows = [row(it.account, it.venue, it.position, it.fills, it.money) for it in report.accounts]
    net, fills = sum((it.position for it in report.accounts), ZERO), sum(it.fills for it in report.accounts)
    return Table(
        ("account", "venue", "position", "fills", "volume", "an hour", "fees", "P&L"),
        (*rows, row("all", "", net, fills, report.money)), texts=2, strong="all",
    )  # fmt: skip


def _rounds(report: Report) -> Iterator[Line | Table]:
    it, run = report.rounds, report.run
    told = [f"{it.done} done, {pace(it.done, run.length_ns)} an hour"]
    told += [f"{it.given_up} opened nothing"] if it.given_up else []
    told += [f"{it.open} without an end"] if it.open else []
    yield Line("; ".join(told))
    if it.took_ns.count:
        yield Table(("", *RANKS), (("a round took", *_spans(it.took_ns)),))


def _cost(report: Report) -> Iterator[Line | Table]:
    it, quote = report.cost, report.run.quote
    yield Table(
        ("", "mean", *RANKS),
        (
            ("expected", bps_of(it.expected, it.notional), *_figures(it.expected_bps)),
            ("realised", bps_of(it.realised, it.notional), *_figures(it.realised_bps)),
        ),
    )
    told = "" if it.told_bps is None else f"; before its first round the run expected {bps(it.told_bps)} bps"
    yield Line(
        f"{counted(it.rounds, 'round')}: {money(it.expected)} {quote} expected, {money(it.realised)} realised{told}"
    )
    yield Line(f"outside rounds (cleanups, flattening): {money(it.outside_rounds)} {quote}")


def _orders(report: Report) -> Iterator[Line | Table]:
    yield Table(
        ("for", "sent", "full", "part", "none", "failed", "filled", "median", "90 %", "99 %"),
        tuple(
            (
                it.purpose, str(it.orders), str(it.filled), str(it.partly), str(it.unfilled), str(it.failed),
                share(it.fill_rate), *_spans(it.fill_ns)[:3],
            )
            for it in report.orders
        ),
    )  # fmt: skip
    yield Line("filled: of the quantity of orders that did not fail; times: from decision to fill", Tone.FAINT)
    own = report.own_trades
    if own is not None:
        text = f"trades of two own accounts with each other: {own.matched} of {own.trades}"
        yield Line(text, Tone.BAD if own.matched else Tone.FAINT)


def _deviation(report: Report) -> Iterator[Line | Table]:
    it = report.deviation
    yield Line(
        f"mean {qty(it.mean)}, largest {qty(it.largest)}, at ends of rounds up to {qty(it.at_round_ends)}, at the end"
        f" {qty(it.end)}; dust is up to {qty(it.dust)}"
    )
    if it.age_ns.count:
        rows = [(f"above dust {it.age_ns.count} x", *_spans(it.age_ns), share(it.exposed_share))]
        held = report.held_back_ns
        if held.count:
            rows.append((f"held back {held.count} x", *_spans(held), ""))
        yield Table(("", *RANKS, "of the time"), tuple(rows))
        if held.count:
            yield Line(
                "held back: hedges that waited until the maker's own order on that book had ended (S8)", Tone.FAINT
            )


def _latency(report: Report) -> Line | Table:
    if not report.latency:
        return Line("no hedge has all five stamps")
    if report.run.speed == "max":
        return Line("not measured: virtual time stands still while the program works")
    return Table(
        ("received to written", "hedges", *RANKS),
        tuple((stage.name, str(stage.took_ns.count), *_spans(stage.took_ns)) for stage in report.latency),
    )


def _paper(report: Report) -> Iterator[Line | Table]:
    it, notional = report.paper, report.cost.notional
    assert it is not None
    results = (("optimistic", it.optimistic), ("as simulated", it.simulated), ("pessimistic", it.pessimistic))
    yield Table(
        (
            f"sample: {span(report.run.length_ns)}, {counted(report.rounds.done, 'round')}",
            f"P&L {report.run.quote}", "bps of what rounds opened",
        ),
        tuple((name, money(value, sign=True), bps_of(value, notional)) for name, value in results),
    )  # fmt: skip
    yield Line(f"taken beyond the size shown: {qty(it.beyond_best)}")
    for text in (*it.venues, *it.assumes):
        yield Line(text, Tone.FAINT)


def _spans(it: Percentiles) -> Row:
    return tuple(span(ns) for ns in (it.p50, it.p90, it.p99, it.most)) if it.count else ("-",) * 4


def _figures(it: Percentiles) -> Row:
    return tuple(map(bps, (it.p50, it.p90, it.p99, it.most)))
