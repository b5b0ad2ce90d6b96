"""A sample of Binance's part of `make fuzz` with each run of the tests, and that it would notice."""

from __future__ import annotations

import json

import pytest
from fuzz_binance import ERROR, PLACED, REPORT, Broken, check_batch, check_frame, fuzz

from exchanges.binance.wire import reply, stream
from exchanges.errors import Rejected
from exchanges.types import Refusal

FRAME = json.dumps({"subscriptionId": 0, "event": REPORT}).encode()


@pytest.mark.parametrize("seed", range(3))
def test_a_sample(seed: int) -> None:
    fuzz(1_500, seed)


def test_it_notices_a_fill_that_was_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = stream.message(FRAME)
    check_frame(FRAME)
    monkeypatch.setattr(stream, "message", lambda _: whole)
    with pytest.raises(Broken, match="not in the text"):
        check_frame(FRAME.replace(b'"l": "0.20"', b'"l": "0.02"'))


def test_it_notices_a_refusal_without_a_word_of_the_venue(monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps([PLACED, ERROR]).encode()
    check_batch(body)
    monkeypatch.setattr(reply, "judged", lambda *_, **__: Rejected(Refusal.VENUE, "made up"))
    with pytest.raises(Broken, match="without a code"):
        check_batch(json.dumps([PLACED, {"msg": "odd"}]).encode())
