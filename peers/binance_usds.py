"""binance-sdk-derivatives-trading-usds-futures, the venue's own package, trades on a local Binance futures."""

from __future__ import annotations

import asyncio
from typing import Any

from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketAPI, ConfigurationWebSocketStreams
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import DerivativesTradingUsdsFutures
from kit import Checks

WAIT_S = 20


def client_of(checks: Checks, account: str) -> DerivativesTradingUsdsFutures:
    keys, venue = checks.venue.accounts[account], checks.venue
    return DerivativesTradingUsdsFutures(
        config_rest_api=ConfigurationRestAPI(
            api_key=keys["api_key"], api_secret=keys["api_secret"], base_path=venue.url
        ),
        config_ws_api=ConfigurationWebSocketAPI(
            api_key=keys["api_key"], api_secret=keys["api_secret"], stream_url=f"{venue.ws_url}/ws-fapi/v1"
        ),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=venue.ws_url),
    )  # fmt: skip


def main() -> None:
    checks = Checks("binance-sdk-derivatives-trading-usds-futures")
    symbol = checks.venue.symbol.partition(":")[0].replace("/", "")
    rest(checks, symbol)
    asyncio.run(websockets(checks, symbol))
    checks.exit()


def rest(checks: Checks, symbol: str) -> None:
    maker, taker = (client_of(checks, name).rest_api for name in ("maker", "taker1"))
    info = maker.exchange_information().data()
    checks.equal("markets", info.symbols[0].symbol, symbol)
    placed = maker.new_order(
        symbol=symbol, side="SELL", type="LIMIT", time_in_force="GTX", quantity=0.2, price=2600.5,
        new_client_order_id="s-1",
    ).data()  # fmt: skip
    checks.equal("post-only", (placed.status, placed.client_order_id), ("NEW", "s-1"))
    bought = taker.new_order(
        symbol=symbol, side="BUY", type="MARKET", quantity=0.05, new_order_resp_type="RESULT"
    ).data()  # fmt: skip
    checks.equal("taker", (bought.status, bought.executed_qty), ("FILLED", "0.0500"))
    part = maker.query_order(symbol=symbol, orig_client_order_id="s-1").data()
    checks.equal("partial fill", (part.status, part.executed_qty), ("PARTIALLY_FILLED", "0.0500"))
    changed = maker.modify_order(
        symbol=symbol, side="SELL", quantity=0.3, price=2600.6, orig_client_order_id="s-1"
    ).data()  # fmt: skip
    checks.equal("change", (changed.orig_qty, changed.price), ("0.3000", "2600.60"))
    checks.equal("cancel", maker.cancel_order(symbol=symbol, orig_client_order_id="s-1").data().status, "CANCELED")
    checks.equal("fills", maker.account_trade_list(symbol=symbol).data()[-1].maker, True)
    checks.equal("position", maker.position_information_v3(symbol=symbol).data()[0].position_amt, "-0.0500")
    checks.check("account", float(maker.account_information_v3().data().total_margin_balance) > 9_000)
    checks.equal("one-way mode", maker.get_current_position_mode().data().dual_side_position, False)
    checks.equal("leverage", maker.symbol_configuration(symbol=symbol).data()[0].leverage, 10)
    checks.equal("fees", maker.user_commission_rate(symbol=symbol).data().symbol, symbol)
    told = maker.auto_cancel_all_open_orders(symbol=symbol, countdown_time=10_000).data()
    checks.equal("cancel-all after a time", told.countdown_time, "10000")


async def websockets(checks: Checks, symbol: str) -> None:
    client = client_of(checks, "maker")
    key = client.rest_api.start_user_data_stream().data().listen_key
    events: asyncio.Queue[Any] = asyncio.Queue()
    streams = await client.websocket_streams.create_connection()
    user = await streams.user_data(key)
    user.on("message", events.put_nowait)
    quotes: asyncio.Queue[Any] = asyncio.Queue()
    best = await streams.individual_symbol_book_ticker_streams(symbol=symbol.lower())
    best.on("message", quotes.put_nowait)
    async with asyncio.timeout(WAIT_S):
        checks.equal("stream of the best prices", (await quotes.get()).b, "2600.00")
    api = await client.websocket_api.create_connection()
    placed = await api.new_order(
        symbol=symbol, side="BUY", type="LIMIT", time_in_force="GTX", quantity=0.1, price=2590,
        new_client_order_id="w-1",
    )  # fmt: skip
    checks.equal("order by WebSocket", placed.data().result.client_order_id, "w-1")
    async with asyncio.timeout(WAIT_S):
        event = await events.get()
    checks.check("stream of orders", "w-1" in str(event), event)
    gone = await api.cancel_order(symbol=symbol, orig_client_order_id="w-1")
    checks.equal("cancel by WebSocket", gone.data().result.status, "CANCELED")
    await api.close_connection(close_session=True)
    await streams.close_connection(close_session=True)


main()
