"""What a config says, typed: markets and symbols, venues, accounts, roles, settings, limits and guards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from engine.chart.model import Span
from engine.runtime.credentials import Reference
from engine.runtime.secrets import Secret
from engine.trading.effects import Level
from engine.trading.plan import Guards, Limits

PAPER = "paper"
BIFU = "bifu"
REAL_KINDS = ("backpack", "lighter", "okx", "binance", BIFU)
SYNTHETIC = "synthetic"


@dataclass(frozen=True, slots=True)
class DepthConfig:
    """Liquidity behind the best price of a paper venue; the meaning is that of `exchanges.matching.Depth`."""

    step_ticks: int = 1
    growth: int = 1
    levels: int = 50


@dataclass(frozen=True, slots=True)
class ListenConfig:
    """A venue that is only listened to (BiFu): its addresses, and what nobody outside knows of it (docs/bifu.md).

    `side` is spot or contract. A trade leaves memory `keep_ms` after it, at a sweep every `sweep_ns`.
    """

    private_url: str = ""
    public_url: str = ""
    stream_url: str = ""
    side: str = "spot"
    account_id: str = ""
    keep_ms: int = 7_200_000
    sweep_ns: int = 600_000_000_000
    history_begin: str = ""
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class VenueConfig:
    """A venue by the name that the config gives it. All but name, kind and addresses matter for paper venues only.

    `url` and `ws_url` are where a local venue of this kind listens, on this machine; empty for the real one.
    `market` is "synthetic" or the prefix of a recording. `instrument` overrides fields of the market's own
    `exchanges.types.Instrument`, by the field's name; `kind` is its text. `product` is which of a venue's products is
    meant where a symbol does not tell, "" for the usual one; `demo`: in the venue's demo trading.
    """

    name: str
    kind: str
    latency_ns: int = 5_000_000
    feed_latency_ns: int = 5_000_000
    reconnect_ns: int = 1_000_000_000
    market: str = SYNTHETIC
    instrument: Mapping[str, object] = field(default_factory=dict)
    depth: DepthConfig = DepthConfig()
    url: str = ""
    ws_url: str = ""
    listen: ListenConfig | None = None
    product: str = ""
    demo: bool = False

    @property
    def real(self) -> bool:
        """Does it speak a real venue's protocol? A local one does too."""
        return self.kind != PAPER

    @property
    def local(self) -> bool:
        """A venue on this machine that speaks a real one's protocol: no money."""
        return bool(self.url)


@dataclass(frozen=True, slots=True)
class AccountConfig:
    """One account of the pool (E1). Balances are for paper: cash in quote units, base units of the market on spot.

    `guard_credentials` are keys of their own for the watchdog (S13); `known_by` are those by which a lease knows the
    account where it trades with others. Orders have no more decimals than these, where the venue would take more.
    `cancel_after_s` is after how long without us the venue cancels the account's orders; 0: never.
    """

    name: str
    venue: str
    owner: str
    dedicated: bool = False
    balance: Decimal | None = None
    base_balance: Decimal | None = None
    credentials: Mapping[str, Reference] = field(default_factory=dict)
    guard_credentials: Mapping[str, Reference] = field(default_factory=dict)
    known_by: Mapping[str, Reference] = field(default_factory=dict)
    price_decimals: int | None = None
    qty_decimals: int | None = None
    cancel_after_s: int = 0

    @property
    def references(self) -> dict[str, Reference]:
        """Where each of its secrets is kept, those of its guard too, by what it is in words."""
        ours = {f"{name} of {self.name}": place for name, place in self.credentials.items()}
        return ours | {f"{name} of the guard of {self.name}": place for name, place in self.guard_credentials.items()}


@dataclass(frozen=True, slots=True)
class LogsConfig:
    """Where the four logs go. `folder` None: beside the journal; "off": nowhere."""

    folder: str | None = None
    size: int = 10_000_000  # bytes at which a log is put aside
    keep: int = 5  # logs put aside that are kept, of each of the four


@dataclass(frozen=True, slots=True)
class AlertsConfig:
    """Who is called, by what, for alerts of `level` and above."""

    level: Level = Level.PERSON
    command: tuple[str, ...] = ()  # argv; gets the fact as JSON on stdin
    timeout_ns: int = 10_000_000_000  # for one call of one channel
    urls: Mapping[str, Reference] = field(default_factory=dict)  # our name -> where the apprise URL is kept
    repeat_ns: int = 60_000_000_000  # the same code calls again no sooner; what comes meanwhile is counted
    per_minute: int = 10  # calls of all codes together


@dataclass(frozen=True, slots=True)
class Config:
    """A run's config, complete and checked as far as it can be without the venues' instruments.

    `spans` tells where things stand, by dotted name: `accounts.hawk`, `settings.quantity`; "" is the whole file.
    A config of several pairs is that of the first one; `others` are the rest, `traded` the symbols of all of them with
    their markets, by venue. `version` counts the edits of a config that is read again while it is used.
    """

    file: str
    text: str
    digest: str  # sha256 of the text
    market: str
    symbols: Mapping[str, str]  # venue -> its symbol for the market (E2)
    venues: Mapping[str, VenueConfig]
    accounts: Mapping[str, AccountConfig]
    roles: Mapping[str, tuple[str, ...]]  # role of the flow -> account names
    settings: Mapping[str, object]
    limits: Limits
    guards: Guards
    acknowledged: Mapping[str, str]  # venue -> the words of S20
    journal_sync: str  # normal | rounds | full, as `Sync` of the journal
    spans: Mapping[str, Span]
    logs: LogsConfig = LogsConfig()
    alerts: AlertsConfig = AlertsConfig()
    keep_warm_ns: int = 0  # between two hedges of a twin while nothing happens; 0: no twin
    busy_poll: bool = False  # never asleep, on a core that the run has to itself
    others: tuple[Config, ...] = ()
    traded: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    version: int = 0
    plain: Mapping[str, Secret] = field(default_factory=dict)  # keys that stand in the file, by ACCOUNT.FIELD
    notes: tuple[str, ...] = ()  # what a person should know of how the file was read

    @property
    def pairs(self) -> tuple[Config, ...]:
        return (self, *self.others)

    def markets_at(self, venue: str) -> dict[str, str]:
        """What the accounts on a venue trade, of all pairs: symbol -> our name of its market."""
        return dict(self.traded.get(venue, {self.symbols[venue]: self.market}))

    @property
    def used_accounts(self) -> tuple[AccountConfig, ...]:
        """Accounts that play a role, in the order of the roles."""
        names = dict.fromkeys(name for members in self.roles.values() for name in members)
        return tuple(self.accounts[name] for name in names)

    def span(self, name: str) -> Span:
        """The place of a thing, or of the whole file where it is a default."""
        return self.spans.get(name, self.spans[""])
