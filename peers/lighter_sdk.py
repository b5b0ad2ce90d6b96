"""lighter-sdk, the venue's own client, trades on a local Lighter: signed transactions, REST and its streams."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import lighter
import websockets
from kit import Checks

WAIT_S = 20
MARKET = 0


def signer_of(checks: Checks, account: str) -> Any:
    secrets = checks.venue.accounts[account]
    keys = {int(secrets["api_key_index"]): secrets["private_key"]}
    return lighter.SignerClient(
        url=checks.venue.url, account_index=int(secrets["account_index"]), api_private_keys=keys
    )


class Orders:
    """An account's order channel: the newest state of each order by its client index."""

    def __init__(self, checks: Checks, signer: Any) -> None:
        self.seen: dict[int, dict[str, Any]] = {}
        self._checks = checks
        self._signer = signer
        self._news = asyncio.Event()

    async def listen(self) -> None:
        token, error = self._signer.create_auth_token_with_expiry(api_key_index=5)
        self._checks.equal("auth token", error, None)
        async with websockets.connect(self._checks.venue.ws_url) as stream:
            channel = f"account_all_orders/{self._signer.account_index}"
            await stream.send(json.dumps({"type": "subscribe", "channel": channel, "auth": token}))
            async for text in stream:
                told = json.loads(text)
                for rows in (told.get("orders") or {}).values():
                    self.seen |= {row["client_order_index"]: row for row in rows}
                self._news.set()

    async def until(self, client: int, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The order once it is as wanted; its last state if that does not come."""
        try:
            async with asyncio.timeout(WAIT_S):
                while client not in self.seen or not wanted(self.seen[client]):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pass
        return self.seen.get(client, {})


async def main() -> None:
    checks = Checks("lighter-sdk")
    maker, taker = signer_of(checks, "maker"), signer_of(checks, "taker1")
    checks.equal("keys are the venue's", (maker.check_client(), taker.check_client()), (None, None))
    await reads(checks)
    orders = Orders(checks, maker)
    listening = asyncio.create_task(orders.listen())
    await trades(checks, maker, taker, orders)
    listening.cancel()
    await stream(checks, maker)
    for signer in (maker, taker):
        await signer.close()
    checks.exit()


async def reads(checks: Checks) -> None:
    client = lighter.ApiClient(lighter.Configuration(host=checks.venue.url))
    api = lighter.OrderApi(client)
    books = (await api.order_books()).order_books
    checks.equal("markets", (books[0].symbol, books[0].supported_size_decimals), ("ETH", 4))
    details = (await api.order_book_details(market_id=MARKET)).order_book_details
    checks.equal("market details", (details[0].price_decimals, details[0].market_type), (2, "perp"))
    book = await api.order_book_orders(market_id=MARKET, limit=5)
    checks.equal("book", (book.bids[0].price, book.asks[0].price), ("2600.00", "2601.00"))
    accounts = (await lighter.AccountApi(client).account(by="index", value="101")).accounts
    checks.equal("account", (accounts[0].index, accounts[0].collateral), (101, "10000.000000"))
    await client.close()


async def trades(checks: Checks, maker: Any, taker: Any, orders: Orders) -> None:
    async def sell(client: int, base: int, price: int, force: int) -> Any:
        _, reply, error = await maker.create_order(
            market_index=MARKET, client_order_index=client, base_amount=base, price=price, is_ask=True,
            order_type=maker.ORDER_TYPE_LIMIT, time_in_force=force, reduce_only=False, trigger_price=0,
        )  # fmt: skip
        return reply.code if error is None else error

    checks.equal("queued", await sell(1, 2_000, 260_050, maker.ORDER_TIME_IN_FORCE_POST_ONLY), 200)
    placed = await orders.until(1, lambda it: it["status"] == "open")
    checks.equal(
        "post-only", (placed["status"], placed["price"], placed["initial_base_amount"]), ("open", "2600.50", "0.2000")
    )
    await sell(2, 2_000, 260_000, maker.ORDER_TIME_IN_FORCE_POST_ONLY)
    crossed = await orders.until(2, lambda it: it["status"].startswith("canceled"))
    checks.equal("post-only that would take", crossed["status"], "canceled-post-only")
    _, reply, error = await taker.create_market_order(
        market_index=MARKET, client_order_index=1, base_amount=500, avg_execution_price=261_000, is_ask=False
    )
    checks.equal("taker", (error, reply.code), (None, 200))
    part = await orders.until(1, lambda it: it["filled_base_amount"] == "0.0500")
    checks.equal("partial fill", (part["status"], part["filled_base_amount"]), ("open", "0.0500"))
    await maker.cancel_order(market_index=MARKET, order_index=1)
    ended = await orders.until(1, lambda it: it["status"] == "canceled")
    checks.equal("cancel", (ended["status"], ended["filled_base_amount"]), ("canceled", "0.0500"))
    client = lighter.ApiClient(lighter.Configuration(host=checks.venue.url))
    account = (await lighter.AccountApi(client).account(by="index", value="101")).accounts[0]
    held = account.positions[0]
    checks.equal("position", (held.sign, held.position), (-1, "0.0500"))
    token, _ = maker.create_auth_token_with_expiry(api_key_index=5)
    past = await lighter.OrderApi(client).account_inactive_orders(account_index=101, limit=10, authorization=token)
    checks.equal("past orders", [it.status for it in past.orders], ["canceled-post-only", "canceled"])
    nonce = await lighter.TransactionApi(client).next_nonce(account_index=101, api_key_index=5)
    checks.equal("nonce", nonce.nonce, 4)
    status = await lighter.TransactionApi(client).tx(by="hash", value=reply.tx_hash)
    checks.equal("status of a transaction", status.status, 2)
    await sell(3, 1_000, 260_090, maker.ORDER_TIME_IN_FORCE_GOOD_TILL_TIME)
    await orders.until(3, lambda it: it["status"] == "open")
    await maker.cancel_all_orders(time_in_force=maker.CANCEL_ALL_TIF_IMMEDIATE, timestamp_ms=0)
    checks.equal("cancel all", (await orders.until(3, lambda it: it["status"] == "canceled"))["status"], "canceled")
    await client.close()


async def stream(checks: Checks, maker: Any) -> None:
    books: list[Any] = []
    accounts: list[Any] = []
    client = lighter.WsClient(
        ws_url=checks.venue.ws_url, order_book_ids=[MARKET], account_ids=[maker.account_index],
        on_order_book_update=lambda _, book: books.append(json.loads(json.dumps(book))),
        on_account_update=lambda _, account: accounts.append(account),
    )  # fmt: skip
    running = asyncio.create_task(client.run_async())
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until and (len(books) < 4 or not accounts):
        await asyncio.sleep(0.05)
    running.cancel()
    best = max(books[-1]["bids"], key=lambda it: float(it["price"]))["price"] if books else None
    checks.equal("stream of the book", (len(books) >= 4, best), (True, "2600.00"))
    checks.equal("stream of the account", accounts[0]["positions"]["0"]["position"] if accounts else None, "0.0500")


asyncio.run(main())
