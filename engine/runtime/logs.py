"""The logs of a run as the runner sees them: a sink and a trace that cost a step next to nothing.

Notes what a step was given and decided, and where it left the positions; lines are made and written elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from engine.runtime.clock import S
from engine.runtime.log_files import LogWriter
from engine.runtime.log_format import Value
from engine.runtime.log_lines import Happening, Line, Log, Standing
from engine.runtime.status import Status
from engine.trading.alert_codes import Raiser, alert_code
from engine.trading.desk import Desk
from engine.trading.effects import Alert, ArmTimer, AskOrder, AskPositions, DisarmTimer, Effect, Level, Moved
from engine.trading.inputs import Answered, Input, Looked, NotSent, Recalled, Started
from exchanges.types import ZERO, Cancellable, Clock, Fill, LinkUpdate, OrderUpdate

CLOSE_S = 2.0  # at the end of a run, for lines that wait
# Steps are handed over in batches: a thread that woke after each step of a burst would slow the next one down, since
# the two share one interpreter.
HAND_OVER_NS = S // 10  # how long a step may wait at live speed ...
BATCH = 200  # ... and how many may
_TOLD = frozenset({Fill, OrderUpdate, Looked, Answered, NotSent, LinkUpdate, Started})
_MOVES = frozenset({Fill, OrderUpdate, Looked, Recalled})  # inputs that may move a position
_SILENT = frozenset({ArmTimer, DisarmTimer, AskOrder, AskPositions, Moved})  # effects without a line


class Logs:
    """`effect` and `step` are the runner's sink and trace; `tell` is called once, with an alert, when writing fails.

    `hand_over_ns` bounds how long a step waits until it is written (0: not bounded, for virtual time).
    """

    def __init__(
        self, writer: LogWriter, desk: Desk, clock: Clock, *, decided_ns: Callable[[], int],
        tell: Callable[[Alert], None], hand_over_ns: int = HAND_OVER_NS,
    ) -> None:  # fmt: skip
        self._writer = writer
        self._desk = desk
        self._clock = clock
        self._decided_ns = decided_ns
        self._tell = tell
        self._told = False
        self._hand_over_ns = hand_over_ns
        self._waiting: list[Happening] = []
        self._timer: Cancellable | None = None
        self._held = {name: book.position for name, book in desk.world.ledger.books.items()}

    def step(self, seq: int, at_ns: int, given: Input, effects: list[Effect]) -> None:
        kind = type(given)
        standing = self._standing(given) if kind in _MOVES else None  # type: ignore[arg-type]
        told = [effect for effect in effects if type(effect) not in _SILENT] if effects else ()
        if told or standing is not None or kind in _TOLD:
            decided_ns = self._decided_ns() if told else 0
            self._put(Happening(seq, at_ns, self._clock.wall_ms(), given, tuple(told), decided_ns, standing))

    def effect(self, effect: Effect) -> None:
        """Only what belongs to no step: those of a step come with it."""
        if isinstance(effect, Alert) and alert_code(effect.code).raiser is Raiser.PROCESS:
            self._put(Happening(None, self._clock.now_ns(), self._clock.wall_ms(), None, (effect,)))

    def begin(self, **about: Value) -> None:
        """Say in each log which run it is, and start writing."""
        self._put_lines(*((log, {"event": "run_started", **about}) for log in Log))

    def figures(self, it: Status) -> None:
        """A line for the performance log that says how the run stands."""
        rate, exposure = it.rounds.fill_rate, it.exposure
        self._put_lines(
            (
                Log.PERFORMANCE,
                {
                    "event": "figures", "state": it.state, "rounds": it.rounds.done, "given_up": it.rounds.given_up,
                    "fill_rate": None if rate is None else Decimal(str(rate)), "volume": it.volume, "fees": it.fees,
                    "profit": it.profit, "net_position": exposure.net_position, "in_flight": exposure.in_flight,
                    "dust": exposure.dust, "unhedged": exposure.unhedged, "unhedged_ms": exposure.unhedged_ms,
                    "hedge_p50_us": it.latency.p50_us, "hedge_p99_us": it.latency.p99_us,
                },
            )
        )  # fmt: skip

    def close(self) -> None:
        """Write what waits, as far as the disk is ready."""
        if self._timer is not None:
            self._timer.cancel()
        self._hand_over()
        self._writer.close(within_s=CLOSE_S)
        self._look_for_trouble()

    def _put_lines(self, *lines: Line) -> None:
        self._put(Happening(None, self._clock.now_ns(), self._clock.wall_ms(), None, (), lines=lines))

    def _put(self, happening: Happening) -> None:
        self._waiting.append(happening)
        if len(self._waiting) >= BATCH:
            self._hand_over()
        elif self._timer is None and self._hand_over_ns:
            self._timer = self._clock.call_at(self._clock.now_ns() + self._hand_over_ns, self._due)

    def _due(self) -> None:
        self._timer = None
        self._hand_over()

    def _hand_over(self) -> None:
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self._writer.put(waiting)
        self._look_for_trouble()

    def _standing(self, given: Fill | OrderUpdate | Looked | Recalled) -> Standing | None:
        """Where the positions stand now, if this input moved the one of its account."""
        if isinstance(given, Looked):
            if given.update is None:
                return None
            given = given.update
        account = given.account
        ledger = self._desk.world.ledger
        position = ledger.books[account].position
        if position == self._held[account]:
            return None
        self._held[account] = position
        in_flight = self._desk.world.in_flight()
        return Standing(
            account, ledger.instruments[account].symbol, position, ledger.exposure, ledger.maker_open_position,
            ledger.maker_close_position, sum(ledger.taker_hedges.values(), ZERO), in_flight,
            ledger.exposure + in_flight,
        )  # fmt: skip

    def _look_for_trouble(self) -> None:
        if self._writer.trouble and not self._told:
            self._told = True
            text = f"a log cannot be written: {self._writer.trouble}; the run goes on without"
            self._tell(Alert(Level.WARNING, "logs_lost", text, {}))
