"""A secret that never shows, and `redacted`, which takes every loaded secret out of a text.

Whatever becomes a `Secret` is starred out from then on: of our logs, journal, metrics, alerts and terminal lines by
those who write them, of the records of other libraries' loggers and of tracebacks by what `_watch_over` puts in place.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from logging import LogRecord
    from types import TracebackType

__all__ = ["MASK", "SHORTEST", "Secret", "redacted"]

MASK = "***"
SHORTEST = 8  # characters; starring out shorter ones would hide half of every text
_SEPARATORS = re.compile(r"[/:@?&=#,\s]+")
_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")
_DIGIT = re.compile(r"[0-9]")
_NUMBER = re.compile(r"[0-9]{1,18}")  # an account's index, no secret; starred out it would take figures along
_HEX = re.compile(r"(?:0x)?((?:[0-9a-fA-F]{2})+)")

_forms: tuple[str, ...] = ()  # of all secrets of this process, the longest first: one may be a part of another
_lock = threading.Lock()


class Secret:
    """Text that only `reveal` gives away: printing, formatting, JSON and pickling show or raise, copying shares it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text
        _load(text)

    def reveal(self) -> str:
        """The secret itself, for whoever signs or connects with it; the result is not to be kept."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        from hmac import compare_digest

        return isinstance(other, Secret) and compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(Secret)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not pickled: it would leave this process in plain")


def redacted(text: str) -> str:
    """The text with every loaded secret starred out, in any form that it is likely to have taken."""
    if len(text) < SHORTEST:
        return text
    for form in _forms:
        if form in text:
            text = text.replace(form, MASK)
    return text


def forms_of(text: str) -> set[str]:
    """How a secret may show: as it is, escaped, in hex and base64, and the tokens inside it if it is a URL."""
    import json
    from urllib.parse import quote, quote_plus

    shown = {text, *text.split("\n"), *_tokens(text), json.dumps(text)[1:-1], repr(text)[1:-1]}
    shown |= {quote(text, safe=""), quote(text), quote_plus(text)}
    for raw in (text.encode(), *_decoded(text)):
        shown |= {raw.hex(), raw.hex().upper(), *_base64_forms(raw)}
    return {form for form in shown if len(form.strip()) >= SHORTEST}


def _tokens(text: str) -> Iterator[str]:
    parts = (part for part in _SEPARATORS.split(text) if "://" in text)
    return (part for part in parts if not _HOST.fullmatch(part) and _DIGIT.search(part))


def _decoded(text: str) -> Iterator[bytes]:
    """The bytes of a key that is written in hex or base64."""
    import base64
    import binascii

    plain = text.strip()
    if found := _HEX.fullmatch(plain):
        yield bytes.fromhex(found[1])
    try:
        yield base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_" if set(plain) & {"-", "_"} else None,
                               validate=True)  # fmt: skip
    except (binascii.Error, ValueError):
        return


def _base64_forms(raw: bytes) -> Iterator[str]:
    """Also inside something longer, such as `user:secret` of basic authentication: three ways to be cut into sixes."""
    import base64

    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw).decode().rstrip("=")
        for offset in range(3):
            whole = encode(bytes(offset) + raw).decode().rstrip("=")
            last_is_mixed = (offset + len(raw)) % 3 != 0
            yield whole[(0, 2, 3)[offset] : len(whole) - last_is_mixed]


def _load(text: str) -> None:
    global _forms  # there is one process that must not tell
    if len(text) < SHORTEST or _NUMBER.fullmatch(text):
        return
    with _lock:
        _watch_over()
        _forms = tuple(sorted({*_forms, *forms_of(text)}, key=lambda form: (-len(form), form)))


# --- what other people's code prints


def _watch_over() -> None:
    """From now on log records of any library, whoever handles them, and tracebacks of what nobody caught.

    And there is no core dump: the system would write the whole memory into a file.
    """
    import logging
    import resource

    if isinstance(logging.getLogRecordFactory(), _RedactedRecords):
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    logging.setLogRecordFactory(_RedactedRecords(logging.getLogRecordFactory()))
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _print_redacted
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = lambda it: _print_redacted(it.exc_type, it.exc_value, it.exc_traceback)
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = lambda it: _print_redacted(it.exc_type, it.exc_value, it.exc_traceback)


class _RedactedRecords:
    """Makes log records that hold no secret any more, in message, traceback and stack."""

    def __init__(self, make: Callable[..., LogRecord]) -> None:
        self._make = make

    def __call__(self, *args: Any, **more: Any) -> LogRecord:
        record = self._make(*args, **more)
        record.msg, record.args = redacted(_message_of(record)), None
        if record.exc_info:
            record.exc_text = redacted(_traceback_of(*record.exc_info).rstrip("\n"))
            record.exc_info = None
        if record.stack_info:
            record.stack_info = redacted(record.stack_info)
        return record


def _traceback_of(*exception: Any) -> str:
    from traceback import format_exception

    return "".join(format_exception(*exception))


def _message_of(record: LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):  # a caller's format that does not fit: no reason to lose the rest
        return str(record.msg)


def _print_redacted(kind: type[BaseException], wrong: BaseException | None, trace: TracebackType | None) -> None:
    if sys.stderr is not None and not issubclass(kind, SystemExit):
        sys.stderr.write(redacted(_traceback_of(kind, wrong, trace)))
