"""Fetches the ledger of a local venue."""

from __future__ import annotations

from urllib.error import URLError
from urllib.request import urlopen

from engine.errors import VenueLedgerBad
from engine.runtime.venue_ledger import VenueLedger, read_venue_ledger

PATH = "/eagle/ledger"
TIMEOUT_S = 30
LARGEST = 1 << 30  # bytes


def fetch_ledger(url: str) -> VenueLedger:
    """Raises: VenueLedgerBad."""
    whole = url if url.endswith(PATH) else url.rstrip("/") + PATH
    try:
        with urlopen(whole, timeout=TIMEOUT_S) as reply:
            text = reply.read(LARGEST)
    except (URLError, OSError, ValueError) as error:
        why = getattr(error, "reason", None) or error
        raise VenueLedgerBad(f"{whole}: cannot be read ({why}); is `eagle venue serve` running there?") from error
    return read_venue_ledger(text, url=whole)
