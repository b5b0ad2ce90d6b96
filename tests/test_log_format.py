"""A line of a log is one line for every reader, and gives back exactly what was put into it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_kit import parsed

from engine.runtime.log_format import iso, line
from engine.runtime.secrets import Secret
from exchanges.types import Side

NASTY = [
    "", " ", '"', "\\", '\\"', "a b", "a=b", "=", "two\nlines", "cr\rlf\r\n", "tab\t", "\x00", "\x1b[2J\x1b[31mred",
    "\x85next", "\u2028", "\u202etxt.exe", "\ud800", "维护中", "🦅", 'key="v" other=1', "'", "null", "-", "a,b", "\x7f",
]  # fmt: skip


@pytest.mark.parametrize("text", NASTY, ids=ascii)
def test_a_nasty_text_comes_back_and_stays_on_its_line(text: str) -> None:
    written = line({"before": 1, "text": text, "after": "x"})
    assert parsed(written) == {"before": "1", "text": text, "after": "x"}
    assert written.splitlines() == [written]
    assert not any(char in written for char in "\x1b\x00\r\x85\u202e\ud800")


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True), st.text(st.characters(), max_size=40)))
def test_any_text_comes_back(fields: dict[str, str]) -> None:
    assert parsed(line(fields)) == fields


def test_what_people_read_is_not_quoted() -> None:
    assert line({"time": iso(1_700_000_000_007), "side": Side.BUY, "price": Decimal("2600.50"), "none": None}) == (
        "time=2023-11-14T22:13:20.007Z side=buy price=2600.50"
    )
    assert line({"text": "insufficient margin", "word": "维护中"}) == 'text="insufficient margin" word="维护中"'


def test_numbers_are_written_without_exponent_and_flags_as_in_the_journal() -> None:
    assert line({"a": Decimal("0E-8"), "b": Decimal("1E+3"), "c": True, "d": False, "e": -5}) == (
        "a=0.00000000 b=1000 c=1 d=0 e=-5"
    )


def test_a_secret_is_starred_out_also_where_quoting_would_change_it() -> None:
    secret = 'p@ss "word"\n'
    Secret(secret)
    written = line({"text": f"POST https://x/{secret}?k=1", "id": secret})
    assert parsed(written) == {"text": "POST https://x/***?k=1", "id": "***"}
