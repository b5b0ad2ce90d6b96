"""Fills of the time in which no run was there: told by time, ours alone, and no condition for taking over."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from types import SimpleNamespace

from engine.runtime.runner import Runner
from engine.trading.effects import Alert
from engine.trading.inputs import Carried, Held, Recalled
from exchanges.errors import ExchangeError, LinkDown
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


def missed(
    answer: list[Fill] | ExchangeError, *, untold: tuple[int, ...] = (), accounts: tuple[str, ...] = ("hawk", "chick")
) -> tuple[list[tuple[str, str]], list[Alert]]:
    alerts: list[Alert] = []

    async def rows(asked: dict[str, str], since_ms: int) -> list[Fill]:
        assert (asked, since_ms) == (dict.fromkeys(accounts, "ETH"), 40)
        if isinstance(answer, ExchangeError):
            raise answer
        return answer

    runner = SimpleNamespace(
        _symbols={"hawk": "ETH", "chick": "ETH", "hen": "ETH", "heard": "ETH"}, _asked=("hawk", "chick", "hen"),
        _questions=SimpleNamespace(rows=rows), _journal=SimpleNamespace(recall={"1": HAWK, "2": CHICK}.get),
        _desk=SimpleNamespace(adopt=lambda row: HAWK if row.client_id == OURS and untold else None),
        alert=alerts.append,
    )  # fmt: skip
    runner._is_missing = lambda row: Runner._is_missing(runner, row)  # type: ignore[arg-type]
    held = tuple(Held(name, D(0), D(0)) for name in ("hawk", "hen", "heard"))
    carried = Carried(4, 40, held, (HAWK, CHICK), untold=untold)
    found = asyncio.run(Runner._missed(runner, carried))  # type: ignore[arg-type]
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
