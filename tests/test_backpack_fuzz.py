"""A sample of `make fuzz` with each run of the tests, and that it would notice."""

from __future__ import annotations

import json

import fuzz_backpack
import pytest
from fuzz_backpack import FILL, SYMBOL, Broken, check_frame, check_reply, fuzz

from exchanges.backpack.wire import stream
from exchanges.backpack.wire.stream import Told
from exchanges.facts import OrderFacts

FRAME = json.dumps({"stream": f"account.orderUpdate.{SYMBOL}", "data": FILL}).encode()


@pytest.mark.parametrize("seed", range(3))
def test_a_sample(seed: int) -> None:
    fuzz(1_500, seed)


def test_it_notices_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(_: bytes) -> Told:
        raise KeyError("z")

    monkeypatch.setattr(stream, "message", crash)
    with pytest.raises(Broken, match="KeyError"):
        fuzz(10, 1)


def test_it_notices_a_fill_that_was_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = stream.message(FRAME)
    assert isinstance(whole, OrderFacts)
    check_frame(FRAME)
    monkeypatch.setattr(stream, "message", lambda _: whole)
    with pytest.raises(Broken, match="not in the text"):
        check_frame(FRAME.replace(b'"l": "0.50"', b'"l": "0.05"'))


def test_it_notices_words_that_are_no_line() -> None:
    def shout(_: bytes) -> object:
        raise fuzz_backpack.BadFrame("two\nlines")

    with pytest.raises(Broken, match="no clear line"):
        check_reply(b"{}", shout)
