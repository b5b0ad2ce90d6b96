"""What the clients of all venues with streams do alike: start, trust, who hears, answers that cannot be read (E17).

Knows no venue. A client brings its requests, its feeds and how it ends; `exchanges/newest.py` is the same for quotes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable
from typing import TypeVar

from exchanges.base import BaseExchangeClient
from exchanges.errors import BadFrame, LinkDown, OutcomeUnknown
from exchanges.link import Feed, Link
from exchanges.transport import Transport
from exchanges.types import (
    Capabilities,
    Clock,
    LinkState,
    LinkUpdate,
    PrivateEvent,
    PrivateHandler,
    QuoteHandler,
    Rng,
)

T = TypeVar("T")


class StreamedClient(BaseExchangeClient):
    """One account with a private stream, `_link`, and with quotes on a stream of their own where they are wanted.

    A client makes `_link` with `tell=self._tell`, opens its streams in `_start` and closes them in `disconnect`.
    """

    _link: Link

    def __init__(
        self, account: str, *, venue: str, capabilities: Capabilities, transport: Transport, clock: Clock, rng: Rng
    ) -> None:
        self.account = account
        self.venue = venue
        self.capabilities = capabilities
        self._transport = transport
        self._clock = clock
        self._rng = rng
        self._on_private: PrivateHandler = _ignore
        self._quotes: dict[str, QuoteHandler] = {}
        self._market_link: Link | None = None

    # --- connection

    async def connect(self) -> None:
        try:
            await self._start()
        except BadFrame as error:
            await self.disconnect()
            raise LinkDown(f"{self.venue} cannot be read: {error}") from error
        except BaseException:
            await self.disconnect()
            raise

    @abstractmethod
    async def _start(self) -> None:
        """Learn the markets and open the streams; `connect` undoes what fails half way. Raises: ExchangeError."""

    @abstractmethod
    def _suspect(self) -> None:
        """The private stream is lost and nothing else tells of a fill: compare with the venue soon."""

    async def _open_market(
        self, url: str, feed: Callable[[Callable[[], Link]], Feed], *, ping_text: str = ""
    ) -> None:  # fmt: skip
        """Open the stream of quotes. `feed` is given who tells its link, which does not exist before the feed does."""
        link = Link(
            url, transport=self._transport, clock=self._clock, rng=self._rng, feed=feed(lambda: link), tell=_untold,
            ping_text=ping_text,
        )  # fmt: skip
        self._market_link = link
        await link.open()

    async def _close_market(self) -> None:
        if self._market_link is not None:
            await self._market_link.close()
            self._market_link = None

    # --- who hears

    def setup_order_update_handler(self, handler: PrivateHandler) -> None:
        self._on_private = handler

    def setup_quote_handler(self, symbol: str, handler: QuoteHandler) -> None:
        self._quotes[symbol] = handler

    def _deliver(self, event: PrivateEvent) -> None:
        self._on_private(event)

    def _tell(self, state: LinkState, text: str) -> None:
        self._on_private(LinkUpdate(self.account, state, self._clock.now_ns(), text))
        if state is LinkState.LOST:
            self._suspect()

    def _note(self, text: str) -> None:
        """Words for the log, at the state that the stream is in."""
        self._on_private(LinkUpdate(self.account, self._link.state, self._clock.now_ns(), text))

    # --- questions

    async def _asked(self, question: Callable[[], Awaitable[T]]) -> T:
        """An answer that cannot be read is none (E17)."""
        try:
            return await question()
        except BadFrame as error:
            raise OutcomeUnknown(f"{self.venue}: {error}") from error


def _untold(*_: object) -> None:
    """The state of the market stream: the age of the book says it better, nothing opens on an old one (E14)."""


def _ignore(_: PrivateEvent) -> None:
    """Private events of an account that nobody listens to."""
