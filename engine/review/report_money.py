"""What every fill was worth, split into spread, slippage, drift and fees: exact, and whole whatever the quotes were.

A maker's fill is judged against the mid of its book as it stood at the step of the fill, a taker's against the book as
it stood at the step that decided its order. With d the signed change of the position (net of a fee taken in base, S18),
p the fill's price, m that mid, t the touch at the decision (ask for a buy, bid for a sale), M the last mid of the book:

    maker:   spread d (m - p)
    taker:   spread d (m - t)    slippage d (t - p)
    both:    drift  d (M - m)    fee: as paid; one in base counts at p

They add up to d (M - p) less the fee, what the fill is worth at the end. A fill that no order of ours made counts as a
taker's of its own step with t = m; where no quote is known, m = t = p.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from engine.review.report_figures import Money
from engine.review.report_rows import FillRow, Terms, decimal, mid_of
from engine.review.report_series import Series
from exchanges.types import ZERO

__all__ = ["OUTSIDE", "Bounds", "Counted", "Split", "Tallies"]

NEVER = 1 << 63
OUTSIDE = "outside"  # instead of a purpose, for fills that no order of ours made
# Signed change of the position, money spent (fees in quote included), the change at the mid that judges it, that mid.
Counted = tuple[Decimal, Decimal, Decimal, Decimal]


@dataclass(slots=True)
class Tally:
    """Sums over the fills of one account and purpose that were alike: all makers', all takers', all from outside."""

    fills: int = 0
    volume: Decimal = ZERO
    fees: Decimal = ZERO
    spent: Decimal = ZERO  # cash that went out, fees in quote included
    position: Decimal = ZERO
    paid: Decimal = ZERO  # d x p
    touch: Decimal = ZERO  # d x t
    worth: Decimal = ZERO  # d x m
    took_ns: array[int] = field(default_factory=lambda: array("q"))  # from the decision to the fill


@dataclass(frozen=True, slots=True)
class Split:
    """Sums over tallies, spread and slippage told apart."""

    fills: int
    volume: Decimal
    fees: Decimal
    spent: Decimal
    position: Decimal
    worth: Decimal
    spread: Decimal
    slippage: Decimal

    def money(self, mark: Decimal) -> Money:
        """With the position counted at `mark`; the P&L comes from cash alone, not from the parts."""
        held = self.position * mark
        return Money(
            volume=self.volume, spread=self.spread, fees=self.fees, funding=ZERO, slippage=self.slippage,
            drift=held - self.worth, pnl=held - self.spent,
        )  # fmt: skip


@dataclass(slots=True)
class Bounds:
    """What a simulation could have got wrong (S19), summed over the fills."""

    slippage_lost: Decimal = ZERO  # negative slippage alone
    slippage_size: Decimal = ZERO  # absolute values
    maker_gain: Decimal = ZERO  # what makers gained against the mid
    beyond: Decimal = ZERO  # quantity taken beyond the size shown
    beyond_cost: Decimal = ZERO  # that quantity at its order's worst price instead of the touch


@dataclass(slots=True)
class _Account:
    """What is needed of an account for each of its fills."""

    base: str
    quote: str
    taken: list[tuple[str, str, Decimal]]  # from its book's bids and asks, see `_take`; shared with others of that book
    mid: Decimal = ZERO  # by which its last fill was judged
    tallies: dict[tuple[str | None, int], Tally] = field(default_factory=dict)  # by purpose and maker


class Tallies:
    """Tallies by account and purpose, fed with fills in the order of the steps."""

    def __init__(self, terms: Terms, series: Series | None = None) -> None:
        self.bounds = Bounds()
        self.other_fees: dict[str, Decimal] = {}  # by asset: neither quote nor base, so no money of this market
        self.without_quote = 0
        self._series = series
        self._max_slippage = terms.max_slippage
        taken = {terms.book(name): [("", "", ZERO)] * 2 for name in terms.accounts}
        self._accounts = {
            name: _Account(about.base, about.quote, taken[terms.book(name)]) for name, about in terms.accounts.items()
        }

    def count(self, fills: Sequence[FillRow]) -> list[Counted | None]:
        """What each fill changed; None for a provisional row, which brings no money."""
        accounts, bounds, series = self._accounts, self.bounds, self._series
        due_ns = NEVER if series is None else series.due_ns
        counted: list[Counted | None] = []
        for (
            _, at_ns, name, buys, qty_text, _, price_text, fee_text, asset, maker, trade, provisional, bid, ask, shown,
            purpose, _, decided_ns,
        ) in fills:  # fmt: skip
            if at_ns >= due_ns and series is not None:
                due_ns = series.pnl(at_ns, *self.pnl())
            if provisional or price_text is None:
                counted.append(None)
                continue
            account = accounts[name]
            tally = account.tallies.get((purpose, maker))
            if tally is None:
                tally = account.tallies[purpose, maker] = Tally()
            qty, price, fee = decimal(qty_text), decimal(price_text), Decimal(fee_text)
            notional = qty * price
            delta, paid = (qty, notional) if buys else (-qty, -notional)
            spent = paid
            if asset == account.quote:
                spent += fee
            elif asset == account.base:
                delta -= fee
                fee *= price
                paid -= fee
            else:
                fee = self._other_fee(asset, fee)
            if bid is None or ask is None:
                self.without_quote += 1
                mid, worth, touch = price, paid, paid
            else:
                mid = mid_of(bid, ask)
                worth = touch = delta * mid
                if purpose is None:
                    self._slipped(touch - paid)
                elif maker:
                    if worth > paid:
                        bounds.maker_gain += worth - paid
                else:
                    taken = ask if buys else bid
                    touch = delta * decimal(taken)
                    if touch != paid:
                        self._slipped(touch - paid)
                    self._take(account, buys, qty, taken, shown or "0")
            tally.fills += 1
            tally.fees += fee
            tally.spent += spent
            tally.position += delta
            tally.paid += paid
            tally.worth += worth
            if not maker or purpose is None:
                tally.touch += touch
            if trade:
                tally.volume += notional
            if decided_ns is not None:  # else no order of ours, or one that no journal tells the making of
                tally.took_ns.append(at_ns - decided_ns)
            account.mid = mid
            counted.append((delta, spent, worth, mid))
        return counted

    def mid(self, name: str) -> Decimal:
        """The mid by which the account's last fill was judged; its price where no quote was known."""
        return self._accounts[name].mid

    def of(self, name: str) -> Split:
        """An account's sums."""
        return _split(self._accounts[name].tallies.items())

    def by_purpose(self) -> dict[str, Split]:
        """Sums over the accounts; fills that no order of ours made are under OUTSIDE."""
        parts: dict[str, list[tuple[tuple[str | None, int], Tally]]] = {}
        for account in self._accounts.values():
            for key, tally in account.tallies.items():
                parts.setdefault(key[0] or OUTSIDE, []).append((key, tally))
        return {purpose: _split(tallies) for purpose, tallies in parts.items()}

    def took_ns(self) -> dict[str, array[int]]:
        """By purpose, from the decision to each fill."""
        took: dict[str, array[int]] = {}
        for account in self._accounts.values():
            for (purpose, _), tally in account.tallies.items():
                if purpose is not None:
                    took.setdefault(purpose, array("q")).extend(tally.took_ns)
        return took

    def pnl(self) -> tuple[Decimal, Decimal]:
        """P&L so far, positions at the mids of their last fills, and the fees in it."""
        pnl = fees = ZERO
        for account in self._accounts.values():
            for tally in account.tallies.values():
                pnl += tally.position * account.mid - tally.spent
                fees += tally.fees
        return pnl, fees

    def _slipped(self, slippage: Decimal) -> None:
        self.bounds.slippage_size += abs(slippage)
        if slippage < 0:
            self.bounds.slippage_lost += slippage

    def _take(self, account: _Account, buys: int, qty: Decimal, touch: str, shown: str) -> None:
        """Our own size stays gone until that side is seen anew; what goes beyond the size shown is counted."""
        last_touch, last_shown, before = account.taken[buys]
        after = before + qty if last_touch == touch and last_shown == shown else qty
        account.taken[buys] = (touch, shown, after)
        excess = after - decimal(shown)
        if excess > 0:
            beyond = min(excess, qty)
            self.bounds.beyond += beyond
            self.bounds.beyond_cost += beyond * decimal(touch) * self._max_slippage

    def _other_fee(self, asset: str, fee: Decimal) -> Decimal:
        """A fee that is no money of this market counts as none."""
        if fee:
            self.other_fees[asset] = self.other_fees.get(asset, ZERO) + fee
        return ZERO


def _split(tallies: Iterable[tuple[tuple[str | None, int], Tally]]) -> Split:
    spread = slippage = ZERO
    sums = Tally()
    for (purpose, maker), tally in tallies:
        for name in ("fills", "volume", "fees", "spent", "position", "worth"):
            setattr(sums, name, getattr(sums, name) + getattr(tally, name))
        if maker and purpose is not None:
            spread += tally.worth - tally.paid
        else:
            spread += tally.worth - tally.touch
            slippage += tally.touch - tally.paid
    return Split(sums.fills, sums.volume, sums.fees, sums.spent, sums.position, sums.worth, spread, slippage)
