"""`eagle venue`: local venues that speak the real protocols, to rehearse a config without money."""

from __future__ import annotations

import re
from decimal import Decimal

import click

from cli.options import FILE

PORT = 8711
_NAMED = re.compile(r"(?:([A-Za-z][A-Za-z0-9_-]*)=)?(.+)")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_COIN = re.compile(r"([A-Z][A-Z0-9]{0,9})=([0-9]{1,9}(?:\.[0-9]{1,8})?)")


@click.group()
def venue() -> None:
    """Serve local venues that speak the real protocols, for rehearsals without money.

    \b
    Examples:
      eagle venue serve backpack
    """


@venue.command()
@click.argument("kinds", nargs=-1, required=True, metavar="[NAME=]KIND...")
@click.option(
    "--port",
    type=click.IntRange(0, 65_000),
    default=PORT,
    show_default=True,
    metavar="N",
    help="Of the first venue, the others count up; 0: free ports.",
)
@click.option(
    "--accounts",
    default="maker,taker1,taker2",
    show_default=True,
    metavar="NAME[=CASH],...",
    help="Accounts of every venue; cash is in the quote asset, 10000 if left out.",
)
@click.option(
    "--market",
    "markets",
    multiple=True,
    metavar="[NAME=]PREFIX",
    help="Replay a recording again and again, on all venues or one: PREFIX_bbo.csv.gz and PREFIX_trades.csv.gz.",
)
@click.option(
    "--market-speed",
    "speed",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    metavar="N",
    help="Play the market N times as fast, for rehearsals with short timings.",
)
@click.option("--fault-plan", "plan", type=FILE, metavar="FILE", help="Faults that the venues play (docs/venues.md).")
@click.option("--keys", default="state/venue-keys", show_default=True, metavar="FOLDER", help="Where demo keys go.")
@click.option(
    "--tier",
    type=click.Choice(["standard", "premium"]),
    default="standard",
    show_default=True,
    help="Of Lighter's accounts: speed bumps, requests a minute, fees.",
)
@click.option(
    "--one-user",
    is_flag=True,
    help="Self-trade prevention takes all accounts of a venue for one user; on Lighter by attribute, always.",
)
@click.option(
    "--also",
    multiple=True,
    metavar="COIN=PRICE",
    help="One more made-up market on every venue, such as BTC=60000; for several pairs.",
)
@click.option(
    "--fills-per-second",
    "rate",
    type=click.IntRange(0, 5_000),
    default=1,
    show_default=True,
    metavar="N",
    help="How often the market maker of a BiFu is hit, beside what the market leaves it.",
)
@click.option("--fills", type=click.IntRange(0), default=0, metavar="N", help="Hit it N times, then no more.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, metavar="N", help="Of all chance.")
def serve(
    kinds: tuple[str, ...], port: int, accounts: str, markets: tuple[str, ...], speed: int, plan: str | None,
    keys: str, tier: str, one_user: bool, also: tuple[str, ...], rate: int, fills: int, seed: int
) -> int:  # fmt: skip
    """Serve local venues on this machine until Ctrl-C.

    KIND is backpack, lighter, okx, binance or bifu; the first account of a bifu makes a market, to be hedged elsewhere.
    Prints a config that `eagle run --live` trades with, with keys that are good for nothing else, and where the venues'
    own ledger can be read. On a made-up market unless told otherwise.

    \b
    Examples:
      eagle venue serve backpack > local.yaml
      eagle venue serve backpack lighter --tier premium --accounts maker,taker1,taker2=5000
      eagle venue serve backpack --fault-plan faults.yaml --market recordings/binance_perp_ethusdt
      eagle venue serve bifu backpack --fills-per-second 20 --also BTC=60000
    """
    from cli import venue_wiring

    named = [_named(kind) for kind in kinds]
    names = [name for name, _ in named]
    if len(set(names)) < len(names):
        raise click.UsageError("two venues of one name; give each its own, such as one=backpack two=backpack")
    options = venue_wiring.ServeOptions(
        kinds=dict(named), port=port, accounts=_accounts(accounts), plan=plan, keys=keys, seed=seed, tier=tier,
        speed=speed, one_user=one_user, markets=dict(_market(text, names) for text in markets),
        also=dict(_coin(text) for text in also), maker=venue_wiring.MakerOptions(rate=rate, fills_most=fills),
    )  # fmt: skip
    return venue_wiring.serve(options)


def _named(text: str) -> tuple[str, str]:
    from cli.venue_wiring import KINDS

    found = _NAMED.fullmatch(text)
    assert found is not None
    if found[2] not in KINDS:
        raise click.UsageError(f"no local venue {found[2]!r}; there are: {', '.join(KINDS)}")
    return found[1] or found[2], found[2]


def _accounts(text: str) -> dict[str, str]:
    accounts: dict[str, str] = {}
    for part in text.split(","):
        name, _, cash = part.strip().partition("=")
        if not _NAME.fullmatch(name) or not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,8})?|", cash):
            raise click.UsageError(f"--accounts: {part.strip()!r}; write NAME or NAME=CASH, such as maker=5000")
        if name in accounts:
            raise click.UsageError(f"--accounts: {name} comes twice")
        accounts[name] = cash or "10000"
    return accounts


def _coin(text: str) -> tuple[str, Decimal]:
    found = _COIN.fullmatch(text)
    if found is None or not Decimal(found[2]):
        raise click.UsageError(f"--also: {text!r}; write COIN=PRICE, such as BTC=60000")
    return found[1], Decimal(found[2])


def _market(text: str, names: list[str]) -> tuple[str, str]:
    found = _NAMED.fullmatch(text)
    if found is None:
        raise click.UsageError("--market: empty; give the part of the files' names before _bbo.csv.gz")
    if found[1] is None:
        return "", found[2]
    if found[1] not in names:
        raise click.UsageError(f"--market: no venue {found[1]}; venues: {', '.join(names)}")
    return found[1], found[2]
