"""The picture of a running desk: a `Status` as lines of styled text that fit the terminal. Pure.

What must be seen comes first: state, what is unhedged, calls for a person. A small terminal loses books, then orders,
then accounts, and keeps the newest lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from textwrap import wrap

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from cli.words import plain, span
from engine.runtime.status import Exposure, Line, Status
from engine.trading.plan import DIRECTIONAL

FEWEST_LINES = 5  # of what happened last, with the empty one before them: tables go before these do
MOST_ALERTS = 3  # shown; the newest
STYLES = {"plain": "", "strong": "bold", "info": "cyan", "good": "green", "warning": "yellow", "alarm": "bold red"}
_LEVELS = ("", "STOPPING", "FLATTENING NOW", "LEAVING")
_STAMP = 29  # cells before the text of a line


def panel(status: Status, happened: Sequence[Line], *, width: int, height: int | None) -> list[Text]:
    """At most `height` lines of at most `width` cells; without a height all tables, and the last lines."""
    head = [_title(status, width), _where(status, width), *_facts(status, width), *_alerts(status)]
    tables = [_accounts(status, width), _orders(status, width), _books(status, width)]  # in the order of their weight
    if height is not None:
        while tables and len(head) + sum(map(len, tables)) + FEWEST_LINES > height:
            tables.pop()
    body = [line for table in tables for line in table]
    room = 11 if height is None else height - len(head) - len(body)
    lines = [*head, *body, *_newest(happened, room, width, whole=status.stopping > 0)]
    for line in lines:
        line.no_wrap = True
        line.truncate(width, overflow="ellipsis")
    return lines if height is None else lines[:height]


# --- the head


def _title(status: Status, width: int) -> Text:
    left = f" {status.flow}  {status.market}  run {status.run}"
    words = [_LEVELS[min(status.stopping, 3)], "PAUSED" if status.paused else "", f"up {span(status.up_ms)} "]
    right = "  ".join(filter(None, words))
    gap = max(2, width - cell_len(left) - cell_len(right))
    calm = not status.stopping and not status.paused
    return Text(f"{left}{' ' * gap}{right}", style="bold reverse" if calm else "bold reverse yellow")


def _where(status: Status, width: int) -> Text:
    """The flow's phases with the present one lit up; only that one where the terminal is too narrow for all."""
    tone = "bold reverse red" if status.phase == "ERROR" else "bold reverse green"
    inside = status.state.removeprefix(status.phase).lstrip(".")
    here = Text.assemble((f" {status.phase} ", tone), f" {inside}" if inside else "", f" {span(status.phase_ms)}")
    path = Text(" ")
    for number, phase in enumerate(status.phases):
        path.append(" › " if number else "", style="dim")
        path.append_text(here if phase == status.phase else Text(phase, style="dim"))
    return path if cell_len(path.plain) <= width else Text.assemble(" ", here)


def _facts(status: Status, width: int) -> list[Text]:
    it = status.exposure
    exposure = [
        _net(status),
        *(_of_hedges(it) if status.hedged else (Text(DIRECTIONAL, style="yellow"),)),
        Text(f"maker open {plain(it.maker_open_position)}, closed {plain(it.maker_close_position)}"),
        Text(f"no opening: {status.closed_because}", style="yellow") if status.closed_because else Text("may open"),
    ]
    return [*_packed(exposure, width), *_packed(_money(status), width)]


def _net(status: Status) -> Text:
    """S4: an interval while the outcome of an order is unknown, for it may have filled."""
    net = status.exposure.net_position
    unknown = [(it.side, it.qty - it.filled) for it in status.orders if it.unknown]
    if not unknown:
        return Text(f"net {plain(net)}", style="bold")
    low = net - sum(rest for side, rest in unknown if side == "sell")
    high = net + sum(rest for side, rest in unknown if side == "buy")
    return Text(f"net {plain(low)} to {plain(high)}, an order is unknown", style="bold yellow")


def _of_hedges(it: Exposure) -> tuple[Text, ...]:
    return _unhedged(it), Text(f"in flight {plain(it.in_flight)}"), Text(f"dust {plain(it.dust)}")


def _unhedged(it: Exposure) -> Text:
    if it.unhedged == 0:
        return Text("unhedged 0", style="green")
    text = f"{plain(it.unhedged)} for {span(it.unhedged_ms)}"
    size, ms = abs(it.unhedged), it.unhedged_ms
    if size > it.unhedged_soft:
        limit = it.unhedged_hard if size > it.unhedged_hard else it.unhedged_soft
        return Text(f"UNHEDGED {text}: more than {plain(limit)}", style="bold red")
    if ms > it.unhedged_soft_ms:
        limit_ms = it.unhedged_hard_ms if ms > it.unhedged_hard_ms else it.unhedged_soft_ms
        return Text(f"UNHEDGED {text}: longer than {span(limit_ms)}", style="bold red")
    return Text(f"unhedged {text}", style="yellow")


def _money(status: Status) -> Iterable[Text]:
    it, delay = status.rounds, status.latency
    yield Text(f"rounds {it.done}, given up {it.given_up}")
    if it.fill_rate is not None:
        yield Text(f"openings {it.fill_rate * 100:.0f} % filled")
    if status.profit is None:
        yield Text("P&L unknown (no book)", style="yellow")
    else:
        yield Text(f"P&L {status.profit:+.4f} {status.quote}", style="green" if status.profit >= 0 else "red")
    yield Text(f"volume {status.volume:.2f}")
    yield Text(f"fees {status.fees:.4f}")
    if delay.last_us is not None and delay.p50_us is not None and delay.p99_us is not None:
        last, half, most = delay.last_us / 1000, delay.p50_us / 1000, delay.p99_us / 1000
        yield Text(f"hedges sent in {last:.1f} ms, p50 {half:.1f}, p99 {most:.1f}")


def _packed(facts: Iterable[Text], width: int) -> list[Text]:
    """As many on a line as fit."""
    lines: list[Text] = []
    for fact in facts:
        if lines and cell_len(lines[-1].plain) + 3 + cell_len(fact.plain) <= width:
            lines[-1].append(" · ", style="dim").append_text(fact)
        else:
            lines.append(Text.assemble(" ", fact))
    return lines


def _alerts(status: Status) -> list[Text]:
    more = len(status.alerts) - MOST_ALERTS
    shown = [Text(f" ALERT {line.word}: {line.text}", style="bold red") for line in status.alerts[-MOST_ALERTS:]]
    return [*shown, Text(f" and {more} before", style="red")] if more > 0 else shown


# --- the tables


def _accounts(status: Status, width: int) -> list[Text]:
    rows = [("account", "role", "venue", "stream", "position", "hedged", f"cash {status.quote}", "fees", "volume")]
    positions = _aligned([it.position for it in status.accounts], sign=True)
    hedged = _aligned([it.hedged for it in status.accounts], sign=True)
    rows += [
        (
            it.account, it.role, it.venue, it.link, position, hedge, f"{it.cash:+.4f}", f"{it.fees:.4f}",
            f"{it.volume:.2f}",
        )
        for it, position, hedge in zip(status.accounts, positions, hedged, strict=True)
    ]  # fmt: skip
    styles = ["" if it.link == "trusted" else "yellow" for it in status.accounts]
    if status.hedged:
        return _table(rows, left=4, styles=styles, width=width, spare=(1, 5, 8, 7, 2))
    unhedged = [(*row[:5], *row[6:]) for row in rows]
    return _table(unhedged, left=4, styles=styles, width=width, spare=(1, 7, 6, 2))


def _orders(status: Status, width: int) -> list[Text]:
    rows = [("order", "for", "side", "state", "quantity", "filled", "price", "age")]
    rows += [
        (
            it.account, it.purpose, it.side, "unknown" if it.unknown else it.state, plain(it.qty), plain(it.filled),
            "market" if it.price is None else plain(it.price), span(it.age_ms),
        )
        for it in status.orders
    ]  # fmt: skip
    styles = ["yellow" if it.unknown else "" for it in status.orders]
    return _table(rows, left=4, styles=styles, width=width, spare=(7, 3))


def _books(status: Status, width: int) -> list[Text]:
    rows = [("book", "symbol", "bid size", "bid", "ask", "ask size", "age")]
    for it in status.quotes:
        bid_qty, ask_qty = _aligned([it.bid_qty, it.ask_qty])
        bid, ask = _aligned([it.bid, it.ask])
        rows.append((it.venue, it.symbol, bid_qty, bid, ask, ask_qty, span(it.age_ms)))
    return _table(rows, left=2, styles=[""] * len(status.quotes), width=width, spare=(1, 2, 5))


def _aligned(values: Sequence[Decimal], *, sign: bool = False) -> list[str]:
    """With as many decimals as the longest of them needs; zero stays bare."""
    texts = [plain(value, sign=sign) for value in values]
    places = max((len(text.partition(".")[2]) for text in texts), default=0)
    form = f"{'+' if sign else ''}.{places}f"
    return [format(value, form) if value else "0" for value in values]


def _table(
    rows: Sequence[tuple[str, ...]], *, left: int, styles: Sequence[str], width: int, spare: Sequence[int]
) -> list[Text]:
    """Text left, numbers right, under a dim head, after an empty line; too wide, it loses `spare` columns in order."""
    sizes = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    shown = list(range(len(sizes)))
    for column in spare:
        if sum(sizes[each] + 2 for each in shown) - 1 > width:
            shown.remove(column)

    def cell(row: tuple[str, ...], column: int) -> str:
        text, size = row[column], sizes[column]
        return set_cell_size(text, size) if column < left else " " * (size - cell_len(text)) + text

    lines = [" " + "  ".join(cell(row, column) for column in shown) for row in rows]
    return [Text(), *(Text(line, style=style) for line, style in zip(lines, ("dim", *styles), strict=True))]


# --- what happened last


def _newest(happened: Sequence[Line], room: int, width: int, *, whole: bool) -> list[Text]:
    """The last lines that fit, after an empty one; `whole` wraps what is too wide instead of cutting it."""
    lines: list[Text] = []
    for line in reversed(happened):
        if len(lines) >= room - 1:
            break
        lines = [*_happened(line, width, whole=whole), *lines]
    return [Text(), *lines[-(room - 1) :]] if room > 1 else []


def _happened(line: Line, width: int, *, whole: bool) -> list[Text]:
    texts = wrap(line.text, max(20, width - _STAMP)) if whole and len(line.text) > width - _STAMP else [line.text]
    stamp = f"{line.at_ms // 1000:>7}.{line.at_ms % 1000:03}  "
    first = Text.assemble((stamp, "dim"), (f"{line.word:<14} ", STYLES.get(line.tone, "")), *texts[:1])
    return [first, *(Text(" " * _STAMP + text) for text in texts[1:])]
