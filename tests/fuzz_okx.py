"""Feeds OKX's adapter what no venue should send: `make fuzz`, or `python tests/fuzz_okx.py COUNT [SEED]`.

Frames and replies are damaged as Backpack's are. After every single one: no exception but those that the readers
declare, in one short line; no fill that the venue's text does not hold in full; no order taken for accepted without a
word of the venue; and a row that is whole is read, whatever stands beside it.
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from random import Random
from typing import Any

from fuzz_backpack import LONGEST, Broken, Reader, check_reply, mutated

from exchanges.errors import AuthFailed, BadFrame, ExchangeError, LinkDown
from exchanges.facts import OrderFacts
from exchanges.okx.entry import _items, _said
from exchanges.okx.rest import judge
from exchanges.okx.wire import reply, stream
from exchanges.okx.wire.reply import AccountMode
from exchanges.okx.wire.stream import Answer, Orders
from exchanges.transport import Response

SYMBOL = "BTC-USDT-SWAP"
UNIT = Decimal("0.01")
UNITS = {SYMBOL: UNIT}

ROW: dict[str, Any] = {
    "instType": "SWAP", "instId": SYMBOL, "instIdCode": 10, "ordId": "7712", "clOrdId": "e1r1l0a1", "tag": "",
    "px": "99999.9", "sz": "5", "ordType": "ioc", "side": "sell", "posSide": "net", "tdMode": "cross", "tgtCcy": "",
    "state": "partially_filled", "accFillSz": "2", "avgPx": "99999.9", "fillPx": "99999.9", "fillSz": "2",
    "fillTime": "1772000000001", "tradeId": "88", "fee": "-0.9", "feeCcy": "USDT", "fillFee": "-0.9",
    "fillFeeCcy": "USDT", "execType": "T", "reduceOnly": "false", "category": "normal", "cancelSource": "",
    "cancelSourceReason": "", "cTime": "1772000000000", "uTime": "1772000000001", "amendResult": "", "code": "0",
}  # fmt: skip
CANCELED = ROW | {"state": "canceled", "cancelSource": "14", "fillSz": "0", "tradeId": ""}
WHOLE = ROW | {"ordId": "7713", "tradeId": "89", "clOrdId": "e1r1l0a2", "side": "buy"}
BOOK = {
    "asks": [["100000.1", "1", "0", "1"]],
    "bids": [["100000", "2", "0", "1"]],
    "ts": "1772000000000",
    "seqId": 1001,
}
ITEM = {"ordId": "7712", "clOrdId": "e1r1l0a1", "tag": "", "sCode": "0", "sMsg": "", "ts": "1772000000000"}
ARG = {"channel": "orders", "instType": "SWAP", "instId": SYMBOL}


def envelope(*data: object, code: str = "0", **more: object) -> dict[str, Any]:
    return {"code": code, "msg": "", "data": list(data)} | more


FRAMES: list[object] = [
    {"arg": ARG, "data": [ROW]}, {"arg": ARG, "data": [ROW, WHOLE]}, {"arg": ARG, "data": [CANCELED]},
    {"arg": {"channel": "bbo-tbt", "instId": SYMBOL}, "data": [BOOK]},
    {"id": "3", "op": "order", **envelope(ITEM)},
    {"event": "login", "code": "0", "msg": "", "connId": "a"},
    {"event": "subscribe", "arg": ARG, "connId": "a"},
    {"event": "error", "code": "60009", "msg": "Login failed.", "connId": "a"},
    {"event": "notice", "code": "64008", "msg": "The connection will soon be closed", "connId": "a"},
]  # fmt: skip
FILL = {
    "instType": "SWAP", "instId": SYMBOL, "tradeId": "88", "ordId": "7712", "clOrdId": "e1r1l0a1", "billId": "5",
    "side": "sell", "fillSz": "2", "fillPx": "99999.9", "execType": "T", "fee": "-0.9", "feeCcy": "USDT",
    "fillTime": "1772000000001", "ts": "1772000000002",
}  # fmt: skip
SWAP = {
    "instType": "SWAP", "instId": SYMBOL, "instIdCode": 10, "ctVal": "0.01", "ctMult": "1", "ctValCcy": "BTC",
    "ctType": "linear", "settleCcy": "USDT", "tickSz": "0.1", "lotSz": "0.01", "minSz": "0.01", "maxLmtSz": "1000",
}  # fmt: skip
BALANCE = {"totalEq": "1", "details": [{"ccy": "USDT", "eq": "10", "availEq": "9", "cashBal": "10", "mmr": "1"}]}
POSITION = {"instId": SYMBOL, "pos": "-3", "posSide": "net", "avgPx": "1", "liqPx": "", "markPx": "2", "mmr": "1"}
MODE = AccountMode("2", True, True, ("trade",))
HALF, TENTH = Decimal("0.5"), Decimal("0.1")

REPLIES: list[tuple[object, Reader]] = [
    (envelope(ROW), lambda body: reply.one_order(body, UNITS)),
    (envelope(ROW, CANCELED), lambda body: reply.order_list(body, UNITS)),
    (envelope(FILL, FILL), lambda body: reply.fill_rows(body, UNITS)),
    (
        envelope(SWAP),
        lambda body: reply.traded_of(
            body, SYMBOL, MODE, venue="v", market="m", fees=(HALF, HALF), margins=(TENTH, TENTH)
        ),
    ),
    (envelope(BALANCE), lambda body: reply.margin_of(reply.details(body), "USDT", ())),
    (envelope(BALANCE), lambda body: reply.total(reply.details(body), "USDT")),
    (envelope(POSITION), lambda body: reply.position_rows(body, UNITS)),
    (envelope({"makerU": "-0.1", "takerU": "-0.2", "maker": ""}), reply.fees_of),
    (envelope({"lever": "10"}), reply.leverage_of),
    (envelope({"mmr": "0.05", "tier": "1"}), reply.maintenance_of),
    (envelope({"acctLv": "2", "posMode": "net_mode", "feeType": "0", "perm": "trade"}), reply.mode_of),
    (envelope({"ts": "1772000000000"}), reply.server_ms),
    (envelope(BOOK), lambda body: stream.book_of(SYMBOL, reply.one_row(body), UNITS)),
    (envelope(code="51001"), lambda body: judge(Response(200, {}, body))),
    (envelope(code="50001"), lambda body: judge(Response(503, {}, body))),
]
NO_ORDER = ITEM | {"ordId": "", "sCode": "51008"}


def check_frame(data: bytes) -> None:
    """Raises: Broken."""
    try:
        said = stream.message(data, UNITS)
    except (BadFrame, AuthFailed, LinkDown) as error:
        _short(str(error))
        return
    except Exception as error:
        raise Broken(f"{type(error).__name__}: {error}") from error
    if isinstance(said, Orders):
        rows = json.loads(data)["data"]
        for facts in said.facts:
            if not any(_is(facts, row) for row in rows if isinstance(row, dict)):
                raise Broken(f"{facts} is not in the text")
        lost = [row for row in rows if row in (ROW, WHOLE, CANCELED)]
        if len(said.facts) < len(lost):
            raise Broken("a whole row was lost")
        if len(said.facts) < len(rows):
            _short(said.unread)
    elif isinstance(said, Answer):
        check_answer(json.dumps(said.said, default=str).encode(), 1)


def _is(facts: OrderFacts, row: dict[str, Any]) -> bool:
    """Does the row say all that was read of it?"""
    try:
        sound = (
            str(row["ordId"]) == facts.order_id != ""
            and row["side"] == facts.side.value
            and row.get("clOrdId", "") == facts.client_id
            and Decimal(str(row["accFillSz"] or 0)) * UNIT == facts.cum_qty >= 0
        )
        trade = facts.trade
        return sound and (
            trade is None
            or (
                Decimal(str(row["fillSz"])) * UNIT == trade.qty > 0
                and Decimal(str(row["fillPx"])) == trade.price > 0
                and str(row["tradeId"]) == trade.trade_id != ""
                and trade.qty <= facts.cum_qty
                and row["execType"] == ("M" if trade.maker else "T")
            )
        )
    except (KeyError, ArithmeticError):
        return False


def check_answer(body: bytes, count: int) -> None:
    """An order counts as accepted only by an item of its own with the code 0. Raises: Broken."""
    try:
        items = _items(_said(Response(200, {}, body)), ["e1r1l0a1"] * count)
    except Exception as error:
        raise Broken(f"{type(error).__name__}: {error}") from error
    if len(items) != count:
        raise Broken(f"{len(items)} answers to {count} orders")
    for place, item in enumerate(items):
        if isinstance(item, ExchangeError):
            _short(str(item))
        elif json.loads(body)["data"][place]["sCode"] != "0":
            raise Broken(f"order {place} was taken for accepted")


def _short(text: str) -> None:
    if not text or len(text) > LONGEST or not text.isprintable():
        raise Broken(f"no clear line: {text[:200]!r}")


def fuzz(count: int, seed: int) -> None:
    """Raises: Broken, with the seed and the input."""
    for number in range(count):
        chance = Random(f"{seed}/{number}")
        value, read = chance.choice(REPLIES)
        whole = envelope(ITEM, NO_ORDER, code="2")
        data = mutated(chance, (chance.choice(FRAMES), value, whole)[number % 3])
        try:
            if number % 3 == 0:
                check_frame(data)
            elif number % 3 == 1:
                check_reply(data, read)
            else:
                check_answer(data, 2)
        except Broken as error:
            raise Broken(f"{error}\nseed {seed}/{number}: {data[:2_000]!r}") from None


if __name__ == "__main__":
    wanted, given_seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    fuzz(wanted, given_seed)
    sys.stdout.write(f"{wanted} inputs, seed {given_seed}: nothing crashed, no fill and no order was made up\n")
