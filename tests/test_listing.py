"""What a run asks its venues before it begins: within their budgets, and with patience where those are used up."""

from __future__ import annotations

import asyncio

import pytest
from config_kit import FLOW
from runtime_kit import START, FakeClient, S, quote, run_virtual

from cli import client_wiring
from cli.budgets import Budgets
from cli.client_wiring import Listed, listed_by, open_clients, open_shared
from cli.locate import CannotUse
from engine.runtime.config import load_config
from engine.runtime.loop import VirtualLoop
from engine.runtime.patience import Patience
from exchanges.errors import AuthFailed, LinkDown, OutcomeUnknown, RateLimited, Rejected
from exchanges.synthetic import demo_instrument
from exchanges.types import Quote, Refusal

NONE_LEFT = "no request left in the venue's budget"
CONFIG = load_config(
    """
version: 1
market: ETH-PERP
markets: {ETH-PERP: {a: ETH, b: ETH}}
venues: {a: {kind: paper}, b: {kind: paper}}
accounts:
  - {name: hawk, venue: a, owner: me, balance: 10000}
  - {name: chick, venue: b, owner: me, balance: 10000}
use: {maker: hawk, takers: [chick]}
settings: {quantity: 0.02}
""",
    file="eagle.yaml",
    flow=FLOW,
)


class Asked(FakeClient):
    async def fetch_bbo_prices(self, symbol: str) -> Quote:
        await self._asked("bbo")
        return quote()


def listed(monkeypatch: pytest.MonkeyPatch, *, who: int = 2, **errors: list[Exception]) -> tuple[Listed, int]:
    """What is listed, and the time that it took in ns; one account, the second, answers with `errors` first."""

    def client_for(*_: object, **__: object) -> FakeClient:
        made.append(Asked(f"a{len(made)}"))
        made[-1].listed = demo_instrument("v")
        made[-1].errors = errors if len(made) == who else {}
        return made[-1]

    async def main(loop: VirtualLoop) -> tuple[Listed, int]:
        told = await listed_by(CONFIG, clock=loop.clock, resolve=print)  # type: ignore[arg-type]
        return told, loop.clock.now_ns() - START

    made: list[FakeClient] = []
    monkeypatch.setattr(client_wiring, "client_for", client_for)
    return run_virtual(main)


def test_what_is_listed_is_asked_for_again_while_no_request_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """S11: a run that takes over soon after a death, with the exposure of the dead one still open, gave up here."""
    refusals: list[Exception] = [RateLimited(NONE_LEFT, retry_ms=1_000) for _ in range(3)]
    told, took_ns = listed(monkeypatch, listed=refusals, bbo=[])
    assert (list(told.instruments), told.price, took_ns) == (["hawk", "chick"], quote().mid, 7 * S)
    assert capsys.readouterr().err == f"{NONE_LEFT}; waiting for it, up to 120 s\n"


def test_a_run_goes_on_with_the_budgets_of_its_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    """S11: what the venues told there is not asked for again, and counted once; without any each has its own."""
    given: list[Budgets] = []

    def client_for(*_: object, budgets: Budgets, **__: object) -> FakeClient:
        given.append(budgets)
        client = Asked("a")
        client.listed = demo_instrument("v")
        return client

    async def main(loop: VirtualLoop) -> None:
        told = await listed_by(CONFIG, clock=loop.clock, resolve=print)  # type: ignore[arg-type]
        for budgets in (told.budgets, None):
            open_clients(CONFIG, told.instruments, clock=loop.clock, seed=1, resolve=print, budgets=budgets)  # type: ignore[arg-type]
        pairs = open_shared(
            [CONFIG], [told.instruments], clock=loop.clock, seed=1, resolve=print, budgets=told.budgets,  # type: ignore[arg-type]
        )  # fmt: skip
        assert list(pairs.shared) == ["hawk", "chick"]
        again = await listed_by(CONFIG, clock=loop.clock, resolve=print, budgets=told.budgets)  # type: ignore[arg-type]
        assert again.budgets is told.budgets

    monkeypatch.setattr(client_wiring, "client_for", client_for)
    run_virtual(main)
    first = given[0]
    assert [budgets is first for budgets in given] == [True] * 4 + [False] * 2 + [True] * 4


AWAY: list[Exception] = [
    LinkDown("GET did not leave: ConnectionRefusedError: Connection refused (127.0.0.1:9)"),
    OutcomeUnknown("HTTP 502: <html>"),
]


@pytest.mark.parametrize("error", AWAY, ids=["refused", "502"])
@pytest.mark.parametrize("question", ["listed", "bbo"])
def test_what_is_listed_is_asked_for_again_while_a_venue_does_not_answer(
    question: str, error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One 502 ended `eagle recover` with exit code 2, and what a dead run had left stood open."""
    told, took_ns = listed(monkeypatch, who=1, **{question: [error, error, RateLimited(NONE_LEFT, retry_ms=2_000)]})
    assert (list(told.instruments), told.price, took_ns) == (["hawk", "chick"], quote().mid, 5 * S)  # 1, 2 and 2 s
    assert capsys.readouterr().err == (
        f"a: {error}; asking again for up to 25 s\n{NONE_LEFT}; waiting for it, up to 120 s\n"
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (AuthFailed("INVALID_SIGNATURE"), "INVALID_SIGNATURE; nothing was sent; check the key"),
        (Rejected(Refusal.UNSUPPORTED, "no such market"), "no such market; nothing was sent; check the symbol"),
        (OutcomeUnknown("HTTP 404: <html>", passing=False), "HTTP 404: <html>; nothing was sent; is the venue up"),
    ],
    ids=["key", "symbol", "404"],
)
def test_what_no_other_try_mends_is_told_at_once(
    error: Exception, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CannotUse, match=words):
        listed(monkeypatch, listed=[error])
    assert capsys.readouterr().err == ""


def test_a_venue_that_stays_away_is_asked_eight_times_within_25_s(monkeypatch: pytest.MonkeyPatch) -> None:
    errors: list[Exception] = [LinkDown("no route") for _ in range(99)]
    with pytest.raises(CannotUse, match=r"^chick on b: no route; nothing was sent; is the venue up, at this address\?"):
        listed(monkeypatch, listed=errors)
    assert len(errors) == 91  # after 0, 1, 3, 7, 11, 15, 19 and 23 s


def test_a_venue_that_hangs_is_not_asked_for_minutes() -> None:
    """The bound is one of time: each of these tries takes ten seconds of its own."""
    asked: list[float] = []

    async def main(loop: VirtualLoop) -> float:
        async def question() -> None:
            asked.append(loop.time())
            await asyncio.sleep(10)
            raise LinkDown("no answer in time")

        with pytest.raises(LinkDown):
            await Patience(print, print).answer(question, of="v")
        return loop.time()

    assert run_virtual(main) - START / S == 33
    assert [at_s - START / S for at_s in asked] == [0, 11, 23]


def test_a_venue_that_bars_us_for_long_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CannotUse, match=f"^chick on b: {NONE_LEFT}; nothing was sent; let nothing else"):
        listed(monkeypatch, listed=[RateLimited(NONE_LEFT, retry_ms=600_000)])
