"""A venue model on real sockets of this machine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from venue_kit import PERP, BackpackUser, backpack

from exchanges.venues.backpack.model import Backpack
from exchanges.venues.seam import Answer, Request
from exchanges.venues.server import CannotServe, VenueServer

Visit = Callable[[str, aiohttp.ClientSession], Awaitable[None]]


def served(venue: Backpack, visit: Visit) -> None:
    """Serve on a free port while `visit` runs."""

    async def main() -> None:
        server = VenueServer(venue)
        port = await server.start()
        try:
            async with aiohttp.ClientSession() as session:
                await visit(f"http://127.0.0.1:{port}", session)
        finally:
            await server.stop()

    asyncio.run(main())


def test_requests_reach_the_model_as_they_were_sent() -> None:
    venue = backpack()

    async def visit(url: str, session: aiohttp.ClientSession) -> None:
        body = {"symbol": PERP, "side": "Bid", "orderType": "Limit", "price": "2599", "quantity": "0.10", "clientId": 3}
        signed = BackpackUser(venue).signed("orderExecute", "POST", "/api/v1/order", body=body)
        async with session.post(url + signed.path, data=signed.body, headers=signed.headers) as reply:
            assert (reply.status, (await reply.json())["status"]) == (200, "New")
        asked = BackpackUser(venue).signed("orderQuery", "GET", "/api/v1/order", query={"symbol": PERP, "clientId": 3})
        async with session.get(f"{url}{asked.path}?{asked.query}", headers=asked.headers) as reply:
            assert (reply.status, (await reply.json())["quantity"]) == (200, "0.1000")
        signed = BackpackUser(venue).signed(
            "orderCancel", "DELETE", "/api/v1/order", body={"symbol": PERP, "clientId": 3}
        )
        async with session.delete(url + signed.path, data=signed.body, headers=signed.headers) as reply:
            assert (await reply.json())["status"] == "Cancelled"
        async with session.get(url + "/api/v1/time") as reply:
            assert json.loads(await reply.text()) == 1_700_000_000_000

    served(venue, visit)


def test_no_answer_cuts_the_connection() -> None:
    class Deaf(Backpack):
        def request(self, request: Request, answer: Answer) -> None:
            answer(None)

    async def visit(url: str, session: aiohttp.ClientSession) -> None:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await session.get(url + "/api/v1/ping")

    made = backpack()
    served(Deaf(made.exchange, made.keys), visit)


def test_a_port_in_use_is_one_clear_error() -> None:
    async def visit(url: str, _: aiohttp.ClientSession) -> None:
        port = int(url.rpartition(":")[2])
        with pytest.raises(CannotServe, match=rf"^127\.0\.0\.1:{port} cannot be used \(.*\); choose another port"):
            await VenueServer(backpack()).start(port=port)

    served(backpack(), visit)
