"""binance-connector, the venue's own older package, trades on a local Binance spot: REST, WebSocket API, streams."""

from __future__ import annotations

import json
import queue
from typing import Any

from binance.error import ClientError
from binance.spot import Spot
from binance.websocket.spot.websocket_api import SpotWebsocketAPIClient
from binance.websocket.spot.websocket_stream import SpotWebsocketStreamClient
from kit import Checks

WAIT_S = 20


def main() -> None:
    checks = Checks("binance-connector")
    symbol = checks.venue.symbol.replace("/", "")
    maker, taker = (
        Spot(keys["api_key"], keys["api_secret"], base_url=checks.venue.url)
        for keys in (checks.venue.accounts["maker"], checks.venue.accounts["taker1"])
    )
    rest(checks, maker, taker, symbol)
    websocket_api(checks, symbol)
    market_stream(checks, symbol)
    checks.exit()


def rest(checks: Checks, maker: Spot, taker: Spot, symbol: str) -> None:
    checks.check("time", maker.time()["serverTime"] > 0)
    info = maker.exchange_info(symbol=symbol)["symbols"][0]
    checks.equal("markets", (info["symbol"], info["status"]), (symbol, "TRADING"))
    checks.equal("book", maker.depth(symbol, limit=5)["bids"][0][0], "2600.00")
    checks.equal("best prices", maker.book_ticker(symbol)["askPrice"], "2601.00")
    placed = maker.new_order(
        symbol=symbol, side="SELL", type="LIMIT_MAKER", quantity="0.2", price="2600.5", newClientOrderId="c-1"
    )
    checks.equal("post-only", (placed["status"], placed["clientOrderId"]), ("NEW", "c-1"))
    bought = taker.new_order(symbol=symbol, side="BUY", type="MARKET", quantity="0.05")
    checks.equal("taker", (bought["status"], bought["fills"][0]["price"]), ("FILLED", "2600.50"))
    part = maker.get_order(symbol, origClientOrderId="c-1")
    checks.equal("partial fill", (part["status"], part["executedQty"]), ("PARTIALLY_FILLED", "0.0500"))
    checks.equal("open orders", [it["orderId"] for it in maker.get_open_orders(symbol)], [placed["orderId"]])
    checks.equal("cancel", maker.cancel_order(symbol, orderId=placed["orderId"])["status"], "CANCELED")
    checks.equal("fills", maker.my_trades(symbol)[-1]["isMaker"], True)
    checks.equal("order history", maker.get_orders(symbol)[-1]["status"], "CANCELED")
    held = {it["asset"]: float(it["free"]) for it in maker.account()["balances"]}
    checks.check("balances", held["ETH"] < 20 and held["USDC"] > 10_000, held)
    checks.equal("fees", maker.query_commission_rates(symbol)["discount"]["discountAsset"], "BNB")
    for what, code, fields in (
        ("off the tick", -1013, {"quantity": "1", "price": "2600.001"}),
        ("too little money", -2010, {"quantity": "500", "price": "2590"}),
    ):
        try:
            maker.new_order(symbol=symbol, side="BUY", type="LIMIT", timeInForce="GTC", **fields)
            checks.check(what, False, "it was taken")
        except ClientError as error:
            checks.equal(what, error.error_code, code)


def websocket_api(checks: Checks, symbol: str) -> None:
    keys, came = checks.venue.accounts["maker"], queue.Queue[Any]()
    client = SpotWebsocketAPIClient(
        stream_url=f"{checks.venue.ws_url}/ws-api/v3", api_key=keys["api_key"], api_secret=keys["api_secret"],
        on_message=lambda _, text: came.put(json.loads(text)),
    )  # fmt: skip
    fields = {"symbol": symbol, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "2590", "quantity": 0.1}
    client.new_order(**fields, newClientOrderId="w-1", newOrderRespType="RESULT")
    placed = came.get(timeout=WAIT_S)
    checks.equal("order by WebSocket", (placed["status"], placed["result"]["status"]), (200, "NEW"))
    client.cancel_order(symbol=symbol, origClientOrderId="w-1")
    checks.equal("cancel by WebSocket", came.get(timeout=WAIT_S)["result"]["status"], "CANCELED")
    client.stop()


def market_stream(checks: Checks, symbol: str) -> None:
    came = queue.Queue[Any]()
    client = SpotWebsocketStreamClient(
        stream_url=checks.venue.ws_url, on_message=lambda _, text: came.put(json.loads(text))
    )
    client.book_ticker(symbol=symbol.lower())
    told = came.get(timeout=WAIT_S)
    while "u" not in told:
        told = came.get(timeout=WAIT_S)
    checks.equal("stream of the best prices", (told["s"], told["b"]), (symbol, "2600.00"))
    client.stop()


main()
