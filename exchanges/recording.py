"""Recorded markets: `PREFIX_bbo.csv.gz` and `PREFIX_trades.csv.gz`, streamed row by row and merged by receive time.

Every fault of a file is one `MarketDataError` with file:line, what was found and what to do; it is raised where the
fault is met. Recordings of several venues are replayed on one `TimeAxis`.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from heapq import merge
from itertools import chain, count, islice
from pathlib import Path

from exchanges.errors import MarketDataError
from exchanges.market import MarketEvent, MarketQuote, MarketSeam, MarketSource, MarketTrade
from exchanges.types import Instrument, MarketKind, Side

BBO_COLUMNS = ("local_ts_us", "exch_ts_ms", "update_id", "bid_px", "bid_qty", "ask_px", "ask_qty")
TRADE_COLUMNS = ("local_ts_us", "exch_ts_ms", "trade_id", "px", "qty", "taker_side", "kind")
HEAD_ROWS = 5_000  # rows of each file that are read to infer tick and lot
SEAM_NS = 2_000_000_000  # silence between two passes of a repeated recording
_US = 1_000  # nanoseconds

_SIDES = {"buy": Side.BUY, "sell": Side.SELL}
_INVERSE = re.compile(r"coinm|inverse|(^|_)cm_|[a-z]usd_perp")
_PAIR = re.compile(r"^([a-z0-9]+?)(usdt|usdc|fdusd|busd|usd|eur|btc)$")


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """The span that is replayed, in the recorder's microseconds, both ends included."""

    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded market. Prices must be whole ticks of `instrument`; outside sizes are cut to whole lots."""

    prefix: Path
    instrument: Instrument

    def __post_init__(self) -> None:
        _refuse_inverse(self.prefix)

    def events(self, axis: TimeAxis, *, passes: int | None = 1) -> MarketSource:
        """Quotes and trades inside `axis`, offsets from its start, `passes` times (None: for ever).

        Between two passes there is a seam. At equal times trades come before the quote that shows their result.
        Raises: MarketDataError at the first fault of a file, also if there is no quote inside the axis.
        """
        period_ns = (axis.end_us - axis.start_us) * _US + SEAM_NS
        for done in count() if passes is None else range(passes):
            if done:
                yield MarketSeam(done * period_ns - SEAM_NS)
            yield from self._one_pass(axis, done * period_ns)

    def _one_pass(self, axis: TimeAxis, base_ns: int) -> MarketSource:
        bbo = _file(self.prefix, "bbo")
        quotes: MarketSource = _quotes(bbo, self.instrument, axis=axis, base_ns=base_ns)
        trades: MarketSource = _trades(_file(self.prefix, "trades"), self.instrument, axis=axis, base_ns=base_ns)
        first = next(quotes, None)
        if first is None:
            raise MarketDataError(
                f"{bbo}: no quote in the replayed span {axis.start_us}..{axis.end_us} us; "
                "use recordings of the same time"
            )
        yield from merge(trades, chain((first,), quotes), key=_offset)


def common_axis(prefixes: Iterable[Path]) -> TimeAxis:
    """The axis on which these recordings replay together: from the earliest first row to the earliest last row.

    Where the shortest recording ends all end, so that no venue goes on beside a book that stands still. Reads each
    quote file to its end once, so that a truncated one is found before anything runs.
    """
    spans = [_span(_file(prefix, "bbo")) for prefix in prefixes]
    axis = TimeAxis(min(first for first, _ in spans), min(last for _, last in spans))
    latest = max(first for first, _ in spans)
    if latest > axis.end_us:
        raise MarketDataError(
            f"the recordings do not overlap: one ends at {axis.end_us} us, another starts at {latest} us; "
            "use recordings of the same time"
        )
    return axis


def infer_instrument(prefix: Path, *, venue: str, market: str) -> Instrument:
    """An instrument from a recording's name and the decimals in the head of its files.

    Assumed, as files do not say it: spot fees of 0.1 % taken from what is received, perpetual fees of 0.02 % (maker)
    and 0.05 % (taker), a minimum of one lot and of 5 quote units. Spot if the name has `spot` in it.
    """
    _refuse_inverse(prefix)
    base, quote = _pair(prefix)
    tick, lot = _steps(prefix)
    spot = "spot" in prefix.name.lower()
    return Instrument(
        venue=venue, symbol=(base + quote).upper(), market=market,
        kind=MarketKind.SPOT if spot else MarketKind.PERP, base=base.upper(), quote=quote.upper(),
        tick=tick, lot=lot, min_qty=lot, min_notional=Decimal(5),
        maker_fee=Decimal("0.001") if spot else Decimal("0.0002"),
        taker_fee=Decimal("0.001") if spot else Decimal("0.0005"),
        initial_margin=Decimal(1) if spot else Decimal("0.1"),
        maintenance_margin=Decimal(0) if spot else Decimal("0.05"),
        fee_in_received=spot,
    )  # fmt: skip


# -- rows --------------------------------------------------------------------------------------------------------


def _quotes(path: Path, instrument: Instrument, *, axis: TimeAxis, base_ns: int) -> Iterator[MarketQuote]:
    tick, lot = instrument.tick, instrument.lot
    last_id = -1
    for line, local_us, row in _rows(path, BBO_COLUMNS):
        try:
            update_id = int(row[2])
            bid, ask = _ticks(row[3], tick), _ticks(row[5], tick)
            bid_lots, ask_lots = _lots(row[4], lot), _lots(row[6], lot)
        except _NOT_A_NUMBER as error:
            raise _bad_row(path, line, error, instrument) from None
        if update_id <= last_id:
            raise MarketDataError(
                f"{path}:{line}: update_id {update_id} is not above {last_id} of the row before; "
                "record the file again or remove the repeated rows"
            )
        last_id = update_id
        if local_us > axis.end_us:
            return
        if local_us >= axis.start_us:
            yield MarketQuote(base_ns + (local_us - axis.start_us) * _US, bid, bid_lots, ask, ask_lots)


def _trades(path: Path, instrument: Instrument, *, axis: TimeAxis, base_ns: int) -> Iterator[MarketTrade]:
    tick, lot = instrument.tick, instrument.lot
    for line, local_us, row in _rows(path, TRADE_COLUMNS):
        try:
            int(row[2])  # the trade id is not replayed, but a file whose ids are no numbers is not what it says it is
            ticks, lots = _ticks(row[3], tick), _lots(row[4], lot)
        except _NOT_A_NUMBER as error:
            raise _bad_row(path, line, error, instrument) from None
        taker = _SIDES.get(row[5])
        if taker is None:
            raise MarketDataError(f"{path}:{line}: taker_side is '{row[5]}', expected buy or sell; correct the file")
        if local_us > axis.end_us:
            return
        if local_us >= axis.start_us:
            yield MarketTrade(base_ns + (local_us - axis.start_us) * _US, taker, ticks, lots)


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, int, list[str]]]:
    """Line number, receive time and fields of each row; checks the header, the column count and the order of time."""
    width = len(columns)
    last_us = -1
    for line, text in _lines(path, columns):
        row = text.rstrip("\r\n").split(",")
        if len(row) != width:
            raise MarketDataError(
                f"{path}:{line}: {len(row)} columns, expected {width} ({','.join(columns)}); correct the file"
            )
        if not (row[0].isascii() and row[0].isdigit()):
            raise MarketDataError(
                f"{path}:{line}: local_ts_us is '{row[0]}', expected microseconds since the epoch; correct the file"
            )
        local_us = int(row[0])
        if local_us < last_us:
            raise MarketDataError(
                f"{path}:{line}: local_ts_us {local_us} is before {last_us} of the row before; sort the file by time"
            )
        last_us = local_us
        yield line, local_us, row
    if last_us < 0:
        raise MarketDataError(f"{path}:1: no rows after the header; record the file again")


def _lines(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Numbered lines after the header; every way in which a compressed file can be broken is a MarketDataError."""
    line = 0
    try:
        with gzip.open(path, "rt", encoding="ascii", newline="") as file:
            for line, text in enumerate(file, start=1):
                if line > 1:
                    yield line, text
                elif text.rstrip("\r\n") != ",".join(columns):
                    raise MarketDataError(
                        f"{path}:1: the header is '{text.rstrip()[:100]}', expected '{','.join(columns)}'; "
                        "check that this is the right kind of file"
                    )
    except FileNotFoundError:
        raise MarketDataError(f"{path}: no such file; give the part before _bbo.csv.gz as the prefix") from None
    except gzip.BadGzipFile:
        raise MarketDataError(f"{path}:{line + 1}: not gzip data, or damaged; compress the CSV with gzip") from None
    except EOFError:
        raise MarketDataError(f"{path}:{line + 1}: the gzip data is cut off; fetch the file again") from None
    except zlib.error as error:
        raise MarketDataError(f"{path}:{line + 1}: damaged gzip data ({error}); fetch the file again") from None
    except UnicodeDecodeError:
        raise MarketDataError(f"{path}:{line + 1}: not ASCII text; expected a CSV of numbers") from None
    except OSError as error:
        raise MarketDataError(f"{path}: cannot be read ({error.strerror}); check the path and its rights") from None
    if not line:
        raise MarketDataError(f"{path}:1: the file is empty; expected the header '{','.join(columns)}'")


class _OffTick(ValueError):
    """A price that is not a whole number of ticks."""


_NOT_A_NUMBER = (ValueError, InvalidOperation, OverflowError)


def _ticks(text: str, tick: Decimal) -> int:
    ratio = Decimal(text) / tick
    ticks = int(ratio)
    if ticks != ratio:
        raise _OffTick(f"price {text} is not a multiple of the tick {tick}")
    if ticks <= 0:
        raise ValueError(f"price {text} is not above 0")
    return ticks


def _lots(text: str, lot: Decimal) -> int:
    qty = Decimal(text)
    if qty < 0:
        raise ValueError(f"quantity {text} is negative")
    return int(qty / lot)


def _bad_row(path: Path, line: int, error: Exception, instrument: Instrument) -> MarketDataError:
    if isinstance(error, _OffTick):
        return MarketDataError(f"{path}:{line}: {error}; give the right tick for {instrument.symbol}")
    if isinstance(error, ValueError) and str(error).startswith(("price", "quantity")):
        return MarketDataError(f"{path}:{line}: {error}; correct the file")
    return MarketDataError(f"{path}:{line}: a price, quantity or id is not a decimal number; correct the file")


def _offset(event: MarketEvent) -> int:
    return event.offset_ns


# -- names and heads ---------------------------------------------------------------------------------------------


def _file(prefix: Path, kind: str) -> Path:
    return prefix.with_name(f"{prefix.name}_{kind}.csv.gz")


def _refuse_inverse(prefix: Path) -> None:
    if _INVERSE.search(prefix.name.lower()):
        raise MarketDataError(
            f"{prefix}: an inverse (COIN-M) contract, whose sizes are contracts and whose profit is paid in coin; "
            "there is no money formula for it here, use the spot or USD-M recording of the same coin"
        )


def _span(path: Path) -> tuple[int, int]:
    first = last = -1
    for _, local_us, _ in _rows(path, BBO_COLUMNS):
        first, last = (local_us if first < 0 else first), local_us
    return first, last


def _pair(prefix: Path) -> tuple[str, str]:
    for token in reversed(re.split(r"[_\-.]", prefix.name.lower())):
        if found := _PAIR.match(token):
            return found[1], found[2]
    raise MarketDataError(
        f"{prefix}: cannot read base and quote from the name '{prefix.name}' (expected a part like ethusdt); "
        "rename the files or give the instrument in the config"
    )


def _steps(prefix: Path) -> tuple[Decimal, Decimal]:
    """The finest price and quantity steps in the head of both files."""
    tick_places = lot_places = 0
    for kind, columns, prices, quantities in (
        ("bbo", BBO_COLUMNS, (3, 5), (4, 6)),
        ("trades", TRADE_COLUMNS, (3,), (4,)),
    ):
        for _, _, row in islice(_rows(_file(prefix, kind), columns), HEAD_ROWS):
            tick_places = max(tick_places, *(_places(row[index]) for index in prices))
            lot_places = max(lot_places, *(_places(row[index]) for index in quantities))
    return Decimal(1).scaleb(-tick_places), Decimal(1).scaleb(-lot_places)


def _places(text: str) -> int:
    return len(text.partition(".")[2])
