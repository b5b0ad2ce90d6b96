"""Feeds BiFu's adapter what no venue should send: `make fuzz`, or `python tests/fuzz_bifu.py COUNT [SEED]`.

Frames and replies are damaged as Backpack's are. After every single one: no exception but those that the readers
declare, in one short line; no fill that the venue's text does not hold in full; and a row that is whole is read,
whatever stands beside it.
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from random import Random
from typing import Any

from fuzz_backpack import LONGEST, Broken, Reader, check_reply, mutated

from exchanges.bifu.wire import reply, stream
from exchanges.bifu.wire.product import SPOT
from exchanges.bifu.wire.stream import BadRow, FillRow, Rows
from exchanges.errors import BadFrame
from exchanges.types import Side

ROW: dict[str, Any] = {
    "id": "700000000000000001", "accountId": "690000000000000001", "symbolId": "90000005", "baseCoinId": "8",
    "quoteCoinId": "2", "orderId": "700000000000000010", "orderSide": "BUY", "fillSize": "0.050", "fillValue": "31.70",
    "fillFee": "0.01", "direction": "MAKER", "version": "400000001",
    "tradeInBalanceTransactionId": "700000000000000002", "tradeOutBalanceTransactionId": "700000000000000003",
    "matchSequenceId": "200000001", "matchIndex": "0", "matchTime": "1700000010000",
    "matchAccountId": "700000000000000099", "matchOrderId": "700000000000000011",
    "matchFillId": "00000000-0000-4000-8000-000000000001", "extraType": "", "extraDataJson": "",
    "createdTime": "1700000010003", "updatedTime": "1700000010003",
}  # fmt: skip
WHOLE = ROW | {"matchFillId": "00000000-0000-4000-8000-0000000000ff", "orderSide": "SELL", "fillSize": "7"}


def frame(*rows: object, kind: str = "spot-trade-event", **envelope: object) -> dict[str, Any]:
    data = {"order": [], "balance": [], "orderFillTransaction": list(rows)}
    return {"type": kind, "msg": {"event": "ORDER_UPDATE", "version": "1001", "data": data}} | envelope


ORDER: dict[str, Any] = {
    "id": "700000000000000010", "accountId": "690000000000000001", "symbolId": "90000005", "baseCoinId": "8",
    "quoteCoinId": "2", "orderSide": "BUY", "price": "634.00", "size": "1.000", "value": "634", "clientOrderId": "m-1",
    "type": "LIMIT", "timeInForce": "POST_ONLY", "reduceOnly": False, "status": "OPEN", "cumFillSize": "0.050",
    "cumFillValue": "31.70", "cumFillFee": "0.01", "createdTime": "1700000005000", "updatedTime": "1700000010003",
}  # fmt: skip
META = {
    "coinList": [{"coinId": "8", "coinName": "BNB"}, {"coinId": "2", "coinName": "USDT"}],
    "symbolList": [{
        "symbolId": "90000005", "symbolName": "BNB-USDT", "baseCoinId": "8", "quoteCoinId": "2", "tickSize": "0.01",
        "stepSize": "0.001", "minOrderSize": "0.01", "maxOrderSize": "100", "takerFeeRate": "0.001",
        "makerFeeRate": "0.0002",
    }],
}  # fmt: skip
ASSETS = {"accountId": "690000000000000001", "balanceList": [{"coinId": "8", "amount": "3.5"}]}
DEPTH = [{
    "endVersion": "7", "asks": [{"price": "634.10", "size": "1"}], "bids": [{"price": "634.00", "size": "2"}],
}]  # fmt: skip


def answer(data: object, *, code: str = "SUCCESS", at_ms: int = 1700000000000) -> dict[str, Any]:
    times = {"requestTime": str(at_ms), "responseTime": str(at_ms)}
    return {"code": code, "data": data, "msg": None, "params": None, "traceId": "ab"} | times


def page(*orders: object, more: bool = False) -> dict[str, Any]:
    return {"dataList": list(orders), "nextFlag": more, "totals": str(len(orders))}


FRAMES: list[object] = [
    frame(ROW), frame(ROW, WHOLE), frame(), {"type": "ping", "time": "1693208170000"},
    {"type": "connected", "sid": "1", "time": "1693208170000"},
    {"type": "spot-trade-event", "content": {"data": {"orderFillTransaction": [ROW]}}},
]  # fmt: skip
REPLIES: list[tuple[object, Reader]] = [
    (answer(page(ORDER, ORDER, more=True)), lambda body: reply.order_page(body, SPOT)),
    (answer(META), lambda body: reply.instrument_of(body, "BNB-USDT", SPOT, venue="v", market="m")),
    (answer(ASSETS), reply.account_assets),
    (answer(DEPTH), reply.best),
    (answer(None), reply.server_ms),
    (answer(None, code="BAD_SIGN"), lambda body: reply.judge(200, body)),
    (answer(None, code="UNKNOWN"), lambda body: reply.judge(403, body)),
]


def check_frame(data: bytes) -> None:
    """Raises: Broken."""
    try:
        said = stream.message(data, SPOT)
    except BadFrame as error:
        _short(str(error))
        return
    except Exception as error:
        raise Broken(f"{type(error).__name__}: {error}") from error
    if isinstance(said, Rows):
        told = json.loads(data)
        rows = (told["msg"] if "msg" in told else told["content"])["data"]["orderFillTransaction"]
        for row, read in zip(rows, said.rows, strict=True):
            _check_row(row, read)


def _check_row(row: Any, read: FillRow | BadRow) -> None:
    if isinstance(read, BadRow):
        _short(read.text)
        if row in (ROW, WHOLE):
            raise Broken(f"a whole row was refused: {read.text}")
        return
    names = ("matchFillId", "tradeId", "id")
    sound = (
        0 < read.qty == Decimal(str(row["fillSize"]))
        and 0 < read.value == Decimal(str(row["fillValue"]))
        and read.price > 0
        and row["orderSide"] == {Side.BUY: "BUY", Side.SELL: "SELL"}[read.side]
        and str(row["orderId"]) == read.order_id != ""
        and str(row["symbolId"]) == read.instrument_id != ""
        and read.trade_id != ""
        and read.trade_id in [str(row.get(name)) for name in names]
        and read.self_match == (row["accountId"] == row.get("matchAccountId"))
    )
    if not sound:
        raise Broken(f"a fill of {read.qty} at {read.price} that is not in the text")


def _short(text: str) -> None:
    if not text or len(text) > LONGEST or not text.isprintable():
        raise Broken(f"no clear line: {text[:200]!r}")


def fuzz(count: int, seed: int) -> None:
    """Raises: Broken, with the seed and the input."""
    for number in range(count):
        chance = Random(f"{seed}/{number}")
        value, read = chance.choice(REPLIES)
        data = mutated(chance, value if number % 2 else chance.choice(FRAMES))
        try:
            if number % 2:
                check_reply(data, read)
            else:
                check_frame(data)
        except Broken as error:
            raise Broken(f"{error}\nseed {seed}/{number}: {data[:2_000]!r}") from None


if __name__ == "__main__":
    wanted, given_seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    fuzz(wanted, given_seed)
    sys.stdout.write(
        f"{wanted} inputs, seed {given_seed}: nothing crashed, no fill was made up, no whole row was lost\n"
    )
