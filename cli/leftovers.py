"""What earlier runs left on the accounts of a config, and the leases of those accounts."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from cli.locate import CannotUse
from cli.record import lived_at
from cli.resolve import Resolve
from engine.chart.model import Flow
from engine.errors import NotFlatBefore
from engine.runtime.carried import Left, Place, broken_off, left_by_earlier_runs
from engine.runtime.config import Config
from engine.runtime.folders import state_folder
from engine.runtime.journal_read import open_journal, read_venues
from engine.runtime.lease import Leases, held, lease_name
from engine.trading.inputs import Carried
from engine.trading.plan import source_role
from exchanges.types import ZERO, Fill, Instrument, MarketKind, Position, Side

LEASES = "leases"


@contextmanager
def leases_of(config: Config, resolve: Resolve, *, journal: Path) -> Iterator[Leases]:
    """Hold the accounts of a config that live at venues. Raises: AccountInUse, LeaseUnwritable, CannotUse."""
    with held(lease_paths(config, resolve), journal=journal.absolute()) as leases:
        yield leases


def lease_paths(config: Config, resolve: Resolve) -> dict[str, Path]:
    """By account: the file of its lease; paper accounts have none. Raises: CannotUse, SecretUnreadable."""
    from cli.client_wiring import identity_of

    return {
        account.name: state_folder() / LEASES / lease_name(venue.kind, identity_of(config, account, resolve))
        for account in config.used_accounts
        if (venue := config.venues[account.venue]).real
    }


def with_guard_keys(config: Config) -> Config:
    """The config as the guard trades it: with the keys made for it, where there are any."""
    accounts = {
        name: replace(it, credentials=it.guard_credentials or it.credentials, known_by=it.credentials)
        for name, it in config.accounts.items()
    }
    return replace(config, accounts=accounts)


def must_tell(journal: Path) -> None:
    """S1: without a journal nothing is known to be ours. Raises: CannotUse where there is none, or an empty file."""
    if not journal.exists() or not journal.stat().st_size:
        raise CannotUse(
            f"{journal}: there is no journal, so nothing is known of what a run left open; nothing was sent. Name"
            " that run's own with --journal; if it is lost, close by hand, at every account's venue, what it left"
        )


def left_over(path: Path, config: Config, *, wall_ms: int) -> Left | None:
    """What the journal says is still open on the accounts of a config; None without a journal or anything open.

    Raises: JournalUnreadable, JournalForeign, JournalNewer, JournalCorrupt.
    """
    if not path.exists() or not path.stat().st_size:
        return None
    with open_journal(path) as journal:
        return left_in(journal, config, wall_ms=wall_ms)


def left_in(journal: sqlite3.Connection, config: Config, *, wall_ms: int) -> Left | None:
    """As `left_over`, by an open journal."""
    return left_by_earlier_runs(journal, _places(config), wheres=read_venues(journal), wall_ms=wall_ms)


def unfinished(path: Path, config: Config) -> int:
    """The newest run on the accounts of a config, if it never came to its end; else 0. Raises: as `left_over`."""
    if not path.exists() or not path.stat().st_size:
        return 0
    with open_journal(path) as journal:
        return broken_off(journal, _places(config), wheres=read_venues(journal))


def _places(config: Config) -> dict[str, Place]:
    return {it.name: Place(it.venue, _where(config, it.venue), config.symbols[it.venue]) for it in config.used_accounts}


def taken_over(left: Left | None, flow: Flow, *, may_leave: bool) -> Carried | None:
    """What a run of this flow takes over; one that is stopped at once `may_leave` it to the flow's stop.

    Raises: CannotUse for what it cannot take over.
    """
    if left is None:
        return None
    if left.carried is None:
        raise CannotUse(
            f"run {left.run} left something open that this config does not name: {'; '.join(left.elsewhere)}; nothing"
            " was sent; run `eagle recover` with the config of that run"
        )
    if not (may_leave or _cleans_up(flow)):
        raise CannotUse(
            f"run {left.run} left something open, and {flow.name} does not clean up what it did not open:"
            f" {'; '.join(words_of(left))}; nothing was sent; run `eagle recover` first"
        )
    return left.carried


def words_of(left: Left) -> list[str]:
    """What is open, a line for each account and order."""
    if left.carried is None:
        return list(left.elsewhere)
    held_lines = [
        f"{it.account}: {it.ours:+f}, beside a baseline of {it.baseline}" for it in left.carried.held if it.ours
    ]
    orders = [
        f"{it.account}: {it.side.value} {it.qty - it.filled - it.provisional} of {it.symbol} may still be live"
        f" ({it.client_id})"
        for it in left.carried.orders
    ]
    return held_lines + orders


def check_baseline(config: Config, held: Sequence[Position], *, known: Collection[str]) -> None:
    """S1: a position that no run of ours made needs a word of its owner. On spot every account holds something.

    `known` are the accounts whose baseline the journal tells. Raises: NotFlatBefore.
    """
    found = [
        f"{it.account} holds {it.qty:+f} {it.symbol}"
        for it in held
        if it.qty
        and it.symbol == config.symbols[config.accounts[it.account].venue]
        and not config.accounts[it.account].dedicated
        and it.account not in known
    ]
    if found:
        raise NotFlatBefore(
            f"{'; '.join(found)}, which no run of this journal made; nothing was sent. Close it at the venue, or leave"
            " it alone: --keep-positions, or have it closed first: `dedicated: true` for the account in the config"
        )


def check_carried(
    carried: Carried, instruments: Mapping[str, Instrument], held: Sequence[Position], missing: Sequence[Fill]
) -> None:
    """S1: what the journal says is ours must be there. Else the account is another one, or somebody traded on it.

    Compared are the accounts of `instruments`: on one that is only listened to nothing of ours is held. What the orders
    without an end may have filled meanwhile explains a difference, and so do fills of our orders that are `missing` in
    the journal. Raises: NotFlatBefore.
    """
    found = []
    for it in carried.held:
        instrument = instruments.get(it.account)
        if instrument is None:
            continue
        told = sum((p.qty for p in held if (p.account, p.symbol) == (it.account, instrument.symbol)), ZERO)
        bought = _may_have_filled(carried, missing, it.account, Side.BUY)
        sold = _may_have_filled(carried, missing, it.account, Side.SELL)
        fees = (bought + sold) / 100 if instrument.kind is MarketKind.SPOT else ZERO  # in base, at the most
        known = it.baseline + it.ours
        if not known - sold - fees <= told <= known + bought:
            found.append(f"{it.account}: the journal has {known} {instrument.symbol}, the venue {told}")
    if found:
        raise NotFlatBefore(
            f"{'; '.join(found)}; nothing was sent. Are these the accounts of run {carried.run}? If so somebody else"
            " traded there: make the difference good at the venue by hand, then start again"
        )


def _may_have_filled(carried: Carried, missing: Sequence[Fill], account: str, side: Side) -> Decimal:
    """The most that no journal tells: of orders without an end, and of orders that it does not know."""
    known = {order.client_id for order in carried.orders}
    of_known = (
        order.qty - order.filled - order.provisional
        for order in carried.orders
        if (order.account, order.side) == (account, side) and not order.state.terminal
    )
    others = (row for row in missing if row.client_id not in known)
    of_others = (row.qty for row in others if (row.account, row.side) == (account, side))
    return sum(of_known, ZERO) + sum(of_others, ZERO)


def traded(listed: Mapping[str, Instrument], config: Config, flow: Flow) -> dict[str, Instrument]:
    """The instruments of the accounts that hold something of ours: all but those that are only listened to."""
    source = source_role(flow)
    heard = config.roles[source] if source else ()
    return {name: it for name, it in listed.items() if name not in heard}


def _where(config: Config, venue: str) -> str:
    return " ".join(lived_at(config.venues[venue]).values())


def _cleans_up(flow: Flow) -> bool:
    """A flow that listens goes on where the last run stood: its standing rule hedges what that left."""
    if source_role(flow):
        return True
    rows = (candidate.row.when for candidates in flow.always.values() for candidate in candidates)
    return any(when is not None and "left_over" in when.names for when in rows)
