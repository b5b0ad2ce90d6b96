"""What the streams of every local venue share: who is subscribed to what, keep-alive, and where frames go out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from exchanges.types import Cancellable, Clock
from exchanges.venues.seam import Outlet

Topic = tuple[str, str]  # account name ("" for everybody), name of the stream


class Filter(Protocol):
    """Decides what becomes of a frame before it leaves: the place where faults act."""

    def pass_on(self, session: Session, account: str, kind: str, text: str) -> None: ...


class Session:
    """One connection: its subscriptions and its keep-alive.

    The venue pings every `ping_every_ns` and closes a connection that has not ponged for `pong_within_ns`.
    """

    silent = (1001, "no pong")  # how a connection that is not alive is closed

    def __init__(
        self, hub: Hub, outlet: Outlet, clock: Clock, *, ping_every_ns: int, pong_within_ns: int
    ) -> None:  # fmt: skip
        self.outlet = outlet
        self.topics: dict[Topic, None] = {}
        self.over = False
        self.stalled = False  # connected, but nothing leaves any more (a fault)
        self._hub = hub
        self._clock = clock
        self._ping_every_ns = ping_every_ns
        self._pong_within_ns = pong_within_ns
        self._heard_ns = clock.now_ns()
        self._next_ping: Cancellable = clock.call_at(self._heard_ns + ping_every_ns, self._keep_alive)

    def write(self, text: str) -> None:
        if not self.stalled and not self.over:
            self.outlet.send(text)

    def heard(self) -> None:
        """The client has shown that it is there."""
        self._heard_ns = self._clock.now_ns()

    def on_ping(self, payload: bytes) -> None:
        if not self.stalled:
            self.outlet.pong(payload)

    def on_pong(self) -> None:
        self.heard()

    def ask_alive(self) -> None:
        """Make the client show that it is there; a venue with a way of its own overrides it."""
        self.outlet.ping()

    def on_closed(self) -> None:
        self.over = True
        self._next_ping.cancel()
        self._hub.leave(self)

    def close(self, code: int, reason: str) -> None:
        self.outlet.close(code, reason)
        self.on_closed()

    def cut(self) -> None:
        self.outlet.cut()
        self.on_closed()

    def _keep_alive(self) -> None:
        now_ns = self._clock.now_ns()
        if now_ns - self._heard_ns >= self._pong_within_ns:
            self.close(*self.silent)
            return
        if not self.stalled:
            self.ask_alive()
        self._next_ping = self._clock.call_at(now_ns + self._ping_every_ns, self._keep_alive)


class Hub:
    """All sessions of a venue, and who hears which topic."""

    def __init__(self) -> None:
        self.sessions: dict[Session, None] = {}
        self.filter: Filter | None = None
        self._heard: dict[Topic, dict[Session, None]] = {}

    def join(self, session: Session) -> None:
        self.sessions[session] = None

    def leave(self, session: Session) -> None:
        self.sessions.pop(session, None)
        for topic in tuple(session.topics):
            self.unsubscribe(session, topic)

    def subscribe(self, session: Session, topic: Topic) -> None:
        session.topics[topic] = None
        self._heard.setdefault(topic, {})[session] = None

    def unsubscribe(self, session: Session, topic: Topic) -> None:
        session.topics.pop(topic, None)
        heard = self._heard.get(topic)
        if heard is not None:
            heard.pop(session, None)
            if not heard:
                del self._heard[topic]

    def is_heard(self, topic: Topic) -> bool:
        return topic in self._heard

    def publish(self, topic: Topic, kind: str, frame: Callable[[], str]) -> None:
        """Send one frame to everybody who hears the topic; it is made only if somebody does."""
        heard = self._heard.get(topic)
        if heard:
            text = frame()
            for session in tuple(heard):
                if self.filter is None:
                    session.write(text)
                else:
                    self.filter.pass_on(session, topic[0], kind, text)

    def send(self, session: Session, account: str, kind: str, text: str) -> None:
        if self.filter is None:
            session.write(text)
        else:
            self.filter.pass_on(session, account, kind, text)

    def of_account(self, account: str) -> Iterable[Session]:
        """Sessions that hear something of this account alone."""
        return [session for session in self.sessions if any(topic[0] == account for topic in session.topics)]
