"""What the journal costs per round, against bare sqlite3 inserts of the same rows. Run: python bench/journal.py

A round has 5 intents, 5 sends, 25 inputs, 6 fills, 8 transitions and 5 quotes. The journal and its floor take turns;
printed are microseconds a round: least, median and greatest of the turns. Target: median at most 700.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine.runtime.codec import effects_digest, encode_input
from engine.runtime.journal import RunStart, Sync
from engine.runtime.journal_sqlite import SqliteJournal
from engine.trading.effects import (
    ArmTimer,
    CancelOrder,
    DisarmTimer,
    Effect,
    Moved,
    PlaceOrder,
    Purpose,
    RoundBegan,
    RoundEnded,
    Urgency,
)
from engine.trading.inputs import Answered, Input, Request, TimerFired
from exchanges.types import (
    Accepted,
    Fill,
    Instrument,
    Liquidity,
    MarketKind,
    OrderRequest,
    OrderState,
    OrderType,
    OrderUpdate,
    Quote,
    SelfTrade,
    Side,
    TimeInForce,
)

ROUNDS = 300
PRICE = Decimal("2500.10")
INSTRUMENT = Instrument(
    venue="paper-a", symbol="ETH-PERP", market="ETH-PERP", kind=MarketKind.PERP, base="ETH", quote="USDC",
    tick=Decimal("0.01"), lot=Decimal("0.001"), min_qty=Decimal("0.001"),
)  # fmt: skip
ORDERS = (
    ("open", "maker", Side.BUY, Purpose.OPEN, 2),
    ("hedge", "taker-1", Side.SELL, Purpose.HEDGE, 1),
    ("hedge", "taker-2", Side.SELL, Purpose.HEDGE, 1),
    ("close", "maker", Side.SELL, Purpose.CLOSE, 1),
    ("hedge", "taker-1", Side.BUY, Purpose.HEDGE, 1),
)
Step = tuple[Input, list[Quote], list[int], list[Effect]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=7)
    turns: int = parser.parse_args().turns
    names: dict[str, Callable[[Path, int], float]] = {
        "codec alone": lambda _folder, _turn: codec_alone(),
        "sqlite3 floor, same rows": floor,
        "journal, sync normal": lambda folder, turn: journal(folder, turn, sync=Sync.NORMAL),
        "journal, sync rounds": lambda folder, turn: journal(folder, turn, sync=Sync.ROUNDS),
    }
    figures: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(turns):
            for name, measure in names.items():
                figures[name].append(measure(Path(folder), turn))
    print(f"{'us a round':28}{'min':>8}{'median':>8}{'max':>8}")
    for name, values in figures.items():
        print(f"{name:28}{min(values):8.0f}{statistics.median(values):8.0f}{max(values):8.0f}")


def steps_of(number: int) -> Iterator[Step]:
    """The 25 inputs of a round with what their steps read, drew and asked for."""
    at = number * 1_000_000
    yield _timer(at), [_quote(at)], [number % 3], [RoundBegan(number, "buy"), _moved(number), _arm(at)]
    for index, (leg, account, side, purpose, fills) in enumerate(ORDERS):
        effect = _place(number, index, leg=leg, account=account, side=side, purpose=purpose)
        request = effect.request
        yield _timer(at), [_quote(at)], [], [effect, _moved(number), _arm(at)]
        yield Answered(request.client_id, Request.PLACE, Accepted(f"{number}{index}")), [], [], []
        yield _update(request, OrderState.OPEN, Decimal(0), at), [], [], [DisarmTimer("chart", "open", number)]
        for part in range(fills):
            fill = _fill(request, f"{number}{index}", part, Decimal("0.01") / fills)
            yield fill, [], [], [_arm(at)]
    yield _timer(at), [], [], [_moved(number), CancelOrder("maker", "ETH-PERP", f"e1r{number}s0", at)]
    money = Decimal("0.01")
    yield _timer(at), [], [], [_moved(number), RoundEnded(number, money, money, Decimal(0), PRICE, money, -money)]
    yield _timer(at), [], [], []


def journal(folder: Path, turn: int, *, sync: Sync) -> float:
    file = SqliteJournal(folder / f"{sync.value}{turn}.db", sync=sync, on_lost=print)
    accounts = tuple((name, INSTRUMENT) for name in ("maker", "taker-1", "taker-2"))
    file.run_started(RunStart(1, "eagle", 1, "d", "f", "c", 1, "{}", "{}", "{}", "max", "0.1.0", accounts, 0))
    rounds = [list(steps_of(number)) for number in range(ROUNDS)]
    began = time.perf_counter_ns()
    seq = 0
    for steps in rounds:
        for given, quotes, draws, effects in steps:
            seq += 1
            for effect in effects:
                if isinstance(effect, PlaceOrder):
                    file.intents([(effect, seq, seq, seq)])
                    file.sent(effect.request.client_id, Request.PLACE, seq)
            file.step(seq, seq, seq, given, quotes, draws, effects)
    file.flush()
    took = time.perf_counter_ns() - began
    file.close()
    if file.failed:
        raise SystemExit(f"journal failed: {file.failure}")
    return took / ROUNDS / 1000


def codec_alone() -> float:
    rounds = [list(steps_of(number)) for number in range(ROUNDS)]
    began = time.perf_counter_ns()
    for steps in rounds:
        for given, _, _, effects in steps:
            encode_input(given)
            effects_digest(effects)
    return (time.perf_counter_ns() - began) / ROUNDS / 1000


def floor(folder: Path, turn: int) -> float:
    """The rows that the journal wrote, read back and inserted again: intents one by one, the rest in batches."""
    source = sqlite3.connect(folder / f"{Sync.NORMAL.value}{turn - 1}.db") if turn else _first_source(folder)
    target = sqlite3.connect(folder / f"floor{turn}.db", isolation_level=None)
    target.execute("PRAGMA journal_mode = WAL")
    target.execute("PRAGMA synchronous = NORMAL")
    for (sql,) in source.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND type != 'view'"):
        target.execute(sql)
    tables = ("inputs", "fills", "sends", "transitions", "quotes_used", "rounds", "orders")
    rows = {name: source.execute(f"SELECT * FROM {name}").fetchall() for name in (*tables, "intents")}
    marks = {name: ",".join("?" * len(rows[name][0])) for name in rows}
    began = time.perf_counter_ns()
    for row in rows["intents"]:
        target.execute(f"INSERT INTO intents VALUES ({marks['intents']})", row)
    batches = ROUNDS // 5
    for batch in range(batches):
        target.execute("BEGIN IMMEDIATE")
        for name in tables:
            part = rows[name][batch * len(rows[name]) // batches : (batch + 1) * len(rows[name]) // batches]
            target.executemany(f"INSERT INTO {name} VALUES ({marks[name]})", part)
        target.execute("COMMIT")
    took = time.perf_counter_ns() - began
    target.close()
    source.close()
    return took / ROUNDS / 1000


def _first_source(folder: Path) -> sqlite3.Connection:
    journal(folder, -1, sync=Sync.NORMAL)
    return sqlite3.connect(folder / f"{Sync.NORMAL.value}-1.db")


def _timer(at: int) -> TimerFired:
    return TimerFired("chart", "after:MAKER_OPENING:open_timeout", at)


def _moved(number: int) -> Moved:
    return Moved("order.filled", "MAKER_OPENING.resting", "TAKER_HEDGING", number)


def _arm(at: int) -> ArmTimer:
    return ArmTimer("chart", "after:MAKER_OPENING:open_timeout", at, at + 5)


def _quote(at: int) -> Quote:
    return Quote("paper-a", "ETH-PERP", PRICE, Decimal("1.5"), PRICE + 1, Decimal("2.5"), at, at)


def _place(number: int, index: int, *, leg: str, account: str, side: Side, purpose: Purpose) -> PlaceOrder:
    request = OrderRequest(
        client_id=f"e1r{number}s{index}", account=account, symbol="ETH-PERP", side=side, qty=Decimal("0.01"),
        price=PRICE, type=OrderType.LIMIT, tif=TimeInForce.GTC, post_only=True, reduce_only=False, valid_ms=2000,
        self_trade=SelfTrade.CANCEL_TAKER,
    )  # fmt: skip
    return PlaceOrder(
        request=request, venue="paper-a", urgency=Urgency.OPEN, purpose=purpose, leg=leg, round=number,
        attempt=1, covers=Decimal("0.01"), epoch=number, not_after_ns=number,
    )  # fmt: skip


def _update(request: OrderRequest, state: OrderState, cum_qty: Decimal, at: int) -> OrderUpdate:
    return OrderUpdate(
        account=request.account, symbol=request.symbol, client_id=request.client_id, order_id="", side=request.side,
        qty=request.qty, state=state, cum_qty=cum_qty, price=request.price, at_ms=at, recv_ns=at,
    )  # fmt: skip


def _fill(request: OrderRequest, order_id: str, part: int, qty: Decimal) -> Fill:
    return Fill(
        venue="paper-a", account=request.account, symbol=request.symbol, client_id=request.client_id,
        order_id=order_id, trade_id=f"t{part}", side=request.side, qty=qty, price=PRICE, fee=Decimal("0.0012"),
        fee_asset="USDC", liquidity=Liquidity.MAKER, at_ms=1_700_000_000_000, recv_ns=1,
    )  # fmt: skip


if __name__ == "__main__":
    main()
