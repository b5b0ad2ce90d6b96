"""Transactions of one API key, in the order of their nonces; and which of them can never be executed any more.

The venue takes a transaction only with exactly the next nonce of its key, and executes at most one with each. So each
one leaves when its turn comes, without waiting for the answer to the one before: within `send`, where nothing is before
it and its signature is quick. On a slow machine it is signed in a thread, ahead, with the nonce that it will have if
nothing comes back, and anew if it has another. What comes back as "wrong nonce" was not taken and is signed anew. What
got no answer is *open* until its nonce is known to be used: by itself, or by another of ours, which makes it void;
where neither got an answer, the venue is asked which it knows (S4: the signer gives every transaction ten minutes and
takes no shorter time, so that waiting for its end is no way out).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum

from exchanges.budget import Use
from exchanges.errors import AuthFailed, BadFrame, ExchangeError, LinkDown, OutcomeUnknown, RateLimited
from exchanges.http import Call, Http, Outcome
from exchanges.lighter.signer import SignedTx, SignerThread
from exchanges.lighter.wire import reply
from exchanges.lighter.wire.reply import WrongNonce
from exchanges.tasks import Tasks
from exchanges.transport import Response
from exchanges.types import Clock

MS = 1_000_000
ANSWER_NS = 500 * MS  # for the answer to come, once the request's time is over
TRIES = 5  # of one transaction that comes back for its nonce; more means that somebody else uses the key
NONCES_KEPT = 5_000

OnSent = Callable[["Tx", str | ExchangeError], None]  # the hash of what was queued, or why it was not


class Fate(Enum):
    TAKEN = "taken"  # queued, or its nonce is used and only it can have used it
    VOID = "void"  # can never be executed
    USED = "used"  # its nonce is used, by it or by another of ours that got no answer either: `rivals`
    OPEN = "open"  # may still arrive


@dataclass(slots=True, eq=False)
class Tx:
    """One transaction on its way. `sign` is called with the nonce when its turn comes."""

    sign: Callable[[int], SignedTx]
    on_sent: OnSent
    not_after_ns: int
    voids: int | None = None  # it is sent only to use this nonce, or one before it
    nonce: int = -1
    tx_hash: str = ""
    signed_ns: int = 0
    written_ns: int = 0
    tries: int = 0
    left: bool = False
    done: bool = False
    fate: Fate = field(default=Fate.OPEN)


class Sending:
    """The one place that hands out nonces. `ask_nonce` asks the venue for the next one."""

    def __init__(
        self, http: Http, thread: SignerThread, clock: Clock, *, ask_nonce: Callable[[], Awaitable[int]],
        weight: Callable[[], int],
    ) -> None:  # fmt: skip
        self._http = http
        self._thread = thread
        self._clock = clock
        self._ask_nonce = ask_nonce
        self._weight = weight
        self._tasks = Tasks()
        self._waiting: deque[Tx] = deque()
        self._ahead: dict[Tx, tuple[int, Future[SignedTx]]] = {}  # of those that wait: signed with this nonce, or soon
        self._rows = 0  # open blocks of `together`
        self._in_hand = 0  # 1 while one is being signed in its turn
        self._working = False
        self._open = False
        self._next: int | None = None  # None: to be asked for, once nothing is on its way
        self._flying: dict[Tx, None] = {}
        self._users: OrderedDict[int, str] = OrderedDict()  # nonce -> hash of what was queued with it
        self._unanswered: OrderedDict[int, list[Tx]] = OrderedDict()  # by nonce
        self._known_next = 0  # the highest that the venue has told

    def start(self, nonce: int) -> None:
        """The venue's next nonce, when nothing of ours is on its way."""
        self._open = True
        self._next = nonce
        self._known_next = max(self._known_next, nonce)

    def send(self, tx: Tx) -> None:
        """Hand over; `on_sent` is called exactly once. Nothing here waits but for a signature, while that is quick."""
        if not self._open:
            self._tell(tx, LinkDown("the session is closed"))
            return
        if self._next is not None:
            if self._thread.at_once and not self._working and not self._rows:
                self._send_now(tx, self._next)
                return
            if tx.voids is None:
                self._sign_ahead(tx, self._next + self._in_hand + len(self._waiting))
        self._waiting.append(tx)
        if not self._rows:
            self._work_on()

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is sent inside is signed in the thread, each while the one before is sent; at the end all have left."""
        self._rows += 1
        try:
            yield
        finally:
            self._rows -= 1
            if not self._rows:
                self._send_row()

    def fate_of(self, tx: Tx) -> Fate:
        """What can still become of it."""
        if tx.fate is Fate.OPEN and tx.nonce >= 0:
            user = self._users.get(tx.nonce)
            if user is not None:
                tx.fate = Fate.TAKEN if user == tx.tx_hash else Fate.VOID
            elif tx.nonce < self._known_next and tx not in self._flying:
                if self.rivals(tx):
                    return Fate.USED
                tx.fate = Fate.TAKEN
        return tx.fate

    def rivals(self, tx: Tx) -> list[Tx]:
        """Others of ours with the same nonce that got no answer: at most one of all of them was taken."""
        return [other for other in self._unanswered.get(tx.nonce, ()) if other is not tx]

    def taken(self, tx: Tx) -> None:
        """The venue knows it: its nonce is used by it, so that its rivals are void."""
        self._use(tx)

    async def close(self) -> None:
        """End the work; what waits is told that it did not leave."""
        self._open = False
        await self._tasks.cancel()
        self._working = False
        while self._waiting:
            self._tell(self._waiting.popleft(), LinkDown("the session was closed before it was sent"))
        self._flying.clear()
        self._next = None

    # --- one after the other

    def _work_on(self) -> None:
        if not self._working:
            self._working = True
            self._tasks.spawn(self._work())

    async def _work(self) -> None:
        try:
            while self._waiting:
                if self._next is None:
                    if self._flying:
                        return  # the last one that comes back goes on
                    await self._learn_nonce()
                else:
                    await self._send_next(self._waiting.popleft(), self._next)
        finally:
            self._working = False

    async def _learn_nonce(self) -> None:
        """Ask for the next nonce; what waits too long for it did not leave."""
        try:
            self.start(await self._ask_nonce())
        except (ExchangeError, BadFrame) as error:
            now_ns = self._clock.now_ns()
            late = [tx for tx in self._waiting if tx.not_after_ns <= now_ns]
            # At least one goes back at each failure, so that a venue that is away is not asked in a circle.
            for tx in late or [self._waiting[0]]:
                self._waiting.remove(tx)
                plain = isinstance(error, RateLimited | AuthFailed)
                self._tell(tx, error if plain else LinkDown(f"no nonce to sign with: {error}"))

    async def _send_next(self, tx: Tx, nonce: int) -> None:
        if not self._wanted(tx, nonce):
            return
        try:
            signed = await self._signature(tx, nonce)
        except asyncio.CancelledError:
            self._waiting.appendleft(tx)  # `close` tells it: who waits for an answer that never comes hedges no more
            raise
        except Exception as error:  # noqa: BLE001 a broken signer must cost neither the answer nor what waits behind
            self._unsigned(tx, error)
            return
        self._post(tx, nonce, signed)

    def _send_row(self) -> None:
        """All that wait, as long as nothing comes back; the rest in their turn."""
        try:
            while self._waiting and self._next is not None and self._thread.at_once and not self._working:
                self._send_now(self._waiting.popleft(), self._next)
        finally:
            if self._waiting:
                self._work_on()

    def _send_now(self, tx: Tx, nonce: int) -> None:
        if not self._wanted(tx, nonce):
            return
        try:
            signed = self._signed_now(tx, nonce)
        except Exception as error:  # noqa: BLE001 as above
            self._unsigned(tx, error)
            return
        self._post(tx, nonce, signed)

    def _wanted(self, tx: Tx, nonce: int) -> bool:
        """Has it still to be sent? If not it is told."""
        if tx.voids is not None and nonce > tx.voids:
            self._tell(tx, LinkDown(f"not needed: nonce {tx.voids} is used"))
        elif self._clock.now_ns() >= tx.not_after_ns:
            self._tell(tx, LinkDown("it waited for its turn until its time was over"))
        else:
            return True
        return False

    def _unsigned(self, tx: Tx, error: Exception) -> None:
        if isinstance(error, ExchangeError):
            self._tell(tx, error)
            return
        self._tell(tx, LinkDown(f"it could not be signed: {type(error).__name__}"))
        asyncio.get_running_loop().call_exception_handler({"message": "the signer failed", "exception": error})

    def _post(self, tx: Tx, nonce: int, signed: SignedTx) -> None:
        tx.nonce, tx.tx_hash, tx.left, tx.fate = nonce, signed.tx_hash, True, Fate.OPEN
        tx.signed_ns = self._clock.now_ns()
        tx.tries += 1
        if self._next == nonce:  # nothing came back meanwhile
            self._next = nonce + 1
        self._flying[tx] = None
        self._http.send(
            Call(
                "POST", "/api/v1/sendTx", Use.TRADE, tx.not_after_ns + ANSWER_NS, {"Content-Type": reply.FORM},
                reply.tx_body(signed.tx_type, signed.tx_info), self._weight(),
            ),
            lambda outcome, written_ns: self._answered(tx, outcome, written_ns),
        )  # fmt: skip

    def _sign_ahead(self, tx: Tx, nonce: int) -> None:
        """The fills of one message are signed while the rest of it is read; without a thread that is no gain."""
        begun = self._thread.begin(lambda: tx.sign(nonce))
        if begun is not None:
            self._ahead[tx] = (nonce, begun)

    def _signed_now(self, tx: Tx, nonce: int) -> SignedTx:
        ahead = self._signed_ahead(tx, nonce)
        return self._thread.now(lambda: tx.sign(nonce)) if ahead is None else self._thread.wait(ahead)

    def _signed_ahead(self, tx: Tx, nonce: int) -> Future[SignedTx] | None:
        """Its signature with this nonce, if it was begun; one with another is of no use."""
        signed_with, signature = self._ahead.pop(tx, (nonce, None))
        if signature is not None and signed_with != nonce:
            signature.cancel()
            return None
        return signature

    async def _signature(self, tx: Tx, nonce: int) -> SignedTx:
        ahead = self._signed_ahead(tx, nonce)
        self._in_hand = 1
        try:
            if ahead is not None:
                return await asyncio.wrap_future(ahead)
            if self._thread.at_once:
                return self._thread.now(lambda: tx.sign(nonce))
            return await self._thread.call(lambda: tx.sign(nonce))
        finally:
            self._in_hand = 0

    def _answered(self, tx: Tx, outcome: Outcome, written_ns: int) -> None:
        self._flying.pop(tx, None)
        tx.written_ns = written_ns
        said = _hash_in(outcome)
        if isinstance(said, str):
            self._use(tx)
            self._tell(tx, said)
        elif isinstance(said, WrongNonce):
            self._next = None
            self._again(tx, said)
        else:
            # The nonce is not used, or nobody knows: what left after this one will come back if it was not.
            self._next = None
            if isinstance(said, OutcomeUnknown):
                self._unanswered.setdefault(tx.nonce, []).append(tx)
                if len(self._unanswered) > NONCES_KEPT:
                    self._unanswered.popitem(last=False)
            else:
                tx.fate = Fate.VOID
            self._tell(tx, said)
        if not self._flying or self._next is not None:
            self._work_on()

    def _use(self, tx: Tx) -> None:
        tx.fate = Fate.TAKEN
        self._users[tx.nonce] = tx.tx_hash
        if len(self._users) > NONCES_KEPT:
            self._users.popitem(last=False)

    def _again(self, tx: Tx, said: WrongNonce) -> None:
        """Not taken: it keeps its place before what was handed over later."""
        if tx.voids is not None or tx.tries >= TRIES:
            tx.fate = Fate.VOID
            self._tell(tx, WrongNonce(f"{said.text}, {tx.tries} times; does something else use this API key?"))
            return
        place = sum(1 for other in self._waiting if other.left and other.nonce < tx.nonce)
        self._waiting.insert(place, tx)

    def _tell(self, tx: Tx, said: str | ExchangeError) -> None:
        ahead = self._ahead.pop(tx, None)
        if ahead is not None:
            ahead[1].cancel()
        if not tx.left:
            tx.fate = Fate.VOID
        if not tx.done:
            tx.done = True
            tx.on_sent(tx, said)


def _hash_in(outcome: Outcome) -> str | ExchangeError:
    """The hash of what was queued. An answer that cannot be read says nothing of what was done."""
    if not isinstance(outcome, Response):
        return outcome
    try:
        return reply.sent(outcome.body)
    except BadFrame as error:
        return OutcomeUnknown(f"the answer cannot be read: {error}")
