"""The faults that a local venue plays: a plan of rules, and the state that decides which of them acts now. Pure.

One plan drives a venue on sockets and one in a simulation. Every rule has a stream of chance of its own, so that a rule
more changes nothing for the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from exchanges.types import Clock, Rng

MS = 1_000_000
PPM = 1_000_000
LONGER = 4  # one strike in so many lasts longer, where its rule says up to when
PLAYED_MAX = 10_000  # faults that are listed in a ledger page; behind that they are only counted


@dataclass(frozen=True, slots=True)
class FaultKind:
    """What a fault does, where it acts, and the keys that its rule takes besides trigger and target.

    One `of_process` strikes the trading program, not a venue: only a simulation can play it.
    """

    about: str
    hook: str  # one of HOOKS
    takes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    of_process: bool = False


KINDS: Mapping[str, FaultKind] = {
    "request_lost": FaultKind("the connection is cut and nothing was carried out", "request", ("on",)),
    "ack_lost": FaultKind("the request is carried out, and the connection cut without a reply", "request", ("on",)),
    "ack_late": FaultKind("the request is carried out, and the reply comes late", "request", ("on",), ("delay",)),
    "error_accepted": FaultKind(
        "the request is carried out, and the reply is a 5xx", "request", ("on", "status", "body")
    ),
    "error_refused": FaultKind("a 5xx, and nothing was carried out", "request", ("on", "status", "body")),
    "rate_limited": FaultKind("429, for a time if `for` is given", "request", ("on", "for")),
    "speed_bump": FaultKind("the request reaches the engine late", "request", ("on",), ("delay",)),
    "order_refused": FaultKind("the order is refused", "order", ("reason",)),
    "partly_taken": FaultKind("an order that takes fills no more than a share", "order", (), ("share",)),
    "stuck_pending": FaultKind(
        "the order is acknowledged, but no query shows it before it reaches the book", "order", (), ("for",)
    ),
    "cancel_too_late": FaultKind("a share of the order is filled just before the cancel", "cancel", ("share",)),
    "cancel_pending": FaultKind("the cancel is accepted and carried out later", "cancel", (), ("delay",)),
    "frame_lost": FaultKind("a frame never comes", "frame", ("of",)),
    "frame_late": FaultKind("a frame comes late, behind others", "frame", ("of",), ("delay",)),
    "frame_twice": FaultKind("a frame comes twice", "frame", ("of",)),
    "frame_swapped": FaultKind("a frame comes after the one behind it", "frame", ("of",)),
    "frame_garbled": FaultKind("a frame is cut off in its middle", "frame", ("of",)),
    "stream_cut": FaultKind("a frame is lost, and its connection cut", "frame", ("of",)),
    "stream_stalled": FaultKind("the connection stays open, but nothing comes any more", "frame", ("of", "for")),
    "streams_cut": FaultKind("all connections are cut", "time"),
    "streams_stalled": FaultKind("all connections stay open, but nothing comes any more", "time", ("for",)),
    "maintenance": FaultKind("the venue refuses everything for a time", "time", ("longer",), ("for",)),
    "clock_skewed": FaultKind("the venue's clock is ahead (or behind)", "time", ("for",), ("by",)),
    "tick_changed": FaultKind("prices come and go in a multiple of the tick", "time", ("for",), ("to",)),
    "liquidation": FaultKind("the venue cancels the account's orders and closes its position", "time"),
    "keys_refused": FaultKind("every request is refused with 401, and the streams are cut", "time", (), ("for",)),
    "foreign_trade": FaultKind(
        "somebody trades on the account by hand: bought in lots, sold where negative", "time", (), ("lots",)
    ),
    "filled_in_parts": FaultKind(
        "what the market takes, it takes in so many parts at one time", "time", ("for",), ("to",)
    ),
    "price_jump": FaultKind("the market jumps, and comes back after `for`", "time", ("for",), ("bps",)),
    "suspended": FaultKind("the machine sleeps: nothing of the program runs", "time", (), ("for",), of_process=True),
    "clock_set": FaultKind("the machine's wall clock is set", "time", ("for",), ("by",), of_process=True),
    "stop_asked": FaultKind("a person asks to stop, as by the n-th interrupt", "time", ("level",), of_process=True),
    "killed": FaultKind(
        "the program dies at an intent, a send or a recorded step, and is started again",
        "effect",
        (),
        ("for",),
        of_process=True,
    ),
    "disk_full": FaultKind("the journal cannot be written", "time", ("for",), of_process=True),
    "disk_slow": FaultKind("each write to the journal takes so long", "time", ("for",), ("delay",), of_process=True),
    "row_unreadable": FaultKind("BiFu: a fill's row comes without its size", "row"),
    "row_renamed": FaultKind("BiFu: a fill's row has `tradeId` instead of `matchFillId`", "row"),
    "rows_replayed": FaultKind("BiFu: a new connection tells the last 100 fills again", "connect"),
    "maker_takes": FaultKind("BiFu: the market maker takes liquidity", "maker"),
    "maker_meets_itself": FaultKind("BiFu: the market maker trades with itself", "maker"),
    "maker_strays": FaultKind("BiFu: the market maker is filled in a market that it does not make", "maker"),
}
HOOKS = ("request", "order", "cancel", "frame", "time", "effect", "row", "connect", "maker")
REQUESTS = ("place", "cancel", "query", "any")
FRAMES = ("fill", "order", "position", "balance", "book", "trade", "private", "any")
REASONS = ("margin", "reduce_only", "post_only", "size", "price", "venue", "rate")
STATUSES = (500, 502, 503, 504)
BODIES = ("json", "html", "empty")
START = "start"  # a phase before the flow's own: a program that died comes up again


@dataclass(frozen=True, slots=True)
class FaultRule:
    """One rule. It acts on the hits that its trigger names: `nth`, `every`, `rate`, `at_ns` since the start, or all.

    A hit is a request, order, cancel or frame that fits the target; for a fault of time without `at_ns`, a fill.
    """

    fault: str
    nth: tuple[int, ...] = ()
    every: int = 0
    rate_ppm: int = 0
    at_ns: tuple[int, ...] = ()
    times: int = 0  # at most so often; 0: without bound
    venue: str = ""
    account: str = ""
    symbol: str = ""
    on: str = "place"
    of: str = "fill"
    delay_ns: int = 0
    for_ns: int = 0
    longer_ns: int = 0  # one strike in LONGER lasts, by chance, up to so long instead of `for_ns`
    by_ms: int = 0
    to: int = 1
    lots: int = 0
    bps: int = 0
    level: int = 1
    status: int = 503
    body: str = "json"
    share: Decimal = Decimal(1)
    reason: str = "margin"
    phase: str = ""  # only while the flow is there; a simulation sets it, which alone knows. A plan may say START
    after_ns: int = 0  # of a fault of time with a phase: how long after it has begun


@dataclass(frozen=True, slots=True)
class FaultPlan:
    rules: tuple[FaultRule, ...] = ()

    def of_process(self) -> FaultPlan:
        return FaultPlan(tuple(rule for rule in self.rules if KINDS[rule.fault].of_process))

    def of_venues(self) -> FaultPlan:
        return FaultPlan(tuple(rule for rule in self.rules if not KINDS[rule.fault].of_process))


class Faults:
    """The plan's rules for one venue, and how often each was hit. `rng_of` gives a stream of chance per purpose.

    `heard` is told of each rule that acts, and on which account.
    """

    def __init__(
        self, plan: FaultPlan, *, venue: str, clock: Clock, rng_of: Callable[[str], Rng],
        heard: Callable[[FaultRule, str], None] | None = None, phase: Callable[[], str] = lambda: "",
    ) -> None:  # fmt: skip
        self.off = False  # from then on nothing acts any more; what lasts for a time ends by itself
        self.only = ""  # while set, nothing acts but rules of this phase
        self.rules = [rule for rule in plan.rules if rule.venue in ("", venue)]
        self.played: list[dict[str, Any]] = []
        self.count = 0
        self._heard = heard
        self._phase = phase
        self._clock = clock
        self._hits = [0] * len(self.rules)
        self._fired = [0] * len(self.rules)
        self._chance = [rng_of(f"fault/{venue}/{number}") for number in range(len(self.rules))]
        self._length = [rng_of(f"fault/{venue}/{number}/longer") for number in range(len(self.rules))]
        self._start_ns = clock.now_ns()
        self._has: dict[str, list[int]] = {hook: [] for hook in HOOKS}
        for number, rule in enumerate(self.rules):
            self._has[KINDS[rule.fault].hook].append(number)

    def start(self, act: Callable[[FaultRule], None]) -> None:
        """Begin the plan's time; `act` plays a fault of time."""
        self._start_ns = self._clock.now_ns()
        for number in self._has["time"]:
            rule = self.rules[number]
            for at_ns in rule.at_ns:
                self._clock.call_at(self._start_ns + at_ns, self._act, number, act)

    def on_request(self, kind: str, account: str) -> FaultRule | None:
        return self._first("request", lambda rule: rule.on in ("any", kind) and rule.account in ("", account), account)

    def on_order(self, account: str, symbol: str, *, takes: bool) -> FaultRule | None:
        """The fault of one order; `takes`: it would not rest."""

        def fits(rule: FaultRule) -> bool:
            return _target(rule, account, symbol) and (takes or rule.fault != "partly_taken")

        return self._first("order", fits, account)

    def on_cancel(self, account: str, symbol: str) -> FaultRule | None:
        return self._first("cancel", lambda rule: _target(rule, account, symbol), account)

    def on_frame(self, kind: str, account: str) -> FaultRule | None:
        def fits(rule: FaultRule) -> bool:
            wanted = rule.of in ("any", kind) or (rule.of == "private" and bool(account))
            return wanted and rule.account in ("", account)

        return self._first("frame", fits, account)

    def on_row(self, account: str, symbol: str) -> FaultRule | None:
        """The fault of one fill's row in a message."""
        return self._first("row", lambda rule: _target(rule, account, symbol), account)

    def on_connect(self, account: str) -> FaultRule | None:
        """The fault of a new connection of an account."""
        return self._first("connect", lambda rule: rule.account in ("", account), account)

    def on_maker(self, account: str, symbol: str) -> FaultRule | None:
        """The fault of the venue's own market maker, before it is hit."""
        return self._first("maker", lambda rule: _target(rule, account, symbol), account)

    def on_effect(self) -> FaultRule | None:
        """The fault that strikes the program at what it is about to do, or has just done, to its journal or a venue."""
        if self.off or not self._has["effect"]:
            return None
        return self._first("effect", lambda _: True, "")

    def on_fill(self, account: str, symbol: str, act: Callable[[FaultRule], None]) -> None:
        """Faults of time that count fills act right after this one is dealt with."""
        rule = self._first("time", lambda rule: _counts_fills(rule) and _target(rule, account, symbol), account)
        if rule is not None:
            self._clock.call_at(self._clock.now_ns(), act, rule)

    def on_phase(self, phase: str, act: Callable[[FaultRule], None]) -> None:
        """Faults of time that belong to this phase of the flow, which begins now, count it and act in it."""
        for number in self._has["time"]:
            rule = self.rules[number]
            if rule.phase == phase and not self.off:
                self._hits[number] += 1
                if not self._acts(number, rule):
                    continue
                now_ns = self._clock.now_ns()
                if rule.after_ns:
                    self._clock.call_at(now_ns + rule.after_ns, self._act, number, act)
                else:  # some phases are over before anything else can happen
                    self._clock.call_at(now_ns, act, self._struck(number, rule.account))

    @property
    def acts_on_frames(self) -> bool:
        return bool(self._has["frame"])

    def _first(self, hook: str, fits: Callable[[FaultRule], bool], account: str) -> FaultRule | None:
        """The first rule that acts on this hit; every fitting rule counts it."""
        if self.off:
            return None
        found: FaultRule | None = None
        for number in self._has[hook]:
            rule = self.rules[number]
            if fits(rule) and self._in_time(rule):
                self._hits[number] += 1
                if found is None and self._acts(number, rule):
                    found = self._struck(number, account)
        return found

    def _in_time(self, rule: FaultRule) -> bool:
        return rule.phase == self._phase() if rule.phase else not self.only

    def _acts(self, number: int, rule: FaultRule) -> bool:
        if rule.times and self._fired[number] >= rule.times:
            return False
        if rule.nth:
            return self._hits[number] in rule.nth
        if rule.every:
            return not self._hits[number] % rule.every
        if rule.rate_ppm:
            return self._chance[number].below(PPM) < rule.rate_ppm
        return True

    def _act(self, number: int, act: Callable[[FaultRule], None]) -> None:
        rule = self.rules[number]
        if self.off or (self.only and rule.phase != self.only):
            return
        act(self._struck(number, rule.account))

    def _struck(self, number: int, account: str) -> FaultRule:
        """Note that a rule acts; as it acts this time."""
        rule = self._as_long(number)
        self._fired[number] += 1
        self.count += 1
        if self._heard is not None:
            self._heard(rule, account)
        if len(self.played) < PLAYED_MAX:
            at_ms = (self._clock.now_ns() - self._start_ns) // MS
            self.played.append({"at_ms": at_ms, "fault": rule.fault, "rule": number + 1, "account": account})
        return rule

    def _as_long(self, number: int) -> FaultRule:
        """With the length of this strike: its chance is its own, so that no other draw goes another way for it."""
        rule, chance = self.rules[number], self._length[number]
        if not rule.longer_ns or chance.below(LONGER):
            return rule
        return replace(rule, for_ns=rule.for_ns + chance.below((rule.longer_ns - rule.for_ns) // MS) * MS)


def _counts_fills(rule: FaultRule) -> bool:
    return not rule.at_ns and not rule.phase


def _target(rule: FaultRule, account: str, symbol: str) -> bool:
    return rule.account in ("", account) and rule.symbol in ("", symbol)
