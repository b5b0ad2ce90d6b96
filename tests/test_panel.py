"""The picture of a run: it fits every terminal, and what matters most is on the smallest."""

from __future__ import annotations

from dataclasses import replace

import pytest
from control_kit import D, a_line, a_status, an_exposure
from rich.cells import cell_len

from cli.panel import panel
from cli.words import plain, span
from engine.runtime.status import Latency, OrderLine, Rounds, Status


def shown(status: Status, *, width: int = 120, height: int | None = 30) -> list[str]:
    return [line.plain.rstrip() for line in panel(status, status.lines, width=width, height=height)]


def styled(status: Status, text: str) -> set[str]:
    """The styles of the parts that hold a text."""
    found = set()
    for line in panel(status, status.lines, width=120, height=30):
        at = line.plain.find(text)
        if at >= 0:
            found |= {str(span.style) for span in line.spans if span.start <= at < span.end} or {str(line.style)}
    return found


def test_a_run_at_a_glance() -> None:
    assert shown(a_status()) == [
        " eagle_chicken  ETH-PERP  run 3" + " " * 81 + "up 1:05",
        " IDLE ›  MAKER_OPENING  resting 1.3 s › ERROR",
        " net 0 · unhedged 0 · in flight 0 · dust 0 · maker open 0, closed 0 · may open",
        " rounds 3, given up 1 · openings 75 % filled · P&L -0.4585 USD · volume 200.00 · fees 1.2500",
        " hedges sent in 0.4 ms, p50 0.3, p99 0.9",
        "",
        " account  role    venue    stream   position  hedged  cash USD    fees  volume",
        " hawk     maker   paper-a  trusted         0       0   -1.5000  0.2500  100.00",
        " chick    takers  paper-b  resync      -0.02   -0.02  +52.0000  1.0000  100.00",
        "",
        " order  for   side  state  quantity  filled  price    age",
        " hawk   open  buy   open       0.02   0.005   2600  1.2 s",
        "",
        " book     symbol  bid size      bid      ask  ask size    age",
        " paper-a  ETH          3.0  2600.10  2600.25       4.5  0.0 s",
        "",
        "      1.000  fill           number 1",
        "      2.000  fill           number 2",
    ]


BUSY = a_status(
    closed_because="paused", paused=True, stopping=1, state="ERROR.distrust",
    exposure=an_exposure(unhedged=D("-0.2"), unhedged_ms=7_000, net_position=D("-0.2")),
    alerts=tuple(a_line(seq, "an alert that is longer than any terminal " * 8) for seq in range(1, 8)),
    lines=tuple(a_line(seq, "老鹰捉小鸡 " * seq) for seq in range(1, 60)),
)  # fmt: skip


def test_a_directional_run_is_marked_and_speaks_of_no_hedges() -> None:
    lines = shown(a_status(hedged=False))
    assert lines[2] == " net 0 · directional, not hedged · maker open 0, closed 0 · may open"
    assert lines[6:8] == [
        " account  role    venue    stream   position  cash USD    fees  volume",
        " hawk     maker   paper-a  trusted         0   -1.5000  0.2500  100.00",
    ]


@pytest.mark.parametrize("status", [a_status(), BUSY, a_status(accounts=(), quotes=(), orders=(), lines=())])
def test_it_fits_every_terminal(status: Status) -> None:
    for width in (1, 2, 7, 20, 40, 79, 80, 81, 100, 120, 250):
        for height in (1, 2, 3, 5, 8, 12, 24, 25, 40, 70):
            lines = panel(status, status.lines, width=width, height=height)
            assert len(lines) <= height
            assert all(cell_len(line.plain) <= width for line in lines), (width, height)
            assert all("\n" not in line.plain for line in lines)


def test_a_small_terminal_loses_books_then_orders_then_accounts_and_keeps_what_happened() -> None:
    def tables(height: int) -> str:
        text = "\n".join(shown(a_status(lines=tuple(map(a_line, range(1, 60)))), height=height))
        heads = {"a": " account ", "o": " order ", "b": " book "}
        return "".join(letter for letter, head in heads.items() if head in text)

    assert [tables(height) for height in (30, 20, 19, 17, 16, 14, 13)] == ["aob", "aob", "ao", "ao", "a", "a", ""]
    smallest = shown(a_status(lines=tuple(map(a_line, range(1, 60)))), height=8)
    assert smallest[-1] == "     59.000  fill           number 59"


def test_a_narrow_terminal_loses_columns_before_numbers_are_cut() -> None:
    told = shown(a_status(), width=58)
    assert " account  venue    stream   position  cash USD    fees" in told
    assert " chick    paper-b  resync      -0.02  +52.0000  1.0000" in told
    assert " account  stream   position  cash USD" in shown(a_status(), width=40)


def test_without_a_height_every_table_and_the_last_ten_lines_are_there() -> None:
    lines = shown(a_status(lines=tuple(map(a_line, range(1, 60)))), height=None)
    assert [line for line in lines if "number" in line] == [
        f"{f'{seq}.000':>11}  fill           number {seq}" for seq in range(50, 60)
    ]
    assert " book     symbol  bid size      bid      ask  ask size    age" in lines


@pytest.mark.parametrize(
    ("qty", "age_ms", "text", "tone"),
    [
        ("0", 0, "unhedged 0", "green"),
        ("0.02", 300, "unhedged 0.02 for 0.3 s", "yellow"),
        ("0.04", 1_000, "unhedged 0.04 for 1.0 s", "yellow"),
        ("-0.02", 1_001, "UNHEDGED -0.02 for 1.0 s: longer than 1.0 s", "bold red"),
        ("0.02", 5_001, "UNHEDGED 0.02 for 5.0 s: longer than 5.0 s", "bold red"),
        ("-0.05", 10, "UNHEDGED -0.05 for 0.0 s: more than 0.04", "bold red"),
        ("0.11", 6_000, "UNHEDGED 0.11 for 6.0 s: more than 0.1", "bold red"),
    ],
)
def test_what_is_unhedged_is_red_beyond_its_limits_in_words_too(qty: str, age_ms: int, text: str, tone: str) -> None:
    status = a_status(exposure=an_exposure(unhedged=D(qty), unhedged_ms=age_ms))
    assert any(text in line for line in shown(status))
    assert styled(status, text) == {tone}


@pytest.mark.parametrize(
    ("net", "orders", "text"),
    [
        ("0.02", [("sell", "0.02", "0", True)], "net 0 to 0.02, an order is unknown"),
        ("-0.02", [("buy", "0.05", "0.01", True), ("sell", "1", "0", True)], "net -1.02 to 0.02, an order is unknown"),
        ("0.02", [("sell", "0.02", "0", False)], "net 0.02"),
        ("0.02", [("sell", "0.02", "0", False), ("buy", "0.01", "0", True)], "net 0.02 to 0.03, an order is unknown"),
    ],
)
def test_while_an_order_is_unknown_the_exposure_is_an_interval(
    net: str, orders: list[tuple[str, str, str, bool]], text: str
) -> None:
    """S4: who reads one number acts on it."""
    lines = [
        OrderLine("chick", "c", "hedge", side, D(qty), D(filled), None, "pending", unknown, 300)
        for side, qty, filled, unknown in orders
    ]
    told = shown(a_status(exposure=an_exposure(net_position=D(net)), orders=tuple(lines)))
    assert told[2].startswith(f" {text} ·")


def test_a_person_sees_the_newest_alerts_and_how_many_came_before() -> None:
    status = a_status(alerts=tuple(replace(a_line(seq, f"look {seq}"), word="limit") for seq in range(1, 6)))
    assert [line for line in shown(status, height=12) if "ALERT" in line or "before" in line] == [
        " ALERT limit: look 3", " ALERT limit: look 4", " ALERT limit: look 5", " and 2 before",
    ]  # fmt: skip
    assert styled(status, "ALERT limit: look 5") == {"bold red"}


def test_stopping_and_pausing_stand_in_the_title_and_the_reason_below() -> None:
    told = shown(a_status(stopping=2, paused=True, closed_because="paused"))
    assert told[0].endswith("FLATTENING NOW  PAUSED  up 1:05")
    assert told[2].endswith("· no opening: paused")


def test_on_the_way_out_a_long_line_is_wrapped_else_it_is_cut() -> None:
    long = "left: " + "hawk: +0.02 ETH-PERP; " * 8
    cut = shown(a_status(lines=(a_line(1, long),)), width=80)
    assert (cut[-1][-1], len(cut[-1])) == ("…", 80)
    whole = shown(a_status(lines=(a_line(1, long),), stopping=1), width=80)
    told = " ".join(line.strip() for line in whole[whole.index("") :] if "ETH-PERP;" in line)
    assert told.count("hawk: +0.02") == 8


def test_what_is_not_known_yet_is_left_out_or_said() -> None:
    young = a_status(
        rounds=Rounds(0, False, 0, 0, None), profit=None, latency=Latency(0, None, None, None), state="IDLE"
    )
    assert shown(young)[1:4] == [
        "  IDLE  1.3 s › MAKER_OPENING › ERROR",
        " net 0 · unhedged 0 · in flight 0 · dust 0 · maker open 0, closed 0 · may open",
        " rounds 0, given up 0 · P&L unknown (no book) · volume 200.00 · fees 1.2500",
    ]


def test_an_error_is_red_and_a_stream_that_is_not_trusted_stands_out() -> None:
    assert "bold reverse red" in styled(a_status(state="ERROR.halted"), " ERROR ")
    assert styled(a_status(), " chick ") == {"yellow"}


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0.0 s"),
        (1_299, "1.2 s"),
        (59_999, "59.9 s"),
        (60_000, "1:00"),
        (11_107_000, "3:05:07"),
    ],
)
def test_spans(ms: int, text: str) -> None:
    assert span(ms) == text


def test_quantities_have_no_exponent_and_no_zeros_behind() -> None:
    assert [plain(D(text)) for text in ("0.0200", "1E+3", "0E-8", "-0.50")] == ["0.02", "1000", "0", "-0.5"]
    assert [plain(D(text), sign=True) for text in ("0.0200", "0", "-1")] == ["+0.02", "0", "-1"]
