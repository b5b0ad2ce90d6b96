"""Fills of the time in which no run was there: told by time, ours alone, and no condition for taking over."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from engine.runtime.clock import S, VirtualClock
from engine.runtime.loop import VirtualLoop
from engine.runtime.missing_rows import MissingRows
from engine.runtime.patience import Patience
from engine.runtime.questions import Holdings
from engine.trading.effects import Alert, AskOrder
from engine.trading.inputs import Carried, Held, Looked, Recalled
from exchanges.errors import ExchangeError, LinkDown, RateLimited
from exchanges.types import Fill, FillKind, Liquidity, OrderState, OrderUpdate, Position, Side

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
UNREAD = Holdings((), (), quiet=False)
STATE = OrderUpdate(
    account="hawk", client_id="1", order_id="a", symbol="ETH", side=Side.BUY, qty=D(1), state=OrderState.CANCELED,
    cum_qty=D(0), price=D(1), at_ms=0, recv_ns=0,
)  # fmt: skip
HAWK, CHICK = order("1", "hawk", "a", trades=("told",)), order("2", "chick")


def missing(desk: Any, rows: Any, alerts: list[Alert], **more: Any) -> MissingRows:
    """`rows` answers for the venues, `spare` where requests are scarce; the journal knows the orders 1 and 2."""
    return MissingRows(
        SimpleNamespace(rows=rows, spare_rows=more.get("spare", rows), look=more.get("look")),  # type: ignore[arg-type]
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

    async def rows(account: str, symbol: str, since_ms: int) -> list[Fill]:
        assert (symbol, since_ms) == ("ETH", 40)
        asked.append(account)
        if isinstance(answer, ExchangeError):
            raise answer
        return [row for row in answer if row.account == account]

    asked: list[str] = []

    desk = SimpleNamespace(adopt=lambda row: HAWK if row.client_id == OURS and untold else None)
    held = tuple(Held(name, D(0), D(0)) for name in ("hawk", "hen", "heard"))
    carried = Carried(4, 40, held, (HAWK, CHICK), untold=untold)
    found = asyncio.run(missing(desk, rows, alerts).of_earlier_runs(carried, Patience(print, print), UNREAD))
    assert tuple(asked) == accounts
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

    async def rows(_: str, __: str, since_ms: int) -> list[Fill]:
        asked.append(since_ms)
        if len(asked) > fails:
            return [row("hawk", "untold", 50, client_id=OURS)]
        raise RateLimited("no request left", retry_ms=11_000) if len(asked) == 1 else LinkDown("no route")

    desk = SimpleNamespace(adopt=lambda _: HAWK)
    carried = Carried(4, 40, (Held("hawk", D(0), D(0)),), (), untold=(4,))
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as loop:
        looking = missing(desk, rows, alerts, clock=clock).of_earlier_runs(carried, Patience(print, print), UNREAD)
        if fails < 99:
            assert [it.trade_id for it in loop.run(looking)] == ["untold"]
        else:
            with pytest.raises(LinkDown):
                loop.run(looking)
    assert clock.now_ns() - began_ns == gone_ns
    assert [alert.code for alert in alerts] == ["fills_unread"]


def scarce(
    error: ExchangeError, *, hen: str = "3", quiet: bool = True, untold: tuple[int, ...] = (4,), filled: str = "0"
) -> tuple[list[str], list[str], int, int]:
    """Take over where `error` is the first answer to all questions, and those to spare get no other for a minute.

    The journal has 3 for hen and 0 for hawk and chick, of which chick holds 1. Of hawk's order the venue says that
    `filled` of it has, and nothing at all where that is empty. What was asked, `?` for what may be spared and `!` for
    an order, the trades that were found, the seconds that it took, and how many alerts.
    """
    clock, asked, alerts = VirtualClock(), list[str](), list[Alert]()
    began_ns = clock.now_ns()

    async def rows(account: str, *_: object) -> list[Fill]:
        asked.append(account)
        if asked.count(account) == 1:
            raise error
        return [row(account, f"of {account}", 50, client_id=OURS)]

    async def spare(account: str, *_: object) -> list[Fill]:
        asked.append(f"{account}?")
        raise error

    async def look(it: AskOrder) -> Looked:
        asked.append(f"{it.account}!")
        update = replace(STATE, cum_qty=D(filled)) if filled else None
        return Looked(it.client_id, it.token, ok=update is not None, update=update)

    desk = SimpleNamespace(adopt=lambda _: HAWK)
    books = (("hawk", D(1), D(-1)), ("chick", D(0), D(0)), ("hen", D(1), D(2)))
    carried = Carried(4, 40, tuple(Held(*it) for it in books), (HAWK, CHICK), untold=untold)
    there = (("hawk", "BTC", D(5)), ("chick", "ETH", D(1)), ("hen", "ETH", D(hen)))
    positions = tuple(Position(name, symbol, qty, D(0), None, None) for name, symbol, qty in there)
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as loop:
        looking = missing(desk, rows, alerts, clock=clock, spare=spare, look=look)
        found = loop.run(looking.of_earlier_runs(carried, Patience(print, print), Holdings(positions, (), quiet=quiet)))
    return asked, [it.trade_id for it in found], (clock.now_ns() - began_ns) // S, len(alerts)


NONE_LEFT = RateLimited("no request left", retry_ms=11_000)


def test_where_positions_are_those_of_the_journal_no_request_is_waited_for() -> None:
    """S11: with the exposure of the dead run open, a takeover waited up to a minute for rows that told nothing new.

    Only where a position differs, what made it so would be hedged anew (seed 3031 of the deaths on Lighter).
    """
    told = scarce(NONE_LEFT)
    assert told == (["hawk?", "hawk!", "chick", "hen?", "chick"], ["of chick"], 11, 1)


@pytest.mark.parametrize("filled", ["1", ""])
def test_an_order_that_filled_more_than_the_journal_tells_has_the_rows_of_its_account_waited_for(filled: str) -> None:
    """S4, S15: what made up for it, with a full disk, is in no journal either. The fill alone was taken for exposure.

    It was hedged, and the books differed from the venue for good. An order that the venue says nothing of may be such a
    one.
    """
    asked, found, _, alerts = scarce(NONE_LEFT, filled=filled)
    assert asked == ["hawk?", "hawk!", "hawk", "chick", "hen?", "hawk", "chick"]
    assert (sorted(found), alerts) == (["of chick", "of hawk"], 1)


def test_a_position_that_differs_or_moves_has_its_rows_waited_for() -> None:
    everyone = ["of hawk", "of chick", "of hen"]
    assert scarce(NONE_LEFT, hen="2")[1:] == (["of chick", "of hen"], 11, 1)
    assert scarce(NONE_LEFT, quiet=False) == (["hawk", "chick", "hen"] * 2, everyone, 11, 0)


def test_a_venue_that_is_away_is_waited_for_whatever_the_positions_say() -> None:
    """It has requests to spare, and the books may miss nothing that can be had."""
    asked, found, took_s, alerts = scarce(LinkDown("no route"))
    assert (sorted(found), took_s, alerts) == (["of chick", "of hawk", "of hen"], 1, 1)
    assert [name for name in asked if "?" in name] == ["hawk?", "hen?"]


def test_what_one_account_answered_is_not_asked_again_because_another_has_to_wait() -> None:
    """S11: rows of four accounts never fitted into what had come free, and those that did were paid for again."""
    clock, asked = VirtualClock(), list[str]()

    async def rows(account: str, *_: object) -> list[Fill]:
        asked.append(account)
        if account == "hen" and asked.count("hen") < 3:
            raise NONE_LEFT
        return []

    held = tuple(Held(name, D(0), D(0)) for name in ("hawk", "chick", "hen"))
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as loop:
        looking = missing(None, rows, [], clock=clock)
        carried = Carried(4, 40, held, (), untold=(4,))
        assert loop.run(looking.of_earlier_runs(carried, Patience(print, print), UNREAD)) == []
    assert asked == ["hawk", "chick", "hen", "hen", "hen"]


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

    async def rows(account: str, symbol: str, from_ms: int) -> list[Fill]:
        assert (account, symbol) == ("hawk", "ETH")
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
