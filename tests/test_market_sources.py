"""Where paper venues get their markets: recordings with all their possible faults, and the seeded synthetic market."""

from __future__ import annotations

import gzip
from collections import Counter
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from exchanges.errors import MarketDataError
from exchanges.market import MarketEvent, MarketQuote, MarketSeam, MarketTrade
from exchanges.recording import Recording, TimeAxis, common_axis, infer_instrument
from exchanges.synthetic import SyntheticMarket
from exchanges.types import Instrument, MarketKind, Side

D = Decimal
BBO_HEADER = "local_ts_us,exch_ts_ms,update_id,bid_px,bid_qty,ask_px,ask_qty"
TRADE_HEADER = "local_ts_us,exch_ts_ms,trade_id,px,qty,taker_side,kind"
BBO = ["1000,,7,100.1,2,100.2,3.55", "1000,,8,100.1,1,100.2,3", "1500,,12,100,2.5,100.3,1"]
TRADES = ["900,,1,100.1,0.25,sell,", "1000,,2,100.2,1,buy,MARKET", "2000,,3,100,0.5,sell,"]
INSTRUMENT = Instrument(
    venue="paper-a", symbol="ETHUSDT", market="ETH-PERP", kind=MarketKind.PERP, base="ETH", quote="USDT",
    tick=D("0.1"), lot=D("0.01"), min_qty=D("0.01"), min_notional=D(5), maker_fee=D("0.0002"),
    taker_fee=D("0.0005"),
)  # fmt: skip


def write(folder: Path, *, name: str = "x_ethusdt", bbo: list[str] = BBO, trades: list[str] = TRADES) -> Path:
    prefix = folder / name
    for kind, lines in (("bbo", [BBO_HEADER, *bbo]), ("trades", [TRADE_HEADER, *trades])):
        with gzip.open(folder / f"{name}_{kind}.csv.gz", "wt") as file:
            file.write("\n".join(lines) + "\n")
    return prefix


def replay(prefix: Path, axis: TimeAxis | None = None, *, passes: int | None = 1) -> list[MarketEvent]:
    return list(islice(Recording(prefix, INSTRUMENT).events(axis or common_axis([prefix]), passes=passes), 30))


def test_quotes_and_trades_are_merged_by_time_trades_first(tmp_path: Path) -> None:
    assert replay(write(tmp_path), TimeAxis(900, 2000)) == [
        MarketTrade(0, Side.SELL, 1001, 25),
        MarketTrade(100_000, Side.BUY, 1002, 100),
        MarketQuote(100_000, 1001, 200, 1002, 355),
        MarketQuote(100_000, 1001, 100, 1002, 300),
        MarketQuote(600_000, 1000, 250, 1003, 100),
        MarketTrade(1_100_000, Side.SELL, 1000, 50),
    ]


def test_a_repeated_recording_has_a_seam_between_passes(tmp_path: Path) -> None:
    prefix = write(tmp_path)
    once = replay(prefix)
    period_ns = 500_000 + 2_000_000_000
    shifted = [event._replace(offset_ns=event.offset_ns + period_ns) for event in once]
    assert [event.offset_ns for event in once] == [0, 0, 0, 500_000]
    assert replay(prefix, passes=2) == [*once, MarketSeam(500_000), *shifted]
    assert len(replay(prefix, passes=None)) == 30, "for ever"


def test_several_recordings_share_one_axis(tmp_path: Path) -> None:
    early = write(tmp_path, name="a_ethusdt")
    late = write(tmp_path, name="b_ethusdt", bbo=["1200,,1,100,1,101,1", "1400,,2,100,2,101,1"], trades=[])
    far = write(tmp_path, name="c_ethusdt", bbo=["9000,,1,100,1,101,1"])
    axis = common_axis([early, late])
    assert axis == TimeAxis(1000, 1400)
    assert [event.offset_ns for event in replay(early, axis)] == [0, 0, 0]
    with pytest.raises(MarketDataError, match=r"the recordings do not overlap: one ends at 1500 us, another starts at"):
        common_axis([early, far])
    with pytest.raises(MarketDataError, match=r"no quote in the replayed span 1000\.\.1400 us"):
        replay(far, axis)


def test_outside_sizes_are_cut_to_whole_lots(tmp_path: Path) -> None:
    prefix = write(tmp_path, bbo=["1000,,1,100,1.239,101,0.004"], trades=["1000,,1,100,1,buy,"])
    assert replay(prefix)[1] == MarketQuote(0, 1000, 123, 1010, 0)


def test_an_instrument_is_inferred_from_name_and_decimals(tmp_path: Path) -> None:
    perp = infer_instrument(write(tmp_path, name="binance_usdm_ethusdt"), venue="paper-a", market="ETH-PERP")
    spot = infer_instrument(write(tmp_path, name="binance_spot_ethusdt"), venue="paper-b", market="ETH")
    assert perp == INSTRUMENT
    assert spot == replace(
        INSTRUMENT, venue="paper-b", market="ETH", kind=MarketKind.SPOT, maker_fee=D("0.001"), taker_fee=D("0.001"),
        initial_margin=D(1), maintenance_margin=D(0), fee_in_received=True,
    )  # fmt: skip
    with pytest.raises(MarketDataError, match=r"cannot read base and quote from the name 'x'"):
        infer_instrument(write(tmp_path, name="x"), venue="paper-a", market="ETH")


@pytest.mark.parametrize("name", ["binance_coinm_btcusd_perp", "btcusd_perp", "okx_inverse_eth", "binance_cm_eth"])
def test_inverse_contracts_are_refused_with_words(tmp_path: Path, name: str) -> None:
    text = (
        f"{tmp_path / name}: an inverse (COIN-M) contract, whose sizes are contracts and whose profit is paid in coin; "
        "there is no money formula for it here, use the spot or USD-M recording of the same coin"
    )
    for use in (
        lambda: infer_instrument(tmp_path / name, venue="paper-a", market="BTC"),
        lambda: Recording(tmp_path / name, INSTRUMENT),
    ):
        with pytest.raises(MarketDataError) as caught:
            use()
        assert str(caught.value) == text


@pytest.mark.parametrize(
    ("kind", "rows", "text"),
    [
        ("bbo", [], "1: no rows after the header; record the file again"),
        ("bbo", ["1,,1,2,1,3"], f"2: 6 columns, expected 7 ({BBO_HEADER}); correct the file"),
        ("bbo", [BBO[0], ""], f"3: 1 columns, expected 7 ({BBO_HEADER}); correct the file"),
        (
            "bbo",
            ["1.5,,1,2,1,3,1"],
            "2: local_ts_us is '1.5', expected microseconds since the epoch; correct the file",
        ),
        (
            "bbo",
            [BBO[0], "999,,8,100,1,101,1"],
            "3: local_ts_us 999 is before 1000 of the row before; sort the file by time",
        ),
        (
            "bbo",
            [BBO[0], BBO[0]],
            "3: update_id 7 is not above 7 of the row before; record the file again or remove the repeated rows",
        ),
        (
            "bbo",
            ["1000,,x,100,1,101,1"],
            "2: a price, quantity or id is not a decimal number; correct the file",
        ),
        (
            "bbo",
            ["1000,,1,abc,1,101,1"],
            "2: a price, quantity or id is not a decimal number; correct the file",
        ),
        (
            "bbo",
            ["1000,,1,100,1,NaN,1"],
            "2: a price, quantity or id is not a decimal number; correct the file",
        ),
        (
            "bbo",
            ["1000,,1,100,Infinity,101,1"],
            "2: a price, quantity or id is not a decimal number; correct the file",
        ),
        ("bbo", ["1000,,1,-100,1,101,1"], "2: price -100 is not above 0; correct the file"),
        ("bbo", ["1000,,1,100,-1,101,1"], "2: quantity -1 is negative; correct the file"),
        (
            "bbo",
            ["1000,,1,100.15,1,101,1"],
            "2: price 100.15 is not a multiple of the tick 0.1; give the right tick for ETHUSDT",
        ),
        ("trades", ["1000,,1,100,1,up,"], "2: taker_side is 'up', expected buy or sell; correct the file"),
        ("trades", ["1000,,x,100,1,buy,"], "2: a price, quantity or id is not a decimal number; correct the file"),
        ("trades", ["1000,,1,100,,buy,"], "2: a price, quantity or id is not a decimal number; correct the file"),
        (
            "trades",
            [TRADES[1], TRADES[0]],
            "3: local_ts_us 900 is before 1000 of the row before; sort the file by time",
        ),
    ],
)
def test_a_bad_row_is_one_error_with_its_line(tmp_path: Path, kind: str, rows: list[str], text: str) -> None:
    prefix = write(tmp_path, bbo=rows) if kind == "bbo" else write(tmp_path, trades=rows)
    with pytest.raises(MarketDataError) as caught:
        replay(prefix, TimeAxis(0, 5_000))
    assert str(caught.value) == f"{prefix}_{kind}.csv.gz:{text}"


def test_a_header_of_another_file_is_named(tmp_path: Path) -> None:
    prefix = write(tmp_path)
    (tmp_path / "x_ethusdt_bbo.csv.gz").write_bytes((tmp_path / "x_ethusdt_trades.csv.gz").read_bytes())
    with pytest.raises(MarketDataError) as caught:
        common_axis([prefix])
    assert str(caught.value) == (
        f"{prefix}_bbo.csv.gz:1: the header is '{TRADE_HEADER}', expected '{BBO_HEADER}'; "
        "check that this is the right kind of file"
    )


@pytest.mark.parametrize(
    ("because", "content", "text"),
    [
        ("empty", b"", f":1: the file is empty; expected the header '{BBO_HEADER}'"),
        (
            "plain text",
            b"local_ts_us,exch",
            ":1: not gzip data, or damaged; compress the CSV with gzip",
        ),
        (
            "cut off",
            gzip.compress((BBO_HEADER + "\n" + BBO[0] + "\n").encode(), mtime=0)[:-9],
            ":2: the gzip data is cut off; fetch the file again",
        ),
        (
            "damaged",
            gzip.compress(b"", mtime=0)[:10] + b"\xff" * 40,
            ":1: damaged gzip data (Error -3 while decompressing data: invalid block type); fetch the file again",
        ),
        ("no text", gzip.compress(b"\xff\xfe\n", mtime=0), ":1: not ASCII text; expected a CSV of numbers"),
        ("missing", None, ": no such file; give the part before _bbo.csv.gz as the prefix"),
    ],
)
def test_a_bad_file_is_one_error(tmp_path: Path, because: str, content: bytes | None, text: str) -> None:
    prefix = write(tmp_path)
    path = Path(f"{prefix}_bbo.csv.gz")
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    for use in (
        lambda: common_axis([prefix]),
        lambda: replay(prefix, TimeAxis(0, 5_000)),
        lambda: infer_instrument(prefix, venue="paper-a", market="ETH"),
    ):
        with pytest.raises(MarketDataError) as caught:
            use()
        assert str(caught.value) == f"{path}{text}", because


def test_a_folder_in_place_of_a_file_is_one_error(tmp_path: Path) -> None:
    prefix = write(tmp_path)
    path = Path(f"{prefix}_bbo.csv.gz")
    path.unlink()
    path.mkdir()
    with pytest.raises(MarketDataError) as caught:
        common_axis([prefix])
    assert str(caught.value) == f"{path}: cannot be read (Is a directory); check the path and its rights"


def test_a_file_cut_off_in_the_middle_gives_its_rows_first(tmp_path: Path) -> None:
    rows = [f"{1000 + number},,{number},{100 + number % 7}.{number % 10},1,120,{number}" for number in range(20_000)]
    prefix = write(tmp_path, bbo=rows)
    path = Path(f"{prefix}_bbo.csv.gz")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    events = Recording(prefix, INSTRUMENT).events(TimeAxis(0, 50_000))
    seen: list[MarketEvent] = []
    with pytest.raises(MarketDataError, match=r":\d+: the gzip data is cut off; fetch the file again"):
        seen.extend(events)
    assert 5_000 < len(seen) < 15_000


@dataclass
class Dice:
    random: Random

    def below(self, n: int) -> int:
        return self.random.randrange(n)

    def between(self, low: int, high: int) -> int:
        return self.random.randint(low, high)


def synthetic(number: int, *, walk: int = 1, flow: int = 2, market: SyntheticMarket | None = None) -> list[MarketEvent]:
    source = (market or SyntheticMarket()).events(walk=Dice(Random(walk)), flow=Dice(Random(flow)))
    return list(islice(source, number))


def test_the_synthetic_market_is_its_seeds() -> None:
    assert synthetic(500) == synthetic(500)
    assert synthetic(500) != synthetic(500, walk=3)


def test_two_synthetic_markets_of_one_walk_quote_equal_prices_at_equal_times() -> None:
    def prices(flow: int) -> list[tuple[int, int, int]]:
        events = synthetic(2_000, flow=flow)
        return [(event.offset_ns, event.bid, event.ask) for event in events if isinstance(event, MarketQuote)][:1_000]

    def sizes(flow: int) -> list[int]:
        return [event.bid_lots for event in synthetic(100, flow=flow) if isinstance(event, MarketQuote)]

    assert prices(2) == prices(5)
    assert sizes(2) != sizes(5)


def test_the_synthetic_market_keeps_its_parameters() -> None:
    events = synthetic(20_000)
    quotes = [event for event in events if isinstance(event, MarketQuote)]
    trades = [event for event in events if isinstance(event, MarketTrade)]
    assert [event.offset_ns for event in events] == sorted(event.offset_ns for event in events)
    assert {quote.ask - quote.bid for quote in quotes} == {1, 3}
    one_tick = sum(quote.ask - quote.bid == 1 for quote in quotes)
    assert 0.92 < one_tick / len(quotes) < 0.96
    assert 0.37 < len(trades) / len(quotes) < 0.43
    assert {(300 <= quote.bid_lots <= 4_000) and (300 <= quote.ask_lots <= 4_000) for quote in quotes} == {True}
    assert {10 <= trade.lots <= 500 for trade in trades} == {True}
    sides = Counter(trade.taker for trade in trades)
    assert 0.9 < sides[Side.BUY] / sides[Side.SELL] < 1.1
    mean_gap_ns = quotes[-1].offset_ns / (len(quotes) - 1)
    assert 98_000_000 < mean_gap_ns < 102_000_000


def test_the_synthetic_price_stays_near_its_start() -> None:
    market = SyntheticMarket(start_ticks=1_000, move_permille=1_000, move_ticks_max=60)
    bids = [event.bid for event in synthetic(5_000, market=market) if isinstance(event, MarketQuote)]
    assert 700 < min(bids) < 850
    assert 1_150 < max(bids) < 1_300


def test_a_still_synthetic_market_does_not_move() -> None:
    market = SyntheticMarket(move_permille=0, wide_permille=0, trade_permille=0)
    assert {(event.bid, event.ask) for event in synthetic(300, market=market) if isinstance(event, MarketQuote)} == {
        (260_000, 260_001)
    }
