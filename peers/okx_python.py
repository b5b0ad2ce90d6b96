"""python-okx, which nobody here wrote, trades on a local OKX: REST only, as its streams want TLS."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from kit import Checks
from okx.Account import AccountAPI
from okx.MarketData import MarketAPI
from okx.PublicData import PublicAPI
from okx.Trade import TradeAPI

checks = Checks("python-okx")
venue, symbol = checks.venue, checks.venue.symbol


def api(kind: Any, account: str) -> Any:
    keys = venue.accounts[account]
    return kind(keys["api_key"], keys["api_secret"], keys["passphrase"], flag="1", domain=venue.url)


def one(told: dict[str, Any]) -> dict[str, Any]:
    """The one row of an answer; of an order its item."""
    row: dict[str, Any] = told["data"][0]
    return row


maker, taker, account = api(TradeAPI, "maker"), api(TradeAPI, "taker1"), api(AccountAPI, "maker")
public, market = PublicAPI(flag="1", domain=venue.url), MarketAPI(flag="1", domain=venue.url)

checks.check("time", one(public.get_system_time())["ts"].isdigit())
spec = one(public.get_instruments("SWAP", instId=symbol))
checks.equal(
    "instruments",
    (spec["ctType"], spec["ctValCcy"], spec["settleCcy"], spec["tickSz"]),
    ("linear", "ETH", "USDT", "0.01"),
)
unit = Decimal(spec["ctVal"])
book = one(market.get_orderbook(symbol, "1"))
checks.equal("book", (book["bids"][0][0], book["asks"][0][0]), ("2600", "2601"))
checks.equal("ticker", one(market.get_ticker(symbol))["bidPx"], "2600")
checks.equal("position tiers", one(public.get_position_tiers("SWAP", "cross", instFamily="ETH-USDT"))["tier"], "1")
mode = one(account.get_account_config())
checks.equal("account config", (mode["posMode"], mode["acctLv"]), ("net_mode", "2"))
checks.check("fees", float(one(account.get_fee_rates("SWAP", instFamily="ETH-USDT"))["takerU"]) < 0)
checks.equal("leverage", one(account.get_leverage("cross", instId=symbol))["lever"], "10")

placed = one(
    maker.place_order(symbol, "cross", "sell", "post_only", "20", px="2600.5", clOrdId="peer1", stpMode="cancel_taker")
)
checks.equal("post-only", (placed["sCode"], placed["clOrdId"]), ("0", "peer1"))
order = one(maker.get_order(symbol, clOrdId="peer1"))
checks.equal("query by client id", (order["ordId"], order["state"]), (placed["ordId"], "live"))
checks.equal("open orders", [it["ordId"] for it in maker.get_order_list("SWAP")["data"]], [placed["ordId"]])
crossing = one(maker.place_order(symbol, "cross", "buy", "post_only", "20", px="2601"))
crossed = one(maker.get_order(symbol, ordId=crossing["ordId"]))
checks.equal("post-only that would take is cancelled", (crossed["state"], crossed["cancelSource"]), ("canceled", "31"))
wrong = maker.place_order(symbol, "cross", "buy", "limit", "0.001", px="2590")
checks.equal("a refusal inside HTTP 200", (wrong["code"], one(wrong)["sCode"]), ("1", "51020"))

bought = one(taker.place_order(symbol, "cross", "buy", "market", "5"))
filled = one(taker.get_order(symbol, ordId=bought["ordId"]))
checks.equal("taker", (filled["state"], filled["accFillSz"], filled["avgPx"]), ("filled", "5", "2600.5"))
part = one(maker.get_order(symbol, clOrdId="peer1"))
checks.equal("partial fill", (part["state"], part["accFillSz"]), ("partially_filled", "5"))
(sold,) = maker.get_fills("SWAP", instId=symbol)["data"]
checks.equal("fills", (sold["fillSz"], sold["fillPx"], sold["execType"]), ("5", "2600.5", "M"))
checks.check("fees of fills are negative", float(sold["fee"]) < 0)
checks.equal("positions", one(account.get_positions("SWAP"))["pos"], "-5")
checks.check("balance", float(one(account.get_account_balance("USDT"))["details"][0]["availEq"]) > 0)
checks.equal("amend", one(maker.amend_order(symbol, clOrdId="peer1", newSz="15", newPx="2600.6"))["sCode"], "0")
amended = one(maker.get_order(symbol, clOrdId="peer1"))
checks.equal("amended", (amended["sz"], amended["px"]), ("15", "2600.6"))
checks.equal("cancel", one(maker.cancel_order(symbol, clOrdId="peer1"))["sCode"], "0")
checks.equal("a cancelled order is told", one(maker.get_order(symbol, clOrdId="peer1"))["state"], "canceled")
checks.equal("a second cancel", one(maker.cancel_order(symbol, clOrdId="peer1"))["sCode"], "51401")
checks.equal("order history", one(maker.get_orders_history("SWAP"))["state"], "canceled")
ioc = one(taker.place_order(symbol, "cross", "buy", "ioc", "1", px="2590"))
checks.equal("an ioc that takes nothing", one(taker.get_order(symbol, ordId=ioc["ordId"]))["cancelSource"], "14")
both = [
    {"instId": symbol, "tdMode": "cross", "side": "buy", "ordType": "limit", "sz": "1", "px": px}
    for px in ("2590", "2591")
]
batch = maker.place_multiple_orders(both)["data"]
checks.equal("batch", [it["sCode"] for it in batch], ["0", "0"])
ids = [{"instId": symbol, "ordId": it["ordId"]} for it in batch]
checks.equal("cancel of a batch", maker.cancel_multiple_orders(ids)["code"], "0")
closed = one(maker.place_order(symbol, "cross", "buy", "market", "5", reduceOnly="true"))
checks.equal("reduce-only", (closed["sCode"], account.get_positions("SWAP")["data"]), ("0", []))
again = one(maker.place_order(symbol, "cross", "buy", "market", "5", reduceOnly="true"))
checks.equal("reduce-only that opens nothing", again["sCode"], "51112")
wrong_keys = TradeAPI("none", "none", "none", flag="1", domain=venue.url)
checks.equal("a wrong key", wrong_keys.get_order_list()["code"], "50111")
checks.exit()
