"""Every adapter passes every conformance card in front of its local venue, or names why the card does not apply."""

from __future__ import annotations

import pytest
from card_benches import BENCHES, CardBench
from cards import CARDS
from transport_kit import run_virtual

from engine.runtime.loop import VirtualLoop


@pytest.mark.parametrize("text", CARDS)
@pytest.mark.parametrize("bench", BENCHES, ids=[bench.name for bench in BENCHES])
def test_card(bench: type[CardBench], text: str) -> None:
    if text in bench.lacks:
        pytest.skip(bench.lacks[text])

    async def play(loop: VirtualLoop) -> None:
        it = bench(loop)
        try:
            await it.connect()
            await CARDS[text][1](it)
        finally:
            await it.close()

    run_virtual(play)


@pytest.mark.parametrize("bench", BENCHES, ids=[bench.name for bench in BENCHES])
def test_only_known_cards_are_left_out(bench: type[CardBench]) -> None:
    assert set(bench.lacks) <= set(CARDS)
