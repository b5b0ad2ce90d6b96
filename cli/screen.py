"""What a person sees of a run: progress on stderr while it goes on, the summary on stdout when it is over.

Only looks: nothing here changes the desk, and a terminal that went away costs no hedge.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Context, Decimal

from cli.streams import BLUE, BOLD, GREEN, PLAIN, RED, YELLOW, colourful, write_note
from engine.trading.desk import Desk
from engine.trading.effects import Alert, CancelOrder, Effect, Finish, Level, Moved, PlaceOrder, RoundBegan, RoundEnded
from engine.trading.inputs import Answered, Input
from exchanges.types import ZERO, Clock, Fill, FillKind, Refused, Side

ALERTS_KEPT = 20  # in the summary; the journal has all
PROGRESS_S = 2  # wall seconds between two progress lines of a run in virtual time
_WORTH_A_LINE = {"round_cost": "cost", "not_opening": "waits"}  # of what no person is needed for
_TONES = {"ERROR": RED, "CLEANUP": YELLOW, "HOLDING": GREEN, "IDLE": PLAIN}
_STOPPING = (
    "",
    "stopping in order: no opening, cancel, hedge, close, flatten; again for market orders now",
    "flattening by market now; again to leave with what is open",
    "leaving",
)


class Screen:
    """Progress of one run. `effect` and `step` are the runner's sink and trace; `detailed` shows orders and fills."""

    def __init__(self, *, detailed: bool) -> None:
        self._detailed = detailed
        self._colour = colourful(sys.stderr)
        self._desk: Desk | None = None
        self._clock: Clock | None = None
        self._start_ns = 0
        self._state = ""
        self._last = ""
        self._level = 0
        self.rounds = 0
        self.person_alerts: list[str] = []  # what a person must know of, the first ones
        self.given_up = 0  # openings that ended without a fill
        self._told_rounds = 0
        self._began_s = self._told_s = time.monotonic()

    @property
    def is_stopping(self) -> bool:
        return self._level > 0

    def begin(self, desk: Desk, clock: Clock, *, run: int) -> None:
        self._desk, self._clock, self._start_ns = desk, clock, clock.now_ns()
        plan = desk.world.plan
        roles = "; ".join(f"{role}: {', '.join(names)}" for role, names in plan.roles.items())
        write_note(f"run {run}: {plan.flow.name} on {plan.market}; {roles}")

    # --- what the runner tells

    def effect(self, effect: Effect) -> None:
        if isinstance(effect, RoundEnded):
            if effect.opened:
                self.rounds += 1
            else:
                self.given_up += 1
            if not self._detailed:
                self._progress()
        elif isinstance(effect, Alert) and effect.code in _WORTH_A_LINE:
            self._line(_WORTH_A_LINE[effect.code], effect.text, BLUE)
        elif isinstance(effect, Alert) and effect.level > Level.INFO:
            person = effect.level is Level.PERSON
            if person and len(self.person_alerts) < ALERTS_KEPT:
                self.person_alerts.append(f"{effect.code}: {effect.text}")
            self._line("ALERT" if person else "warning", f"{effect.code}: {effect.text}", RED if person else YELLOW)

    def step(self, seq: int, at_ns: int, given: Input, effects: list[Effect]) -> None:
        """One step of the desk: shown at a speed that a person can follow, and on the way out at any speed."""
        if not self._detailed and not self._level:
            return
        moves = [effect for effect in effects if isinstance(effect, Moved) and effect.target is not None]
        if not self._detailed:
            self._moved(moves)
            return
        if isinstance(given, Fill):
            self._line("fill", _fill_text(given), GREEN)
        elif isinstance(given, Answered) and isinstance(given.reply, Refused):
            self._line("refused", f"{given.client_id}: {given.reply.refusal.value} {given.reply.text}".rstrip(), YELLOW)
        for effect in effects:
            match effect:
                case Moved():
                    self._moved(moves)
                    moves = []
                case PlaceOrder():
                    self._line(effect.purpose.value, _order_text(effect), BLUE)
                case CancelOrder():
                    self._line("cancel", f"{effect.account} {effect.client_id}", BLUE)
                case RoundBegan():
                    self._line("round", f"{effect.round} begins, opening side {effect.side}", BOLD)
                case RoundEnded():
                    self._line("round", _round_text(effect), BOLD)
                case Finish():
                    self._line("finish", effect.text, GREEN if effect.exit_code == 0 else RED)
                case _:
                    pass

    def stopping(self, level: int) -> None:
        """A signal came, or what stands for one (E18)."""
        self._level = max(self._level, min(level, 3))
        self._line("STOP", _STOPPING[self._level], RED)
        self._left()

    def recording_ends(self, lead_ns: int) -> None:
        self._line("END", f"the recording ends in {lead_ns / 1_000_000_000:.0f} s", YELLOW)

    # --- lines

    def _moved(self, moves: list[Moved]) -> None:
        """Where a step came to rest; while stopping also inside a state, with what is left."""
        if not moves:
            return
        full = (moves[-1].target or "").upper()
        state = full.split(".")[0]
        if self._level:
            self._line(state, f"{full}; left: {self._what_is_left()}", _TONES.get(state, BLUE))
        elif state != self._state:
            self._line(state, self._positions(), _TONES.get(state, BLUE))
        self._state = state

    def _left(self) -> None:
        self._line("left", self._what_is_left(), YELLOW)

    def _what_is_left(self) -> str:
        return "nothing" if self._desk is None else "; ".join(self._desk.exposure_lines()) or "nothing"

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
        pace = (self.rounds - self._told_rounds) / (now_s - self._told_s)
        self._told_s, self._told_rounds = now_s, self.rounds
        self._line("rounds", f"{self.rounds}, {pace:.0f}/s, {self._positions()}", BOLD)

    def _line(self, word: str, text: str, tone: str) -> None:
        body = f"{word:<14} {text}"
        if body == self._last and self._level:
            return
        self._last = body
        at_s = 0 if self._clock is None else (self._clock.now_ns() - self._start_ns) // 1_000_000
        stamp = f"{at_s // 1000:>6}.{at_s % 1000:03}"
        write_note(f"{stamp}  {tone}{word:<14}{PLAIN} {text}" if self._colour else f"{stamp}  {body}")


def plain(value: Decimal, *, sign: bool = False) -> str:
    """A quantity without trailing zeros and exponents."""
    text = f"{value.normalize():+f}" if sign else f"{value.normalize():f}"
    return "0" if not value else text


def _fill_text(fill: Fill) -> str:
    verb = "bought" if fill.side is Side.BUY else "sold"
    kind = "" if fill.kind is FillKind.TRADE else f" ({fill.kind.value})"
    return (
        f"{fill.account} {verb} {plain(fill.qty)} {fill.symbol} at {plain(fill.price)} as {fill.liquidity.value},"
        f" fee {plain(short(fill.fee))} {fill.fee_asset}{kind}"
    )


def short(value: Decimal) -> Decimal:
    """Four significant digits, for the eye."""
    return Context(prec=4).plus(value)


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


def summary_of(
    desk: Desk, screen: Screen, *, run: int, exit_code: int, ending: str, seconds: Decimal, journal: str | None
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
        run=run, exit_code=exit_code, ending=ending, alerts=tuple(screen.person_alerts), market=plan.market,
        quote=next(iter(plan.accounts.values())).instrument.quote, rounds=screen.rounds,
        given_up=screen.given_up, seconds=seconds, volume=sum((line.volume for line in lines), ZERO),
        fees=sum((line.fees for line in lines), ZERO), profit=desk.risk.equity(), journal=journal, accounts=lines,
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
    lines = [
        it.ending,
        *(f"ALERT {alert}" for alert in it.alerts),
        f"rounds {it.rounds}{given_up} in {it.seconds:.1f} s; volume {it.volume:.2f} {it.quote},"
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
