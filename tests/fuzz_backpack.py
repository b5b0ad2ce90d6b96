"""Feeds Backpack's adapter what no venue should send: `make fuzz`, or `python tests/fuzz_backpack.py COUNT [SEED]`.

Good frames and replies are cut, spliced, flipped, filled with values of the wrong type, swapped for error pages. After
every single one: no exception but those that the readers declare, in one short line; no fill that the venue's text does
not hold in full; no order taken for accepted that is not there. A failure names its seed and its input.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

from exchanges.backpack.client import _apart, _order_in
from exchanges.backpack.rest import judge
from exchanges.backpack.wire import reply, stream
from exchanges.errors import AuthFailed, BadFrame, ExchangeError, Rejected
from exchanges.facts import OrderFacts
from exchanges.transport import Response

SYMBOL = "SOL_USDC_PERP"
LONGEST = 400  # characters of an error: one line for a person

FILL: dict[str, Any] = {
    "e": "orderFill", "E": 1754939110175879, "T": 1754939110174705, "s": SYMBOL, "S": "Bid", "o": "LIMIT", "f": "GTC",
    "q": "2.00", "p": "141.25", "X": "PartiallyFilled", "i": "5406825793", "c": 4242, "t": 2888471, "l": "0.50",
    "L": "141.25", "z": "0.75", "Z": "105.9375", "m": True, "n": "-0.0142", "N": "USDC", "V": "RejectTaker",
    "O": "USER", "r": False,
}  # fmt: skip
ORDER: dict[str, Any] = {
    "orderType": "Limit", "id": "77", "clientId": 4242, "createdAt": 1700000000123, "executedQuantity": "0.5",
    "executedQuoteQuantity": "70.6", "postOnly": False, "price": "141.25", "quantity": "2.00", "status": "New",
    "selfTradePrevention": "RejectTaker", "side": "Ask", "symbol": SYMBOL, "timeInForce": "GTC", "reduceOnly": None,
}  # fmt: skip
EXPIRED = FILL | {"e": "orderExpired", "X": "Expired", "R": "PriceImpact"}
BOOK = {"s": SYMBOL, "a": "18.7", "A": "1", "b": "18.6", "B": "2", "u": "7", "T": 9}
FRAMES: list[object] = [
    {"stream": f"account.orderUpdate.{SYMBOL}", "data": FILL},
    {"stream": f"account.orderUpdate.{SYMBOL}", "data": EXPIRED},
    {"stream": f"account.positionUpdate.{SYMBOL}", "data": {"s": SYMBOL, "q": "-1.5", "e": "positionAdjusted"}},
    {"stream": f"bookTicker.{SYMBOL}", "data": BOOK},
    {"id": None, "error": {"code": "INVALID_ORDER", "message": "no"}},
    {"id": None, "result": None},
]  # fmt: skip
ROW = {
    "clientId": "4242", "fee": "0.01", "feeSymbol": "USDC", "isMaker": False, "orderId": "77", "price": "141.25",
    "quantity": "0.5", "side": "Bid", "symbol": SYMBOL, "systemOrderType": None, "tradeId": 9,
    "timestamp": "2023-11-14T22:13:20.5",
}  # fmt: skip
POSITION = {
    "symbol": SYMBOL, "netQuantity": "-1.5", "entryPrice": "140", "estLiquidationPrice": "0", "markPrice": "141",
    "mmf": "0.01",
}  # fmt: skip
COLLATERAL = {"netEquity": "1", "netEquityAvailable": "1", "collateral": [{"symbol": "SOL", "totalQuantity": "3"}]}
ACCOUNT = {"futuresMakerFee": "-0.5", "futuresTakerFee": "5", "leverageLimit": "10"}
MARKET = {
    "symbol": SYMBOL, "baseSymbol": "SOL", "quoteSymbol": "USDC", "marketType": "PERP",
    "filters": {"price": {"tickSize": "0.01"}, "quantity": {"minQuantity": "0.01", "stepSize": "0.01"}},
    "imfFunction": {"type": "sqrt", "base": "0.02", "factor": "1"}, "mmfFunction": {"base": "0.0125"},
}  # fmt: skip
DEPTH = {"asks": [["142", "1"]], "bids": [["139", "1"]], "lastUpdateId": "12", "timestamp": 1700000000123456}
ERROR = {"code": "INVALID_ORDER", "message": "Order would immediately match and take"}

Reader = Callable[[bytes], object]
REPLIES: list[tuple[object, Reader]] = [
    (ORDER, lambda body: _order_in(Response(200, {}, body))),
    ([{"operation": "Ok", **ORDER}, {"operation": "Err", **ERROR}], lambda body: _apart(Response(200, {}, body), 2)),
    ([ORDER, ORDER], reply.order_list),
    ([ROW, ROW | {"tradeId": 10}], lambda body: reply.fill_rows([reply.page(body)])),
    ([POSITION], reply.position_rows),
    (COLLATERAL, lambda body: reply.margin_of(body, json.dumps([POSITION]).encode(), "a")),
    ([POSITION], lambda body: reply.margin_of(json.dumps(COLLATERAL).encode(), body, "a")),
    (COLLATERAL, lambda body: reply.asset_total(body, "SOL")),
    (MARKET, lambda body: reply.instrument_of(body, json.dumps(ACCOUNT).encode(), venue="v", market="m")),
    (ACCOUNT, lambda body: reply.instrument_of(json.dumps(MARKET).encode(), body, venue="v", market="m")),
    (DEPTH, lambda body: reply.depth_best(body, SYMBOL)),
    ({"status": "Ok", "message": None}, reply.maintenance),
    (1700000000123, reply.server_ms),
    (ERROR, lambda body: judge(Response(400, {}, body))),
    (ERROR, lambda body: judge(Response(503, {}, body))),
]
PAGES = [
    b"", b"   ", b"<html><head><title>502 Bad Gateway</title></head></html>", b"<!DOCTYPE html><p>Just a moment...</p>",
    b"error code: 1015", b"null", b"[]", b"{}", b"0", b'""', b"\x00" * 64, b"\xff\xfe{}", b"x" * 100_000, b"[" * 20_000,
    b'{"data":' * 5_000, b"9" * 6_000, b'{"stream":"account.orderUpdate.SOL_USDC_PERP"}',
]  # fmt: skip
WRONG: list[object] = [
    None, True, False, 0, -1, 1, 1.5, -0.0, 1e300, 10**40, "", " ", "0", "-1", "NaN", "Infinity", "1e5", "1e999", "٣",
    "Bid", "x" * 5_000, [], {}, [[]], {"a": {}}, "\u0000", "1_000", "0x10", "+1", "1.", ".5", "½",
]  # fmt: skip


class Broken(AssertionError):
    """The adapter did what it must never do with an input."""


def mutated(chance: Random, value: object) -> bytes:
    """A good message, damaged once or several times; sometimes left whole."""
    kind = chance.randrange(10)
    if kind == 0:
        return chance.choice(PAGES)
    if kind <= 6:
        value = json.loads(json.dumps(value))
        for _ in range(chance.choice((1, 1, 1, 2, 5))):
            value = _with_wrong_value(chance, value)
        return json.dumps(value, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
    raw = bytearray(json.dumps(value).encode())
    for _ in range(chance.choice((0, 1, 1, 2, 8))):
        _damage(chance, raw)
    return bytes(raw)


def _with_wrong_value(chance: Random, value: object) -> object:
    """One node of the value replaced, dropped or doubled."""
    if isinstance(value, dict) and value and chance.random() < 0.95:
        key = chance.choice(list(value))
        step = chance.random()
        if step < 0.15:
            del value[key]
        elif step < 0.2:
            value[chance.choice(list(value))] = json.loads(json.dumps(value[key]))
        else:
            value[key] = _with_wrong_value(chance, value[key])
        return value
    if isinstance(value, list) and value and chance.random() < 0.95:
        place = chance.randrange(len(value))
        if chance.random() < 0.2:
            value.append(json.loads(json.dumps(value[place])))
        else:
            value[place] = _with_wrong_value(chance, value[place])
        return value
    return json.loads(json.dumps(chance.choice(WRONG)))  # a copy: it may be damaged further


def _damage(chance: Random, raw: bytearray) -> None:
    if not raw:
        return
    place = chance.randrange(len(raw))
    kind = chance.randrange(5)
    if kind == 0:
        del raw[place:]
    elif kind == 1:
        raw[place] ^= 1 << chance.randrange(8)
    elif kind == 2:
        raw[place:place] = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 5)))
    elif kind == 3:
        end = chance.randrange(place, len(raw))
        raw[place:place] = raw[place:end]
    else:
        del raw[place : place + chance.randrange(1, 20)]


def check_frame(data: bytes) -> None:
    """Raises: Broken."""
    try:
        said = stream.message(data)
    except (BadFrame, AuthFailed) as error:
        _one_line(error)
        return
    except Exception as error:
        raise Broken(f"{type(error).__name__}: {error}") from error
    if isinstance(said, OrderFacts) and said.trade is not None:
        _in_the_text(data, said)


def _in_the_text(data: bytes, said: OrderFacts) -> None:
    """A fill counts only if its quantity, price, side and order stand in the text as a sound fill."""
    told = json.loads(data)["data"]
    trade = said.trade
    assert trade is not None
    sound = (
        told["e"] == "orderFill"
        and Decimal(str(told["l"])) == trade.qty
        and Decimal(str(told["L"])) == trade.price
        and 0 < trade.qty <= said.cum_qty == Decimal(str(told["z"]))
        and trade.price > 0
        and told["S"] in ("Bid", "Ask")
        and str(told["i"]) == said.order_id != ""
        and told["s"] == SYMBOL
    )
    if not sound:
        raise Broken(f"a fill of {trade.qty} at {trade.price} that is not in the text")


def check_reply(body: bytes, read: Reader) -> None:
    """Raises: Broken."""
    try:
        got = read(body)
    except (BadFrame, Rejected) as error:
        _one_line(error)
        return
    except Exception as error:
        raise Broken(f"{type(error).__name__}: {error}") from error
    for each in got if isinstance(got, list) else [got]:
        if isinstance(each, ExchangeError):
            _one_line(each)
        elif isinstance(each, OrderFacts) and not (each.order_id and each.qty >= 0 and each.cum_qty >= 0):
            raise Broken(f"{each} was taken for an order")


def _one_line(error: ExchangeError) -> None:
    text = str(error)
    if not text or len(text) > LONGEST or not text.isprintable():
        raise Broken(f"no clear line: {text[:200]!r}")


def fuzz(count: int, seed: int) -> None:
    """Raises: Broken, with the seed and the input."""
    for number in range(count):
        chance = Random(f"{seed}/{number}")
        if number % 2:
            value, read = chance.choice(REPLIES)
            data = mutated(chance, value)
            check: Callable[[], None] = lambda data=data, read=read: check_reply(data, read)  # type: ignore[misc]  # noqa: E731
        else:
            data = mutated(chance, chance.choice(FRAMES))
            check = lambda data=data: check_frame(data)  # type: ignore[misc]  # noqa: E731
        try:
            check()
        except Broken as broken:
            raise Broken(f"seed {seed}, input {number}: {broken}; {data[:300]!r}") from broken


if __name__ == "__main__":
    wanted, given_seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    fuzz(wanted, given_seed)
    sys.stdout.write(f"{wanted} inputs, seed {given_seed}: nothing crashed, no fill and no order was made up\n")
