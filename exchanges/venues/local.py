"""What every local venue is behind its protocol: admission of requests, the faults of its plan, and its clock. Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from exchanges.types import Fill
from exchanges.values import quick
from exchanges.venues.exchange import Exchange
from exchanges.venues.faults import FaultRule, Faults
from exchanges.venues.seam import Answer, Outlet, Reply, Request, StreamSession
from exchanges.venues.streams import Hub, Session

HTML = (
    b"<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>\n"
)


@quick
@dataclass(frozen=True, slots=True)
class Target:
    """What a request is for the fault plan: place, cancel, query or public, and whose, as far as it says."""

    kind: str
    account: str


class LocalVenue(ABC):
    """Base of the models. A model answers with `reply`; this class lets the plan's faults act around it."""

    def __init__(self, exchange: Exchange, faults: Faults | None = None) -> None:
        self.name = exchange.name
        self.exchange = exchange
        self.hub = Hub()
        self.faults = faults
        self.maintenance = False
        self.keys_refused = False
        self._blocked_until_ns: dict[str, int] = {}
        if faults is not None and faults.acts_on_frames:
            self.hub.filter = FrameFaults(faults, exchange)

    def start(self) -> None:
        self.exchange.start()
        if self.faults is not None:
            self.faults.start(self._act)

    def request(self, request: Request, answer: Answer) -> None:
        if self.faults is None:
            answer(self.reply(request))
            return
        if self.keys_refused:
            answer(self.failure(401))
            return
        target = self.target(request)
        if self._blocked_until_ns.get(target.account, 0) > self.exchange.clock.now_ns():
            answer(self.rate_limited(self._blocked_until_ns[target.account] - self.exchange.clock.now_ns()))
            return
        rule = self.faults.on_request(target.kind, target.account)
        if rule is None:
            answer(self.reply(request))
        else:
            self._play(rule, request, target, answer)

    @abstractmethod
    def reply(self, request: Request) -> Reply | None:
        """The venue's answer to one request, at once; None where it says nothing."""

    @abstractmethod
    def open_stream(self, request: Request, outlet: Outlet) -> StreamSession | Reply: ...

    @abstractmethod
    def target(self, request: Request) -> Target: ...

    @abstractmethod
    def failure(self, status: int) -> Reply:
        """The venue's own shape of a 5xx."""

    @abstractmethod
    def rate_limited(self, wait_ns: int) -> Reply: ...

    def filled(self, fill: Fill) -> None:
        """To be called after a fill has been told."""
        if self.faults is not None:
            self.faults.on_fill(fill.account, fill.symbol, self._act)

    def phase_began(self, phase: str) -> None:
        """Of the flow that trades here, as only a simulation knows it."""
        if self.faults is not None:
            self.faults.on_phase(phase, self._act)

    # -- faults --------------------------------------------------------------------------------------------------

    def _play(self, rule: FaultRule, request: Request, target: Target, answer: Answer) -> None:
        later = self.exchange.clock.now_ns() + rule.delay_ns
        match rule.fault:
            case "request_lost":
                answer(None)
            case "ack_lost":
                self.reply(request)
                answer(None)
            case "ack_late":
                self.exchange.clock.call_at(later, answer, self.reply(request))
            case "error_accepted":
                self.reply(request)
                answer(self._failure(rule))
            case "error_refused":
                answer(self._failure(rule))
            case "rate_limited":
                self._blocked_until_ns[target.account] = self.exchange.clock.now_ns() + rule.for_ns
                answer(self.rate_limited(rule.for_ns))
            case "speed_bump":
                self.exchange.clock.call_at(later, lambda: answer(self.reply(request)))

    def _failure(self, rule: FaultRule) -> Reply:
        if rule.body == "html":
            return Reply(rule.status, HTML, "text/html")
        return Reply(rule.status) if rule.body == "empty" else self.failure(rule.status)

    def _act(self, rule: FaultRule) -> None:
        """Play a fault of time, and end it after `for`."""
        match rule.fault:
            case "streams_cut":
                for session in tuple(self.hub.sessions):
                    session.cut()
            case "streams_stalled":
                stalled = tuple(self.hub.sessions)
                _stall(stalled, True)
                self._after(rule, lambda: _stall(stalled, False))
            case "maintenance":
                self.maintenance = True
                self._after(rule, self._open_again)
            case "clock_skewed":
                self.exchange.skew_ms += rule.by_ms
                self._after(rule, lambda: self._skew_back(rule.by_ms))
            case "tick_changed":
                for symbol in self._symbols(rule):
                    self.exchange.change_tick(symbol, rule.to)
                    self._after(rule, lambda symbol=symbol: self.exchange.change_tick(symbol, 1))
            case "filled_in_parts":
                self.exchange.parts = rule.to
                self._after(rule, lambda: setattr(self.exchange, "parts", 1))
            case "keys_refused":
                self.keys_refused = True
                for session in tuple(self.hub.sessions):
                    session.cut()
                self._after(rule, self._take_keys_again)
            case "price_jump":
                for symbol in self._symbols(rule):
                    self.exchange.jump(symbol, rule.bps)
                    self._after(rule, lambda symbol=symbol: self.exchange.jump(symbol, 0))
            case "foreign_trade":
                for name in [rule.account] if rule.account else self.exchange.accounts:
                    for symbol in self._symbols(rule):
                        if name in self.exchange.accounts:
                            self.exchange.trade_by_hand(self.exchange.accounts[name], symbol, rule.lots)
            case "liquidation":
                for name in [rule.account] if rule.account else self.exchange.accounts:
                    for symbol in self._symbols(rule):
                        if name in self.exchange.accounts:
                            self.exchange.liquidate(self.exchange.accounts[name], symbol)

    def _after(self, rule: FaultRule, end: object) -> None:
        if rule.for_ns:
            assert callable(end)
            self.exchange.clock.call_at(self.exchange.clock.now_ns() + rule.for_ns, end)

    def _open_again(self) -> None:
        self.maintenance = False

    def _take_keys_again(self) -> None:
        self.keys_refused = False

    def _skew_back(self, by_ms: int) -> None:
        self.exchange.skew_ms -= by_ms

    def _symbols(self, rule: FaultRule) -> list[str]:
        return [symbol for symbol in self.exchange.markets if rule.symbol in ("", symbol)]


class FrameFaults:
    """The filter of a hub through which every frame passes."""

    def __init__(self, faults: Faults, exchange: Exchange) -> None:
        self._faults = faults
        self._clock = exchange.clock
        self._held: dict[Session, list[str]] = {}  # frames that wait for the next one of their session

    def pass_on(self, session: Session, account: str, kind: str, text: str) -> None:
        rule = self._faults.on_frame(kind, account)
        held = self._held.pop(session, [])
        if rule is None:
            session.write(text)
        else:
            self._play(rule, session, text)
        for late in held:
            session.write(late)

    def _play(self, rule: FaultRule, session: Session, text: str) -> None:
        now_ns = self._clock.now_ns()
        match rule.fault:
            case "frame_late":
                self._clock.call_at(now_ns + rule.delay_ns, session.write, text)
            case "frame_twice":
                session.write(text)
                session.write(text)
            case "frame_swapped":
                self._held[session] = [text]
            case "frame_garbled":
                session.write(text[: len(text) // 2])
            case "stream_cut":
                session.cut()
            case "stream_stalled":
                session.stalled = True
                if rule.for_ns:
                    self._clock.call_at(now_ns + rule.for_ns, _stall, (session,), False)


def _stall(sessions: tuple[Session, ...], stalled: bool) -> None:
    for session in sessions:
        session.stalled = stalled
