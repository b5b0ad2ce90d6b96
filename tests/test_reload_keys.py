"""New keys of an account while a hedger runs: what it holds under them must be what the run knows it to hold."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hedger_kit import BUY, HedgeBench

from cli import reload
from cli.locate import CannotUse
from cli.reload import Reload
from exchanges.errors import Rejected
from exchanges.types import Position, Refusal

D = Decimal
Answer = Callable[[], Sequence[Position]]


class Client:
    """Answers one after the other; the last one stays."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def get_account_positions(self) -> Sequence[Position]:
        self.asked += 1
        return (self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])()

    async def disconnect(self) -> None: ...


def holds(qty: str) -> Answer:
    return lambda: (Position("h1", "ETHUSDT", D(qty)), Position("h1", "BTCUSDT", D(99)))


def tried(made: HedgeBench, client: Client, monkeypatch: pytest.MonkeyPatch, *, name: str = "h1") -> None:
    monkeypatch.setattr(reload, "LOOK_S", 0)
    looks = Reload.__new__(Reload)
    looks._members = cast(Any, [SimpleNamespace(desk=made.desk)])
    monkeypatch.setattr(looks, "_client", lambda *_: client)
    asyncio.run(looks._try_keys(cast(Any, None), name))


@pytest.fixture
def made() -> HedgeBench:
    """h1 has sold 2, and nothing is on its way."""
    bench = HedgeBench()
    bench.begin()
    bench.heard(BUY, "2")
    bench.done(bench.last)
    return bench


def test_keys_of_the_same_account_are_taken(made: HedgeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(holds("-2"))
    tried(made, client, monkeypatch)
    assert client.asked == 1


def test_keys_of_another_account_are_refused(made: HedgeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run took its positions for a difference, trusted nothing any more and stopped hedging."""
    with pytest.raises(CannotUse, match="the new keys of h1 are of another account: it holds 0 ETHUSDT, and the run's"):
        tried(made, Client(holds("0")), monkeypatch)
    with pytest.raises(CannotUse, match="of another account: it holds 0 ETHUSDT"):
        tried(made, Client(lambda: ()), monkeypatch)  # a symbol that is left out is flat


def test_a_venue_that_shows_a_fill_late_is_asked_again(made: HedgeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(holds("-1"), holds("-2"))
    tried(made, client, monkeypatch)
    assert client.asked == 2


def test_what_is_on_its_way_may_have_filled_or_not(made: HedgeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    made.heard(BUY, "1")
    for qty in ("-2", "-2.4", "-3"):
        tried(made, Client(holds(qty)), monkeypatch)
    for qty in ("-1.9", "-3.1"):
        with pytest.raises(CannotUse, match="the run's has -3 to -2"):
            tried(made, Client(holds(qty)), monkeypatch)


def test_a_fill_while_it_is_asked_is_no_difference(made: HedgeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    made.heard(BUY, "1")

    def meanwhile() -> Sequence[Position]:
        made.done(made.last)
        return holds("-2")()

    tried(made, Client(meanwhile, holds("-3")), monkeypatch)


def test_of_an_account_that_is_only_listened_to_no_position_is_ours(
    made: HedgeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried(made, Client(holds("77")), monkeypatch, name="s")

    def unsupported() -> Sequence[Position]:
        raise Rejected(Refusal.UNSUPPORTED, "tells no positions")

    tried(made, Client(unsupported), monkeypatch, name="s")
