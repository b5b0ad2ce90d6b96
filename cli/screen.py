"""What a person sees of a run: progress on stderr while it goes on, the summary on stdout when it is over.

Only looks: nothing here changes the desk, and a terminal that went away costs no hedge.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal

from cli.streams import write_note
from cli.view import PlainView, View
from cli.words import plain, short, stop_words
from engine.runtime.snapshot import Tally
from engine.trading.desk import Desk
from engine.trading.effects import Alert, CancelOrder, Effect, Finish, Level, Moved, PlaceOrder, RoundBegan, RoundEnded
from engine.trading.inputs import Answered, Input
from engine.trading.plan import DIRECTIONAL
from exchanges.types import ZERO, Fill, FillKind, Refused, Side

LEFT_SHOWN = 5  # positions and orders in a line of progress; the last word of a run names all
PROGRESS_S = 2  # wall seconds between two progress lines of a run in virtual time
_WORTH_A_LINE = {
    "round_cost": "cost",
    "not_opening": "waits",
    "reconfigured": "config",
    "keys_changed": "keys",
    "net_zero": "net zero",
}  # of what no person is needed for
_STATE_TONES = {"ERROR": "alarm", "CLEANUP": "warning", "HOLDING": "good", "IDLE": "plain"}


class Screen:
    """Progress of one run. `effect` and `step` are the runner's sink and trace; `detailed` shows orders and fills.

    `prefix` begins the text of every line, where several runs share a terminal.
    """

    tally: Tally  # from `begin` on

    def __init__(self, *, detailed: bool, view: View | None = None, prefix: str = "") -> None:
        self._detailed = detailed
        self._prefix = prefix
        self.view = view or PlainView(patient=False)
        self._desk: Desk | None = None
        self._state = ""
        self._last = ""
        self.level = 0  # of the stop that was asked for
        self._told_rounds = 0
        self._told_s = time.monotonic()

    def begin(self, desk: Desk, tally: Tally, *, run: int) -> None:
        """`tally` counts ahead of this screen and keeps its lines."""
        self._desk, self.tally = desk, tally
        plan = desk.world.plan
        roles = "; ".join(f"{role}: {', '.join(names)}" for role, names in plan.roles.items())
        marked = "" if plan.hedged else f"; {DIRECTIONAL}"
        write_note(f"run {run}: {plan.flow.name} on {plan.market}; {roles}{marked}")

    # --- what the runner tells

    def effect(self, effect: Effect) -> None:
        if isinstance(effect, RoundEnded) and not self._detailed:
            self._progress()
        elif isinstance(effect, Alert) and effect.code in _WORTH_A_LINE:
            self._line(_WORTH_A_LINE[effect.code], effect.text, "info")
        elif isinstance(effect, Alert) and effect.level > Level.INFO:
            word, tone = ("ALERT", "alarm") if effect.level is Level.PERSON else ("warning", "warning")
            self._line(word, f"{effect.code}: {effect.text}", tone, lasting=True)

    def step(self, seq: int, at_ns: int, given: Input, effects: list[Effect]) -> None:
        """One step of the desk: shown at a speed that a person can follow, and on the way out at any speed."""
        if not self._detailed and not self.level:
            return
        moves = [effect for effect in effects if isinstance(effect, Moved) and effect.target is not None]
        if not self._detailed:
            self._moved(moves)
            return
        if isinstance(given, Fill):
            self._line("fill", _fill_text(given), "good")
        elif isinstance(given, Answered) and isinstance(given.reply, Refused):
            self._line(
                "refused", f"{given.client_id}: {given.reply.refusal.value} {given.reply.text}".rstrip(), "warning"
            )
        for effect in effects:
            match effect:
                case Moved():
                    self._moved(moves)
                    moves = []
                case PlaceOrder():
                    self._line(effect.purpose.value, _order_text(effect), "info")
                case CancelOrder():
                    self._line("cancel", f"{effect.account} {effect.client_id}", "info")
                case RoundBegan():
                    self._line("round", f"{effect.round} begins, opening side {effect.side}", "strong")
                case RoundEnded():
                    self._line("round", _round_text(effect), "strong")
                case Finish():
                    self._line("finish", effect.text, "good" if effect.exit_code == 0 else "alarm")
                case _:
                    pass

    def stopping(self, level: int, *, by: str = "") -> bool:
        """A signal came, or what stands for one (E18); True if that is a step further, not the same once more."""
        further = level > self.level
        self.level = max(self.level, min(level, 3))
        plan = None if self._desk is None else self._desk.world.plan
        words = stop_words(hedged=plan is None or plan.hedged, listens=plan is not None and bool(plan.heard))
        text = "; ".join(part for part in words[self.level] if part)
        self._line("STOP", f"{text}{f' ({by})' if by else ''}", "alarm")
        self._left()
        return further

    def pausing(self, paused: bool) -> None:
        word, text = ("PAUSE", "no opening from now on; closing and hedging go on") if paused else ("RESUME", "")
        self._line(word, text or "openings are allowed again", "warning", lasting=True)

    def not_suspended(self) -> None:
        text = "is ignored: a process that stands still cannot hedge; eagle pause stops opening"
        self._line("Ctrl-Z", text, "warning", lasting=True)

    def view_failed(self, text: str) -> None:
        self._line("warning", f"the view of the run failed ({text}); the run goes on", "warning", lasting=True)

    def recording_ends(self, lead_ns: int) -> None:
        self._line("END", f"the recording ends in {lead_ns / 1_000_000_000:.0f} s", "warning", lasting=True)

    # --- lines

    def _moved(self, moves: list[Moved]) -> None:
        """Where a step came to rest; while stopping also inside a state, with what is left."""
        if not moves:
            return
        full = (moves[-1].target or "").upper()
        state = full.split(".")[0]
        if self.level:
            self._line(state, f"{full}; left: {self._what_is_left()}", _STATE_TONES.get(state, "info"))
        elif state != self._state:
            self._line(state, self._positions(), _STATE_TONES.get(state, "info"))
        self._state = state

    def _left(self) -> None:
        self._line("left", self._what_is_left(), "warning")

    def _what_is_left(self) -> str:
        lines = [] if self._desk is None else self._desk.exposure_lines()
        more = [f"and {len(lines) - LEFT_SHOWN} more orders"] if len(lines) > LEFT_SHOWN + 1 else []
        return "; ".join([*lines[:LEFT_SHOWN], *more] if more else lines) or "nothing"

    def _positions(self) -> str:
        if self._desk is None:
            return ""
        held = [
            f"{name} {plain(book.position, sign=True)}"
            for name, book in self._desk.world.ledger.books.items()
            if book.position
        ]
        return f"net {plain(self._desk.world.exposure)}; {', '.join(held) or 'all flat'}"

    def _progress(self) -> None:
        """A line every few seconds, whatever the pace."""
        now_s = time.monotonic()
        if now_s - self._told_s < PROGRESS_S or self._desk is None:
            return
        pace = (self.tally.rounds - self._told_rounds) / (now_s - self._told_s)
        self._told_s, self._told_rounds = now_s, self.tally.rounds
        self._line("rounds", f"{self.tally.rounds}, {pace:.0f}/s, {self._positions()}", "strong")

    def _line(self, word: str, text: str, tone: str, *, lasting: bool = False) -> None:
        """One line of what happened; on the way out all of them last (E18)."""
        text = f"{self._prefix}{text}"
        body = f"{word:<14} {text}"
        if body == self._last and self.level:
            return
        self._last = body
        if self._desk is None:  # a signal before the run: there is no time yet to stamp it with
            write_note(body)
            return
        line = self.tally.add_line(word, text, tone=tone)
        self.view.line(line, lasting=lasting or self.level > 0 or self.tally.stopping > 0)


def _fill_text(fill: Fill) -> str:
    verb = "bought" if fill.side is Side.BUY else "sold"
    kind = "" if fill.kind is FillKind.TRADE else f" ({fill.kind.value})"
    return (
        f"{fill.account} {verb} {plain(fill.qty)} {fill.symbol} at {plain(fill.price)} as {fill.liquidity.value},"
        f" fee {plain(short(fill.fee))} {fill.fee_asset}{kind}"
    )


def _order_text(effect: PlaceOrder) -> str:
    order = effect.request
    price = "at market" if order.price is None else f"at {plain(order.price)}"
    words = [word for word, said in (("post-only", order.post_only), ("reduce-only", order.reduce_only)) if said]
    return f"{order.account} {order.side.value} {plain(order.qty)} {order.symbol} {price} {' '.join(words)}".rstrip()


def _round_text(ended: RoundEnded) -> str:
    return (
        f"{ended.round} over: opened {plain(ended.opened)}, closed {plain(ended.closed)},"
        f" volume {ended.volume:.2f}, fees {ended.fees:.4f}, residue {plain(ended.residue)}"
    )


# --- the summary


@dataclass(frozen=True, slots=True)
class AccountLine:
    """Since the start of the run; money in quote units."""

    account: str
    venue: str
    symbol: str
    position: Decimal
    volume: Decimal
    fees: Decimal
    cash: Decimal


@dataclass(frozen=True, slots=True)
class Summary:
    run: int
    exit_code: int
    ending: str
    alerts: tuple[str, ...]  # that call for a person, the first ones
    market: str
    quote: str
    rounds: int
    given_up: int
    seconds: Decimal  # of the run's own clock
    volume: Decimal
    fees: Decimal
    profit: Decimal | None  # mark to market, fees and cost to flatten included; None without a book to mark against
    journal: str | None
    accounts: tuple[AccountLine, ...]
    hedged: bool
    listens: bool  # to a source whose fills it hedges: it has no rounds


def summary_of(
    desk: Desk, tally: Tally, *, run: int, exit_code: int, ending: str, seconds: Decimal, journal: str | None
) -> Summary:
    books, plan = desk.world.ledger.books, desk.world.plan
    lines = tuple(
        AccountLine(
            name, plan.accounts[name].venue, plan.accounts[name].instrument.symbol, book.position, book.volume,
            book.fees, book.cash,
        )
        for name, book in books.items()
    )  # fmt: skip
    return Summary(
        run=run, exit_code=exit_code, ending=ending,
        alerts=tuple(f"{line.word}: {line.text}" for line in tally.alerts), market=plan.market,
        quote=next(iter(plan.accounts.values())).instrument.quote, rounds=tally.rounds,
        given_up=tally.given_up, seconds=seconds, volume=sum((line.volume for line in lines), ZERO),
        fees=sum((line.fees for line in lines), ZERO), profit=desk.risk.equity(), journal=journal, accounts=lines,
        hedged=plan.hedged, listens=bool(plan.heard),
    )  # fmt: skip


def as_text(summary: Summary) -> str:
    it = summary
    profit = "unknown (no book)" if it.profit is None else f"{it.profit:+.4f} {it.quote}"
    rows = [("account", "venue", "symbol", "position", f"volume {it.quote}", f"fees {it.quote}", f"cash {it.quote}")]
    rows += [
        (
            line.account, line.venue, line.symbol, plain(line.position, sign=True), f"{line.volume:.2f}",
            f"{line.fees:.4f}", f"{line.cash:+.4f}",
        )
        for line in it.accounts
    ]  # fmt: skip
    given_up = f" (and {it.given_up} openings given up)" if it.given_up else ""
    done = "listened for" if it.listens else f"rounds {it.rounds}{given_up} in"
    lines = [
        it.ending if it.hedged else f"{it.ending} ({DIRECTIONAL})",
        *(f"ALERT {alert}" for alert in it.alerts),
        f"{done} {it.seconds:.1f} s; volume {it.volume:.2f} {it.quote},"
        f" fees {it.fees:.4f} {it.quote}, P&L {profit} (fees included)",
        *_table(rows),
    ]
    if it.journal is not None:
        lines.append(f"journal {it.journal}, run {it.run}; check it with: eagle audit {it.journal} --run {it.run}")
    return "\n".join(lines)


def as_json(summary: Summary) -> str:
    """Decimals as text."""
    return json.dumps(asdict(summary), indent=2, default=str)


def as_csv(summary: Summary) -> str:
    """One line for each account."""
    names = list(AccountLine.__dataclass_fields__)
    rows = [",".join(str(getattr(line, name)) for name in names) for line in summary.accounts]
    return "\n".join([",".join(names), *rows])


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Text left, numbers right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if column < 3 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
