"""Fills of the time in which no run was there: told by time, ours alone, and no condition for taking over."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from engine.runtime.clock import S, VirtualClock
from engine.runtime.loop import VirtualLoop
from engine.runtime.missing_rows import MissingRows
from engine.runtime.patience import Patience
from engine.trading.effects import Alert
from engine.trading.inputs import Carried, Held, Recalled
from exchanges.errors import ExchangeError, LinkDown, RateLimited
from exchanges.types import Fill, FillKind, Liquidity, OrderState, Side

D = Decimal


def order(client_id: str, account: str, order_id: str = "", trades: tuple[str, ...] = ()) -> Recalled:
    return Recalled(
        client_id=client_id, account=account, venue="v", symbol="ETH", side=Side.BUY, qty=D(1), price=D(1),
        purpose="open", leg="opening", round=1, order_id=order_id, state=OrderState.OPEN, filled=D(0),
        provisional=D(0), trades=trades,
    )  # fmt: skip


def row(account: str, trade: str, at_ms: int, *, client_id: str = "", order_id: str = "") -> Fill:
    return Fill(
        venue="v", account=account, symbol="ETH", client_id=client_id, order_id=order_id, trade_id=trade,
        side=Side.BUY, qty=D(1), price=D(1), fee=D(0), fee_asset="USD", liquidity=Liquidity.MAKER, at_ms=at_ms,
        recv_ns=0, kind=FillKind.TRADE,
    )  # fmt: skip


OURS = "e4r1lhedgea1"  # of the dead run, which no journal tells
HAWK, CHICK = order("1", "hawk", "a", trades=("told",)), order("2", "chick")


def missing(desk: Any, rows: Any, alerts: list[Alert], **more: Any) -> MissingRows:
    """`rows` answers for the venues; the journal knows the orders 1 and 2."""
    return MissingRows(
        SimpleNamespace(rows=rows),  # type: ignore[arg-type]
        desk,
        SimpleNamespace(recall={"1": HAWK, "2": CHICK}.get),  # type: ignore[arg-type]
        symbols={"hawk": "ETH", "chick": "ETH", "hen": "ETH"},
        clock=more.get("clock", VirtualClock()),
        since_ms=more.get("since_ms"),
        alert=alerts.append,
    )


def missed(
    answer: list[Fill] | ExchangeError, *, untold: tuple[int, ...] = (), accounts: tuple[str, ...] = ("hawk", "chick")
) -> tuple[list[tuple[str, str]], list[Alert]]:
    alerts: list[Alert] = []

    async def rows(asked: dict[str, str], since_ms: int) -> list[Fill]:
        assert (asked, since_ms) == (dict.fromkeys(accounts, "ETH"), 40)
        if isinstance(answer, ExchangeError):
            raise answer
        return answer

    desk = SimpleNamespace(adopt=lambda row: HAWK if row.client_id == OURS and untold else None)
    held = tuple(Held(name, D(0), D(0)) for name in ("hawk", "hen", "heard"))
    carried = Carried(4, 40, held, (HAWK, CHICK), untold=untold)
    found = asyncio.run(missing(desk, rows, alerts).of_earlier_runs(carried, Patience(print)))
    return [(it.client_id, it.trade_id) for it in found], alerts


def test_a_fill_comes_before_what_hedged_it_whichever_account_was_asked_first() -> None:
    told, _ = missed([row("chick", "late", 90, client_id="2"), row("hawk", "early", 50, client_id="1")])
    assert told == [("1", "early"), ("2", "late")]


def test_rows_that_were_told_and_rows_of_others_are_left_out() -> None:
    told, _ = missed(
        [
            row("hawk", "told", 50, client_id="1"),
            row("hawk", "by order id", 60, order_id="a"),
            row("hawk", "by hand", 70, order_id="b"),
            row("hawk", "another program's", 80, client_id="9"),
        ]
    )
    assert told == [("1", "by order id")]


def test_orders_that_no_journal_tells_are_looked_for_on_every_account_of_a_run_without_an_end() -> None:
    """S15: its disk was full, and what it ordered then shows only at the venues."""
    rows = [row("hen", "untold", 50, client_id=OURS), row("hen", "another program's", 80, client_id="9")]
    told, _ = missed(rows, untold=(4,), accounts=("hawk", "chick", "hen"))
    assert told == [(OURS, "untold")]
    told, _ = missed(rows)
    assert told == []


def test_without_an_answer_the_takeover_goes_on() -> None:
    """What is open must be hedged; a list of fills that is away costs only prices and fees."""
    told, alerts = missed(LinkDown("no route"))
    assert (told, [alert.code for alert in alerts]) == ([], ["fills_unread"])


@pytest.mark.parametrize(("fails", "gone_ns"), [(3, 13 * S), (99, 60 * S)])
def test_where_a_journal_may_not_tell_all_an_answer_is_waited_for(fails: int, gone_ns: int) -> None:
    """S4: seed 223 of the hedger's whole catalogue hedged anew what a run with a full disk had hedged."""
    asked, alerts = [], list[Alert]()
    clock = VirtualClock()
    began_ns = clock.now_ns()

    async def rows(_: dict[str, str], since_ms: int) -> list[Fill]:
        asked.append(since_ms)
        if len(asked) > fails:
            return [row("hawk", "untold", 50, client_id=OURS)]
        raise RateLimited("no request left", retry_ms=11_000) if len(asked) == 1 else LinkDown("no route")

    desk = SimpleNamespace(adopt=lambda _: HAWK)
    carried = Carried(4, 40, (Held("hawk", D(0), D(0)),), (), untold=(4,))
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as loop:
        looking = missing(desk, rows, alerts, clock=clock).of_earlier_runs(carried, Patience(print))
        if fails < 99:
            assert [it.trade_id for it in loop.run(looking)] == ["untold"]
        else:
            with pytest.raises(LinkDown):
                loop.run(looking)
    assert clock.now_ns() - began_ns == gone_ns
    assert [alert.code for alert in alerts] == ["fills_unread"]


def priced(
    answers: list[list[Fill] | ExchangeError], *, since_ms: int | None = None
) -> tuple[list[str], list[int], list[str], int]:
    """Leave with an order of 7 s ago whose sum alone is known; its row, `price`, ends that.

    Trades that were taken, since when each question asked, in ms, alerts, and how long it took, in s.
    """
    clock = VirtualClock(start_ns=20 * S, start_wall_ms=1_000_000)
    taken: list[str] = []
    asked: list[int] = []
    alerts: list[Alert] = []

    async def rows(accounts: dict[str, str], from_ms: int) -> list[Fill]:
        assert accounts == {"hawk": "ETH"}
        asked.append(from_ms - clock.wall_ms())
        answer = answers[min(len(asked), len(answers)) - 1]
        if isinstance(answer, ExchangeError):
            raise answer
        return answer

    desk = SimpleNamespace(unpriced=lambda: {} if "price" in taken else {"hawk": 13 * S}, knows={"1"}.__contains__)
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as loop:
        it = missing(desk, rows, alerts, clock=clock, since_ms=since_ms)
        loop.run(it.before_leaving(lambda fill: taken.append(fill.trade_id)))
    return taken, asked, [alert.code for alert in alerts], clock.now_ns() // S - 20


PRICE, BY_HAND = row("hawk", "price", 90, client_id="1"), row("hawk", "by hand", 90, client_id="77")


def test_before_leaving_the_price_of_a_fill_that_a_sum_told_is_asked_for() -> None:
    """Seeds 138 and 976 of the catalogue on backpack,lighter: flat, hedged, and the money not all counted."""
    assert priced([[BY_HAND, PRICE]]) == (["price"], [-17_000], [], 0)


def test_it_is_asked_again_each_second_until_the_venue_tells() -> None:
    answers: list[list[Fill] | ExchangeError] = [RateLimited("none left", retry_ms=500), [BY_HAND], [PRICE]]
    assert priced(answers) == (["price"], [-17_000, -18_000, -19_000], [], 2)


def test_a_price_that_nobody_tells_holds_a_run_up_for_ten_seconds_and_is_named() -> None:
    taken, asked, alerts, took_s = priced([LinkDown("away")])
    assert (taken, len(asked), alerts, took_s) == ([], 10, ["fills_unpriced"], 10)


def test_an_order_of_an_earlier_run_is_asked_for_from_before_this_run() -> None:
    _, asked, _, _ = priced([[PRICE]], since_ms=900_000)
    assert asked == [-100_000]
