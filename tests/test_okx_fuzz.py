"""A sample of OKX's part of `make fuzz` with each run of the tests, and that it would notice."""

from __future__ import annotations

import json

import pytest
from fuzz_okx import ARG, ITEM, ROW, UNITS, WHOLE, Broken, check_answer, check_frame, envelope, fuzz

from exchanges.okx.wire import reply, stream

FRAME = json.dumps({"arg": ARG, "data": [ROW, WHOLE]}).encode()


@pytest.mark.parametrize("seed", range(3))
def test_a_sample(seed: int) -> None:
    fuzz(1_500, seed)


def test_it_notices_a_fill_that_was_made_up_and_a_row_that_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = stream.message(FRAME, UNITS)
    assert isinstance(whole, stream.Orders)
    check_frame(FRAME)
    monkeypatch.setattr(stream, "message", lambda *_: whole)
    with pytest.raises(Broken, match="not in the text"):
        check_frame(FRAME.replace(b'"fillSz": "2"', b'"fillSz": "1"'))
    monkeypatch.setattr(stream, "message", lambda *_: stream.Orders(whole.facts[:1]))
    with pytest.raises(Broken, match="lost"):
        check_frame(FRAME)


def test_it_notices_an_order_that_nobody_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps(envelope(ITEM | {"sCode": "51008"}, code="1")).encode()
    check_answer(body, 1)
    monkeypatch.setattr(reply, "items", lambda *_: ["7"])
    with pytest.raises(Broken, match="taken for accepted"):
        check_answer(body, 1)
