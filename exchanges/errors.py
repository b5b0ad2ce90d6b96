"""What can go wrong at a venue, and who must act.

ExchangeError
  Rejected        the venue said no: do not retry as it is
  OutcomeUnknown  ask by client id before anything else
  RateLimited     wait `retry_ms`, openings first
  AuthFailed      stop: the keys or the clock are wrong
  LinkDown        reconnect and resync before trusting anything
  BadFrame        log it raw, resync
  MarketDataError a market file or source cannot be used; the user must fix it

What is `passing` may be answered a moment later: a venue or network that is away, an answer of 5xx. An answer of 4xx,
a redirect, or a certificate that does not hold stay as they are until somebody mends them.
"""

from __future__ import annotations

from exchanges.types import Refusal


class ExchangeError(Exception):
    """Base of everything an adapter raises; a third-party exception never leaves an adapter."""

    passing = False


class Rejected(ExchangeError):
    def __init__(self, refusal: Refusal, text: str) -> None:
        super().__init__(f"{refusal.value}: {text}")
        self.refusal = refusal
        self.text = text


class OutcomeUnknown(ExchangeError):
    def __init__(self, text: str, *, passing: bool = True) -> None:
        super().__init__(text)
        self.passing = passing


class RateLimited(ExchangeError):
    def __init__(self, text: str, *, retry_ms: int) -> None:
        super().__init__(text)
        self.retry_ms = retry_ms


class AuthFailed(ExchangeError):
    pass


class LinkDown(ExchangeError):
    def __init__(self, text: str, *, passing: bool = True) -> None:
        super().__init__(text)
        self.passing = passing


class BadFrame(ExchangeError):
    pass


class MarketDataError(ExchangeError):
    pass
