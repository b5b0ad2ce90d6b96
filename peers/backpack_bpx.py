"""bpx-py, which nobody here wrote, trades on a local Backpack: REST only, as the package has no streams."""

from __future__ import annotations

from bpx.account import Account
from bpx.base.base_account import BaseAccount
from bpx.base.base_public import BasePublic
from bpx.public import Public
from kit import Checks

checks = Checks("bpx-py")
venue = checks.venue
BaseAccount.BPX_API_URL = BasePublic.BASE_URL = f"{venue.url}/"  # the package has no option for it
maker, taker = (Account(it["api_key"], it["api_secret"]) for it in (venue.accounts["maker"], venue.accounts["taker1"]))
public, symbol = Public(), venue.symbol

checks.equal("status", public.get_status()["status"], "Ok")
checks.check("time", isinstance(public.get_time(), int))
market = next(it for it in public.get_markets() if it["symbol"] == symbol)
checks.equal("markets", (market["marketType"], market["filters"]["price"]["tickSize"]), ("PERP", "0.01"))
depth = public.get_depth(symbol)
checks.equal("book", (depth["bids"][-1][0], depth["asks"][0][0]), ("2600.00", "2601.00"))

placed = maker.execute_order(
    symbol=symbol, side="Ask", order_type="Limit", price="2600.50", quantity="0.2", post_only=True, client_id=77,
    time_in_force="GTC",
)  # fmt: skip
checks.equal("post-only", (placed["status"], placed["clientId"], placed["postOnly"]), ("New", 77, True))
checks.equal("query by client id", maker.get_open_order(symbol, client_id=77)["id"], placed["id"])
checks.equal("open orders", [it["id"] for it in maker.get_open_orders(symbol=symbol)], [placed["id"]])
crossing = maker.execute_order(
    symbol=symbol, side="Bid", order_type="Limit", price="2601.00", quantity="0.2", post_only=True
)
checks.equal("post-only that would take is refused", crossing["code"], "INVALID_ORDER")

bought = taker.execute_order(symbol=symbol, side="Bid", order_type="Market", quantity="0.05")
checks.equal("taker", (bought["status"], bought["executedQuoteQuantity"]), ("Filled", "130.025000"))
part = maker.get_open_order(symbol, client_id=77)
checks.equal("partial fill", (part["status"], part["executedQuantity"]), ("PartiallyFilled", "0.0500"))
cancelled = maker.cancel_order(symbol, client_id=77)
checks.equal("cancel", (cancelled["status"], cancelled["executedQuantity"]), ("Cancelled", "0.0500"))
checks.equal("a cancelled order is gone", maker.get_open_order(symbol, client_id=77)["code"], "RESOURCE_NOT_FOUND")
past = maker.get_order_history(symbol=symbol)[0]
checks.equal("order history", (past["id"], past["status"]), (placed["id"], "Cancelled"))
(sold,) = maker.get_fill_history(symbol=symbol)
checks.equal("fills", (sold["quantity"], sold["price"], sold["isMaker"]), ("0.0500", "2600.50", True))
(position,) = maker.get_open_positions()
checks.equal("position", position["netQuantity"], "-0.0500")
checks.equal("account", maker.get_account()["futuresTakerFee"], "5")
checks.check("balances", "USDC" in maker.get_balances())
checks.check("collateral", float(maker.get_collateral()["netEquityAvailable"]) > 0)
closed = maker.execute_order(symbol=symbol, side="Bid", order_type="Market", quantity="0.05", reduce_only=True)
checks.equal("reduce-only", (closed["status"], maker.get_open_positions()), ("Filled", []))
checks.equal("cancel all", maker.cancel_all_orders(symbol), [])
checks.exit()
