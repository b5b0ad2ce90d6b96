"""The user's JSON of a hedger (`token_parameter`, `private_ws_client`) as the nodes of a config of ours. Pure.

The file is taken as it is. Every value that is missing, empty or wrong is told at once, at its place; what the form
cannot say (limits, the address of order lists) is told by `notes` or asked for. Slippage is a fraction (S22).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from urllib.parse import urlsplit

from engine.chart.faults import Faults, name_hint
from engine.chart.model import FlowError, Listing, Mapped, Node, Scalar, Span
from engine.chart.yaml_nodes import read_nodes
from engine.runtime.config_values import BIFU, PAPER
from engine.runtime.credentials import JSON_SECRETS, SOURCES, STREAM, TOKEN

MANUAL = "manual"
MAKER_VENUE, HEDGE_VENUE, MAKER_ACCOUNT, HEDGE_ACCOUNT = "maker", "hedge", "maker", "hedge"
CREDENTIALS = {"API KEY": "api_key", "Secret": "api_secret", "Passphrase": "passphrase"}
NEEDS_PASSPHRASE = ("okx",)
HEDGE_KINDS = ("okx", "binance", "backpack", PAPER)
DECIMALS_MOST = 12
BPS = Decimal(10_000)
HEDGER = "hedger"  # the flow that the file is for
TOKEN_KEYS = (
    "Maker Exchange", *JSON_SECRETS, "Stream URL", "Maker Symbol", "Hedge Symbol", "Hedge Exchange", "Hedger Exchange",
    "Hedger Price Decimals", "Hedger Qty Decimals", "Min Qty", "Min Amt", "Slippage", "Market Type",
)  # fmt: skip
OURS = ("_version", "limits", "alerts")  # sections that the document does not have, as in a config of ours
STREAM_KEYS = (*JSON_SECRETS, "Stream URL", "REST URL", "Public URL")
# The form has no limits: multiples of Min Qty, or of its own smallest step where that is 0.
LIMITS = {
    "max_order": 20, "max_position": 1_000, "max_gross": 2_000, "max_net": 1_000, "unhedged_soft": 100,
    "unhedged_hard": 1_000,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class JsonOptions:
    """What a person adds to the form on the command line. `addresses` by the key that would stand in the file."""

    plain_keys: bool = False
    addresses: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Translated:
    """`root` is a config as YAML would give it; `plain` are keys that stand in the file, by account and field."""

    root: Mapped
    plain: dict[tuple[str, str], Scalar] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def looks_like_hedger_json(text: str) -> bool:
    return text.lstrip().startswith("{") and (f'"{TOKEN}"' in text or f'"{STREAM}"' in text)


def read_json_nodes(text: str, *, file: str) -> Mapped:
    """The object of a JSON text, which is YAML but for its tabs. Raises: FlowError at the place where it is none."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        faults = Faults()
        span = Span(file, error.lineno, error.colno, error.lineno, error.colno + 1)
        faults.report("G729", span, f"the text is no JSON: {error.msg}", "look at the quotes, commas and braces there")
        raise FlowError(faults.findings) from error
    except RecursionError:
        faults = Faults()
        faults.report("G729", Span(file, 1, 1, 1, 2), "the text is nested too deeply")
        raise FlowError(faults.findings) from None
    if not isinstance(value, dict):
        faults = Faults()
        faults.report("G729", Span(file, 1, 1, 1, 2), f"the text is no JSON object with {TOKEN} and {STREAM}")
        raise FlowError(faults.findings)
    root = read_nodes(text.replace("\t", " "), file=file)
    assert isinstance(root, Mapped)
    return root


def translate(root: Mapped, faults: Faults, *, file: str, options: JsonOptions) -> Translated:
    """Raises nothing: faults are reported, and what could be read is there."""
    return _Reader(root, faults, file=file, options=options).read()


class _Reader:
    def __init__(self, root: Mapped, faults: Faults, *, file: str, options: JsonOptions) -> None:
        self._faults = faults
        self._options = options
        self._whole = root
        self._start = Span(file, root.span.line, root.span.column, root.span.line, root.span.column + 1)
        self._plain: dict[tuple[str, str], Scalar] = {}
        self._notes: list[str] = []
        self._absent: set[str] = set()  # sections of which nothing more is to be said
        for key, scalar in root.keys.items():
            if key not in (TOKEN, STREAM, *OURS):
                faults.report("G730", scalar.span, f'"{key}" is not known here', name_hint(key, (TOKEN, STREAM, *OURS)))
        self._token, self._token_span = self._section(TOKEN, TOKEN_KEYS)
        self._stream, self._stream_span = self._section(STREAM, STREAM_KEYS)

    def _section(self, name: str, known: tuple[str, ...]) -> tuple[Mapping[str, Node], Span]:
        node = self._whole.entries.get(name)
        if not isinstance(node, Mapped):
            span = self._start if node is None else node.span
            self._faults.report("G730", span, f'"{name}" is missing' if node is None else f'"{name}" is no object')
            self._absent.add(name)
            return {}, self._start
        for key, scalar in node.keys.items():
            if key not in known:
                self._faults.report("G730", scalar.span, f'{name}: "{key}" is not known here', name_hint(key, known))
        return node.entries, node.keys[next(iter(node.keys))].span if node.keys else node.span

    # --- the whole

    def read(self) -> Translated:
        contract = self._market_type()
        self._check_maker_exchange()
        symbol = self._needed("Maker Symbol")
        hedge_symbol, hedge = self._needed("Hedge Symbol"), self._hedge_exchange()
        manual = hedge_symbol is not None and hedge_symbol.text.lower() == MANUAL
        price_decimals, qty_decimals = self._decimals("Hedger Price Decimals"), self._decimals("Hedger Qty Decimals")
        min_qty, min_amt = self._amount("Min Qty"), self._amount("Min Amt")
        slippage = self._slippage()
        hedge_keys = self._credentials(HEDGE_ACCOUNT, kind=hedge, needed=bool(hedge) and hedge != PAPER and not manual)
        stream_keys = self._credentials(MAKER_ACCOUNT, kind=BIFU, needed=True)
        venues = {MAKER_VENUE: self._maker_venue(contract), HEDGE_VENUE: self._hedge_venue(hedge)}
        at = (symbol or Scalar("", quoted=False, span=self._token_span)).span
        name = symbol.text if symbol is not None else "MARKET"
        spelled = "".join(filter(str.isalnum, name)) if hedge == "binance" else name  # BTCUSDT, and BTC-USDT elsewhere
        hedged = spelled if manual or hedge_symbol is None else hedge_symbol.text
        settings = {
            "min_qty": min_qty, "min_amt": min_amt, "slippage": slippage,
            "manual": _scalar("true", hedge_symbol.span) if manual and hedge_symbol is not None else None,
        }  # fmt: skip
        if self._plain and self._options.plain_keys:
            count = f"{len(self._plain)} keys stand" if len(self._plain) > 1 else "a key stands"
            self._notes.insert(
                0, f"warning: {count} in this file in plain: who can read it, or a copy, can trade; keep them elsewhere"
            )
        symbols = _mapped({MAKER_VENUE: _scalar(name, at), HEDGE_VENUE: _scalar(hedged, at)}, at)
        root = _mapped(
            {
                "version": _scalar("1", self._start),
                "_version": self._whole.entries.get("_version"),
                "flow": _scalar("hedger", self._start),
                "market": _scalar(name, at),
                "markets": _mapped({name: symbols}, at),
                "venues": _mapped(venues, at),
                "accounts": Listing(
                    (
                        self._account(MAKER_ACCOUNT, MAKER_VENUE, stream_keys, self._stream_span, {}),
                        self._account(
                            HEDGE_ACCOUNT, HEDGE_VENUE, hedge_keys, self._token_span,
                            {"price_decimals": price_decimals, "qty_decimals": qty_decimals}
                            | ({"balance": _scalar("1000000", self._token_span)} if hedge == PAPER else {}),
                        ),
                    ),
                    at,
                ),
                "use": _mapped(
                    {
                        "source": _scalar(MAKER_ACCOUNT, at),
                        "hedgers": Listing((_scalar(HEDGE_ACCOUNT, at),), at),
                    },
                    at,
                ),
                "settings": _mapped(settings, self._token_span),
                "limits": self._limits(min_qty, qty_decimals),
                "alerts": self._whole.entries.get("alerts"),
            },
            self._start,
        )  # fmt: skip
        return Translated(root, self._plain, self._notes)

    def _account(
        self, name: str, venue: str, keys: Mapping[str, Node], span: Span, more: Mapping[str, Node | None]
    ) -> Mapped:
        said = {"name": _scalar(name, span), "venue": _scalar(venue, span), "owner": _scalar("me", span), **more}
        return _mapped({**said, "credentials": _mapped(keys, span)}, span)

    # --- venues

    def _market_type(self) -> bool:
        """Futures on both sides (requirement 23)? The document does not have it; spot by default."""
        node = self._token.get("Market Type")
        word = _text(node).strip().lower()
        if node is not None and word not in ("", "spot", "future", "futures", "contract", "swap", "perp"):
            self._wrong(TOKEN, "Market Type", node, f'"{_text(node)}"', "spot or futures")
        return word not in ("", "spot")

    def _check_maker_exchange(self) -> None:
        node = self._needed("Maker Exchange")
        if node is not None and node.text.strip().lower().split("_")[0] != BIFU:
            self._wrong(TOKEN, "Maker Exchange", node, f'"{node.text}"', "bifu, whose fills alone can be heard")

    def _hedge_exchange(self) -> str:
        """Under one of its two names; the word before `_`, so that okx_future is okx."""
        first, second = (self._token.get(name) for name in ("Hedge Exchange", "Hedger Exchange"))
        words = {_text(node).strip().lower() for node in (first, second) if _text(node).strip()}
        if len(words) > 1:
            assert second is not None
            self._wrong(TOKEN, "Hedger Exchange", second, f'"{_text(second)}"', "what Hedge Exchange says")
        node = first if _text(first).strip() else second
        if not words:
            self._missing(TOKEN, "Hedge Exchange", first or second)
            return ""
        kind = _text(node).strip().lower().split("_")[0]
        if kind not in HEDGE_KINDS:
            assert node is not None
            self._wrong(TOKEN, "Hedge Exchange", node, f'"{_text(node)}"', f"one of {', '.join(HEDGE_KINDS)}")
            return ""
        return kind

    def _maker_venue(self, contract: bool) -> Mapped:
        node = self._stream.get("Stream URL")
        said: dict[str, Node | None] = {"kind": _scalar(BIFU, self._stream_span)}
        if contract:
            said["side"] = _scalar("contract", self._stream_span)
        text = self._url(node, STREAM, "Stream URL", ("ws", "wss"))
        if text is None:
            return _mapped(said, self._stream_span)
        assert node is not None
        if _local(text):
            said |= {"url": _scalar(f"http://{urlsplit(text).netloc}", node.span), "ws_url": _scalar(text, node.span)}
            return _mapped(said, self._stream_span)
        said["stream_url"] = _scalar(text, node.span)
        for key, into in (("REST URL", "private_url"), ("Public URL", "public_url")):
            given = self._options.addresses.get(key)
            rest = self._stream.get(key) if given is None else _scalar(given, node.span)
            if rest is None:
                self._faults.report(
                    "G730", node.span, f"{STREAM}: no {key}: a stream cannot tell what was missed while it was away",
                    f'add "{key}" to {STREAM}, or give it on the command line; hosts are not guessed',
                )  # fmt: skip
            elif (address := self._url(rest, STREAM, key, ("http", "https"))) is not None:
                said[into] = _scalar(address, rest.span)
        return _mapped(said, self._stream_span)

    def _hedge_venue(self, kind: str) -> Mapped:
        node = self._token.get("Stream URL")
        said: dict[str, Node | None] = {"kind": _scalar(kind or PAPER, self._token_span)}
        if _text(node).strip() and kind != PAPER:
            assert node is not None
            text = self._url(node, TOKEN, "Stream URL", ("ws", "wss"))
            if text is not None and _local(text):
                said |= {
                    "url": _scalar(f"http://{urlsplit(text).netloc}", node.span),
                    "ws_url": _scalar(text, node.span),
                }
            elif text is not None:
                self._notes.append(
                    f"{TOKEN}: Stream URL {text} is not used: the adapter of {kind} knows its venue's own"
                )
        return _mapped(said, self._token_span)

    def _url(self, node: Node | None, section: str, key: str, schemes: tuple[str, ...]) -> str | None:
        text = _text(node).strip().rstrip("/")
        if not text:
            self._missing(section, key, node)
            return None
        parts = urlsplit(text)
        if parts.scheme not in schemes or not parts.hostname or parts.path or parts.query:
            assert node is not None
            self._wrong(
                section, key, node, f'"{text}"', f"{' or '.join(f'{it}://' for it in schemes)}HOST without a path"
            )
            return None
        return text

    # --- keys

    def _credentials(self, account: str, *, kind: str, needed: bool) -> dict[str, Node]:
        """References to the keys; those that stand in the file itself are put aside."""
        section, entries, at = (
            (STREAM, self._stream, self._stream_span)
            if account == MAKER_ACCOUNT
            else (TOKEN, self._token, self._token_span)
        )
        found: dict[str, Node] = {}
        for key, ours in CREDENTIALS.items():
            if key == "Passphrase" and kind not in NEEDS_PASSPHRASE:
                continue
            node = entries.get(key)
            if not isinstance(node, Scalar) or not node.text.strip():
                if needed:
                    self._missing(section, key, node, at=at)
            elif node.text.partition(":")[0] in SOURCES:
                found[ours] = _mapped({"secret": node}, node.span)
            else:
                self._put_aside(account, ours, node, f"{section}: {key}")
        return found

    def _put_aside(self, account: str, ours: str, node: Scalar, what: str) -> None:
        self._plain[account, ours] = Scalar(node.text.strip(), node.quoted, node.span)
        if not self._options.plain_keys:
            self._faults.report(
                "G712", node.span, f"{what} stands here in plain",
                "keep it elsewhere and write vault:NAME, file:PATH, env:NAME, cmd:… or keyring:… in its place; or allow"
                " it with --plain-keys",
            )  # fmt: skip

    # --- numbers

    def _needed(self, key: str) -> Scalar | None:
        node = self._token.get(key)
        if isinstance(node, Scalar) and node.text.strip():
            return Scalar(node.text.strip(), node.quoted, node.span)
        self._missing(TOKEN, key, node)
        return None

    def _number(self, key: str) -> tuple[Scalar, Decimal] | None:
        node = self._needed(key)
        if node is None:
            return None
        try:
            value = Decimal(node.text)
        except InvalidOperation:
            value = Decimal("NaN")
        if not value.is_finite():
            self._wrong(TOKEN, key, node, f'"{node.text}"', "a number")
            return None
        return node, value

    def _decimals(self, key: str) -> Scalar | None:
        read = self._number(key)
        if read is None:
            return None
        node, value = read
        if value != int(value) or not 0 <= value <= DECIMALS_MOST:
            self._wrong(TOKEN, key, node, node.text, f"a whole number from 0 to {DECIMALS_MOST}")
            return None
        return _scalar(str(int(value)), node.span)

    def _amount(self, key: str) -> Scalar | None:
        read = self._number(key)
        if read is None:
            return None
        node, value = read
        if value < 0:
            self._wrong(TOKEN, key, node, node.text, "0 or above")
            return None
        return _scalar(f"{value:f}", node.span)

    def _slippage(self) -> Scalar | None:
        """A fraction: 0.01 is 1 % is 100 bps. What is 1 or above was meant as something else."""
        read = self._number("Slippage")
        if read is None:
            return None
        node, value = read
        if not 0 <= value < 1:
            self._wrong(TOKEN, "Slippage", node, node.text, "a fraction from 0 to below 1, such as 0.01 for 1 %")
            return None
        percent, bps = _short(value * 100), _short(value * BPS)
        self._notes.append(f"Slippage {_short(value)} is a fraction: {percent} %, {bps} bps")
        return _scalar(f"{bps}bps", node.span)

    def _limits(self, min_qty: Scalar | None, decimals: Scalar | None) -> Mapped:
        """Bounds that the form does not have, as multiples of the smallest hedge, or of a thousand smallest steps.

        What stands under `limits` in the file is taken as it is.
        """
        given = self._whole.entries.get("limits")
        if given is not None and not isinstance(given, Mapped):
            self._faults.report("G730", given.span, '"limits" is no object')
            given = None
        own = {} if given is None else given.entries
        least = Decimal(min_qty.text) if min_qty is not None else Decimal(0)
        unit = least or 1_000 * Decimal(1).scaleb(-int(decimals.text) if decimals is not None else 0)
        values = {name: _short(unit * times) for name, times in LIMITS.items() if name not in own}
        if values:
            told = ", ".join(f"{name} {it}" for name, it in values.items())
            self._notes.append(f"limits that are not set: {told}")
        span = min_qty.span if min_qty is not None else self._token_span
        made = _mapped({name: _scalar(text, span) for name, text in values.items()}, span)
        keys = {} if given is None else given.keys
        return Mapped({**made.entries, **own}, {**made.keys, **keys}, span)

    # --- faults

    def _missing(self, section: str, key: str, node: Node | None, *, at: Span | None = None) -> None:
        span = node.span if node is not None else at or (self._token_span if section == TOKEN else self._stream_span)
        if section in self._absent:
            return
        empty = "is empty" if node is not None else "is missing"
        self._faults.report("G730", span, f"{section}: {key} {empty}", _HINTS.get(key, f'write "{key}": …'))

    def _wrong(self, section: str, key: str, node: Node, found: str, expected: str) -> None:
        self._faults.report("G730", node.span, f"{section}: {key} is {found}", f"expected {expected}")


_HINTS = {
    "Passphrase": "okx needs the passphrase of its key",
    "Stream URL": 'write the host that the venue gave you, such as "wss://spot.example"',
    "Hedge Symbol": "write the hedge venue's symbol, or manual to only record",
}


def _scalar(text: str, span: Span) -> Scalar:
    return Scalar(text, quoted=True, span=span)


def _mapped(entries: Mapping[str, Node | None], span: Span) -> Mapped:
    there = {name: node for name, node in entries.items() if node is not None}
    return Mapped(there, {name: Scalar(name, quoted=True, span=node.span) for name, node in there.items()}, span)


def _text(node: Node | None) -> str:
    return node.text if isinstance(node, Scalar) else ""


def _short(number: Decimal) -> str:
    """Without the zeros that multiplying leaves."""
    return f"{number.normalize():f}"


def _local(url: str) -> bool:
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
