"""Feeds Binance's adapter what no venue should send: `make fuzz`, or `python tests/fuzz_binance.py COUNT [SEED]`.

Frames and replies are damaged as Backpack's are. After every single one: no exception but those that the readers
declare, in one short line; no fill that the venue's text does not hold in full; no order taken for accepted, and none
for refused, without a word of the venue.
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from random import Random
from typing import Any

from fuzz_backpack import LONGEST, Broken, Reader, check_reply, mutated

from exchanges.binance.rest import _apart, judge
from exchanges.binance.wire import reply, stream
from exchanges.binance.wire.reply import Fees, Risk
from exchanges.binance.wire.stream import Answer
from exchanges.errors import BadFrame, ExchangeError, Rejected
from exchanges.facts import OrderFacts
from exchanges.fields import json_of
from exchanges.transport import Response
from exchanges.types import ZERO

SYMBOL = "BTCUSDT"
REPORT: dict[str, Any] = {
    "e": "executionReport", "E": 1772171045870, "s": SYMBOL, "c": "e1r1a1", "S": "BUY", "o": "LIMIT", "f": "GTC",
    "q": "0.50", "p": "99999.9", "P": "0", "F": "0", "g": -1, "C": "", "x": "TRADE", "X": "PARTIALLY_FILLED",
    "r": "NONE",
    "i": 77, "l": "0.20", "z": "0.20", "L": "99999.9", "n": "0.0002", "N": "BTC", "T": 1772171045869, "t": 901,
    "I": 5, "w": True, "m": True, "M": False, "O": 1772171045869, "Z": "19999.98", "Y": "19999.98", "Q": "0",
    "V": "NONE",
}  # fmt: skip
CANCELED = REPORT | {"x": "CANCELED", "X": "CANCELED", "c": "web_1", "C": "e1r1a1", "l": "0", "t": -1, "N": None}
UPDATE = {name: REPORT[name] for name in "scSofqpxXilzLnNTtm"} | {"R": False, "ps": "BOTH", "ap": "99999.9", "rp": "0"}
EXPIRED = UPDATE | {"x": "EXPIRED", "X": "EXPIRED", "f": "GTX", "l": "0", "z": "0"}
PLACED: dict[str, Any] = {
    "symbol": SYMBOL, "orderId": 77, "clientOrderId": "e1r1a1", "transactTime": 1772171045869, "price": "99999.9",
    "origQty": "0.50", "executedQty": "0.20", "status": "PARTIALLY_FILLED", "timeInForce": "GTC", "type": "LIMIT",
    "side": "BUY", "reduceOnly": False, "positionSide": "BOTH", "selfTradePreventionMode": "EXPIRE_TAKER",
}  # fmt: skip
ERROR = {"code": -2010, "msg": "Account has insufficient balance for requested action."}

FRAMES: list[object] = [
    {"subscriptionId": 0, "event": REPORT}, {"subscriptionId": 0, "event": CANCELED},
    {"e": "ORDER_TRADE_UPDATE", "E": 1, "T": 2, "o": UPDATE}, {"e": "ORDER_TRADE_UPDATE", "E": 1, "T": 2, "o": EXPIRED},
    {"e": "ACCOUNT_UPDATE", "E": 1, "T": 2, "a": {"m": "ORDER", "P": [{"s": SYMBOL, "pa": "-1", "ps": "BOTH"}]}},
    {"e": "outboundAccountPosition", "E": 1, "B": [{"a": "BTC", "f": "1", "l": "0.5"}]},
    {"u": 5, "s": SYMBOL, "b": "1", "B": "2", "a": "3", "A": "4"},
    {"e": "bookTicker", "u": 5, "E": 8, "T": 7, "s": SYMBOL, "b": "1", "B": "2", "a": "3", "A": "4"},
    {"id": "o1", "status": 200, "result": PLACED, "rateLimits": []},
    {"id": "o1", "status": 400, "error": ERROR, "rateLimits": []},
    {"id": "o1", "status": 429, "error": ERROR | {"code": -1003, "data": {"retryAfter": 1772171046000}}},
    {"e": "listenKeyExpired", "listenKey": "x", "E": 1}, {"result": None, "id": 1},
]  # fmt: skip
TRADE = {
    "symbol": SYMBOL, "id": 901, "orderId": 77, "price": "99999.9", "qty": "0.20", "quoteQty": "19999.98",
    "commission": "0.0002", "commissionAsset": "BTC", "time": 1772171045869, "isBuyer": True, "isMaker": True,
}  # fmt: skip
MARKET = {
    "symbols": [
        {
            "symbol": SYMBOL, "status": "TRADING", "contractType": "PERPETUAL", "baseAsset": "BTC",
            "quoteAsset": "USDT",
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": "0.1", "maxPrice": "0", "tickSize": "0.1"},
                {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
                {"filterType": "MARKET_LOT_SIZE", "minQty": "0", "maxQty": "120", "stepSize": "0"},
                {"filterType": "MIN_NOTIONAL", "notional": "100"},
            ],
        }
    ]
}  # fmt: skip
POSITION = {
    "symbol": SYMBOL, "positionSide": "BOTH", "positionAmt": "-1", "entryPrice": "1", "liquidationPrice": "0",
    "markPrice": "2",
}  # fmt: skip
ACCOUNT = {"totalMarginBalance": "10", "availableBalance": "9", "totalMaintMargin": "1", "balances": [
    {"asset": "BTC", "free": "1", "locked": "0"}
]}  # fmt: skip
PART = {"maker": "0.001", "taker": "0.001"}
COMMISSION = {
    "standardCommission": PART, "specialCommission": PART, "taxCommission": PART,
    "discount": {"enabledForAccount": True, "enabledForSymbol": True},
}  # fmt: skip
BRACKETS = json.dumps([{"symbol": SYMBOL, "brackets": [{"notionalFloor": 0, "maintMarginRatio": 0.004}]}]).encode()
FEES, RISK = Fees(ZERO, ZERO), Risk(Decimal(10), ZERO, "crossed")

REPLIES: list[tuple[object, Reader]] = [
    (PLACED, lambda body: reply.order_of(json_of(body))),
    ([PLACED, PLACED], reply.order_list),
    ([TRADE, TRADE], reply.fill_rows),
    ([POSITION], reply.position_rows),
    (ACCOUNT, lambda body: reply.futures_margin(body, "a")),
    (ACCOUNT, reply.balances),
    (COMMISSION, reply.spot_fees),
    ({"makerCommissionRate": "0.0002", "takerCommissionRate": "0.0005"}, reply.futures_fees),
    (MARKET, lambda body: reply.instrument_of(body, SYMBOL, venue="v", market="m", fees=FEES, risk=RISK)),
    ([{"symbol": SYMBOL, "leverage": 20, "marginType": "CROSSED"}], lambda b: reply.risk_of(b, BRACKETS, SYMBOL)),
    ({"dualSidePosition": False}, reply.both_sides),
    ({"listenKey": "abc"}, reply.listen_key),
    ({"serverTime": 1772171045869}, reply.server_ms),
    ({"symbol": SYMBOL, "bidPrice": "1", "bidQty": "2", "askPrice": "3", "askQty": "4", "time": 5}, reply.best_of),
    (ERROR, lambda body: judge(Response(400, {}, body))),
    (ERROR, lambda body: judge(Response(503, {}, body))),
]


def check_frame(data: bytes) -> None:
    """Raises: Broken."""
    try:
        said = stream.message(data)
    except BadFrame as error:
        _short(str(error))
        return
    except Exception as error:
        raise Broken(f"{type(error).__name__}: {error}") from error
    if isinstance(said, OrderFacts):
        frame = json.loads(data)
        event = frame["event"] if isinstance(frame.get("event"), dict) else frame
        if not _is(said, event["o"] if event["e"] == "ORDER_TRADE_UPDATE" else event):
            raise Broken(f"{said} is not in the text")
    elif isinstance(said, Answer) and said.status != 200:
        error = reply.api_error(said.status, said.error, now_ms=1772171045869)
        _short(str(error))
        _check_refusal(error, said.status, dict(said.error))


def _is(facts: OrderFacts, row: dict[str, Any]) -> bool:
    """Does the event say all that was read of it?"""
    try:
        named = row.get("C") not in (None, "", "null")
        sound = (
            str(row["i"]) == facts.order_id != ""
            and row["S"] == facts.side.name
            and facts.client_id in ("", row["C"] if named else row.get("c", ""))
            and Decimal(str(row["z"])) == facts.cum_qty >= 0
        )
        trade = facts.trade
        return sound and (
            trade is None
            or (
                Decimal(str(row["l"])) == trade.qty > 0
                and Decimal(str(row["L"])) == trade.price > 0
                and trade.qty <= facts.cum_qty
                and row["m"] is trade.maker
                and row["x"] in ("TRADE", "CALCULATED")
            )
        )
    except (KeyError, ArithmeticError):
        return False


def check_batch(body: bytes) -> None:
    """An order counts as accepted by an object of its own, as refused by a code of its own. Raises: Broken."""
    try:
        items = _apart(Response(200, {}, body), 2)
    except Exception as error:
        raise Broken(f"{type(error).__name__}: {error}") from error
    for place, item in enumerate(items):
        if isinstance(item, ExchangeError):
            _short(str(item))
            said = json.loads(body)[place] if isinstance(item, Rejected) else {}
            _check_refusal(item, 200, said)
        elif str(json.loads(body)[place]["orderId"]) != item.order_id:
            raise Broken(f"order {place} was taken for accepted")


def _check_refusal(error: ExchangeError, status: int, said: dict[str, Any]) -> None:
    if isinstance(error, Rejected) and (status >= 500 or type(said.get("code")) is not int or said["code"] >= 0):
        raise Broken(f"refused without a code of the venue: {error}")


def _short(text: str) -> None:
    if not text or len(text) > LONGEST or not text.isprintable():
        raise Broken(f"no clear line: {text[:200]!r}")


def fuzz(count: int, seed: int) -> None:
    """Raises: Broken, with the seed and the input."""
    for number in range(count):
        chance = Random(f"{seed}/{number}")
        value, read = chance.choice(REPLIES)
        data = mutated(chance, (chance.choice(FRAMES), value, [PLACED, ERROR])[number % 3])
        try:
            if number % 3 == 0:
                check_frame(data)
            elif number % 3 == 1:
                check_reply(data, read)
            else:
                check_batch(data)
        except Broken as error:
            raise Broken(f"{error}\nseed {seed}/{number}: {data[:2_000]!r}") from None


if __name__ == "__main__":
    wanted, given_seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    fuzz(wanted, given_seed)
    sys.stdout.write(f"{wanted} inputs, seed {given_seed}: nothing crashed, no fill and no order was made up\n")
