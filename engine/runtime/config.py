"""Reads the config of a run: YAML text to typed values, every fault at its place.

A config says where a flow's strategy trades: markets and symbols, venues, accounts, who plays which role, settings,
limits and guards. Knows no venue module; `cli/paper_pool.py` and `cli/client_wiring.py` build venues from these values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import cast

from engine.chart.faults import Faults, in_file_order, name_hint, nearest_name, without_echoes
from engine.chart.model import (
    BOOL,
    COUNT,
    DURATION,
    MONEY,
    PRICE,
    QTY,
    RATIO,
    TEXT,
    TICKS,
    Flow,
    FlowError,
    Listing,
    Mapped,
    Node,
    Scalar,
    Span,
    Type,
)
from engine.chart.settings import read_literal, settings_values
from engine.chart.structure import schema_findings, shipped_schema
from engine.chart.yaml_nodes import read_nodes
from engine.runtime.config_checks import (
    asked_venues,
    config_findings,
    instrument_findings,
    live_findings,
    real_venues,
    recording_finding,
)
from engine.runtime.config_fields import read_guards, read_limits
from engine.runtime.config_listen import read_listen, refuse_listen_keys
from engine.runtime.config_outputs import read_alerts, read_busy_poll, read_keep_warm, read_logs
from engine.runtime.config_pairs import joined, pair_findings, pair_roots
from engine.runtime.config_products import read_product, read_switch
from engine.runtime.config_values import (
    BIFU,
    PAPER,
    REAL_KINDS,
    SYNTHETIC,
    AccountConfig,
    Config,
    DepthConfig,
    VenueConfig,
)
from engine.runtime.credentials import PLAIN, Reference, masked, read_references
from engine.runtime.hedger_json import (
    HEDGER,
    JsonOptions,
    Translated,
    looks_like_hedger_json,
    read_json_nodes,
    translate,
)
from engine.runtime.secrets import Secret
from engine.trading.plan import Guards, Limits, RoleSpec, is_hedged

__all__ = [
    "AccountConfig",
    "Config",
    "DepthConfig",
    "Reference",
    "VenueConfig",
    "asked_venues",
    "flow_named",
    "instrument_findings",
    "live_findings",
    "load_config",
    "masked",
    "real_venues",
    "recording_finding",
    "roles_of",
]

PAPER_VENUE_KEYS = ("latency", "feed_latency", "reconnect", "market", "instrument", "depth")
PAPER_ACCOUNT_KEYS = ("balance", "base_balance")
ADDRESS_KEYS = ("url", "ws_url")

INSTRUMENT_TYPES: Mapping[str, Type] = {
    "kind": TEXT, "base": TEXT, "quote": TEXT, "tick": PRICE, "lot": QTY,
    "min_qty": QTY, "min_notional": MONEY, "max_qty": QTY, "maker_fee": RATIO, "taker_fee": RATIO,
    "initial_margin": RATIO, "maintenance_margin": RATIO, "fee_in_received": BOOL,
}  # fmt: skip
_MAY_BE_NEGATIVE = ("maker_fee",)  # a rebate
_MUST_BE_ABOVE_ZERO = ("tick", "lot", "min_qty", "max_qty", "initial_margin")


def load_config(text: str, *, file: str, flow: Flow, json_options: JsonOptions | None = None) -> Config:
    """The config of a run of `flow`, or of several, one for each pair.

    Raises: FlowError with all findings that need no venue.
    """
    faults, configs, said = Faults(), [], None
    if file.endswith(".json") or looks_like_hedger_json(text):
        form = read_json_nodes(text, file=file)
        said = translate(form, faults, file=file, options=json_options or JsonOptions())
        faults.raise_if_any()  # of the translation there is nothing more to say
    whole = read_nodes(text, file=file) if said is None else said.root
    roots = pair_roots(whole, faults)
    if len(roots) > 1 or roots[0] is not whole:
        faults.add(schema_findings(whole, shipped_schema("config.schema.json")))
    for root in roots:
        reader = _Reader(root, file=file, flow=flow)
        configs.append(reader.read(text))
        faults.add(reader.faults.findings)
    faults.findings = without_echoes(in_file_order(faults.findings))
    faults.raise_if_any()
    read = [config for config in configs if config is not None]
    for config in read:
        faults.add(config_findings(config, roles_of(flow), hedged=is_hedged(flow)))
    faults.add(pair_findings(read))
    faults.raise_if_any()
    if said is not None:
        return _with_plain_keys(read[0], said)
    return joined(read) if len(read) > 1 else read[0]


def _with_plain_keys(config: Config, said: Translated) -> Config:
    """The config of a hedger's JSON, with the keys that stand in it."""
    plain = {f"{account}.{name}": Secret(node.text) for (account, name), node in said.plain.items()}
    accounts = {
        name: replace(
            account,
            credentials={
                **account.credentials,
                **{key: Reference(PLAIN, f"{name}.{key}") for owner, key in said.plain if owner == name},
            },
        )
        for name, account in config.accounts.items()
    }
    return replace(config, accounts=accounts, plain=plain, notes=tuple(said.notes))


def flow_named(text: str, *, file: str) -> str | None:
    """The flow that the config says it is for; None where it says nothing or cannot be read."""
    if looks_like_hedger_json(text):
        return HEDGER
    try:
        return _text(_entries(read_nodes(text, file=file)).get("flow")) or None
    except FlowError:
        return None


def roles_of(flow: Flow) -> Mapping[str, RoleSpec]:
    """The roles that the flow's `accounts:` section declares."""
    section = flow.sections.get("accounts")
    return cast("Mapping[str, RoleSpec]", section.value) if section is not None else {}


class _Reader:
    """Reads one file; goes on after each fault, so that all are found."""

    def __init__(self, root: Node, *, file: str, flow: Flow) -> None:
        self.faults = Faults()
        self._flow = flow
        self._root = _entries(root)
        self._spans: dict[str, Span] = {"": Span(file, 1, 1, 1, 2)}
        self._nameless = 0  # accounts whose own name is the fault: the names that roles miss may be theirs
        self.faults.add(schema_findings(root, shipped_schema("config.schema.json")))

    def read(self, text: str) -> Config | None:
        venues = self._venues()
        market, symbols = self._symbols(venues)
        accounts = self._accounts(venues, symbols, market=market)
        roles = self._roles(accounts)
        settings = self._settings()
        limits, guards = self._limits_and_guards(settings)
        acknowledged = self._acknowledged(venues)
        sync = _text(_entries(self._root.get("journal")).get("sync"))
        logs = read_logs(_entries(self._root.get("logs")), self.faults)
        alerts = read_alerts(_entries(self._root.get("alerts")), self.faults)
        keep_warm_ns = read_keep_warm(self._root.get("keep_warm"), self.faults)
        busy_poll = read_busy_poll(self._root.get("busy_poll"))
        if self.faults.findings or settings is None or limits is None or guards is None:
            return None
        return Config(
            file=self._spans[""].file, text=text, digest=hashlib.sha256(text.encode()).hexdigest(), market=market,
            symbols=symbols, venues=venues, accounts=accounts, roles=roles, settings=settings, limits=limits,
            guards=guards, acknowledged=acknowledged, journal_sync=sync or _usual_sync(venues, accounts, roles),
            spans=self._spans, logs=logs, alerts=alerts, keep_warm_ns=keep_warm_ns, busy_poll=busy_poll,
            version=self._version(),
        )  # fmt: skip

    def _version(self) -> int:
        """How often it was edited, as its author counts; 0 where it says nothing."""
        node = self._root.get("_version")
        value = None if node is None else read_literal(node, COUNT, self.faults, what="_version")
        return value if isinstance(value, int) else 0

    # --- venues and symbols

    def _venues(self) -> dict[str, VenueConfig]:
        venues = {}
        for name, node in _entries(self._root.get("venues")).items():
            self._place(f"venues.{name}", self._root["venues"], name)
            venues[name] = self._venue(name, _entries(node), node)
        return venues

    def _venue(self, name: str, keys: Mapping[str, Node], node: Node) -> VenueConfig:
        kind = _text(keys.get("kind"))
        if kind != BIFU:
            refuse_listen_keys(name, kind, keys, node, self.faults)
        if kind in REAL_KINDS:
            self._refuse_paper_keys(node, PAPER_VENUE_KEYS, what=f"venue {name} is a {kind} venue")
            if "ws_url" in keys and "url" not in keys:
                self.faults.report(
                    "G726",
                    keys["ws_url"].span,
                    f"venue {name} has a ws_url and no url",
                    "add the `url` that it listens on",
                )
            listen = read_listen(name, node, keys, self.faults) if kind == BIFU else None
            product, demo = read_product(name, kind, node, keys, self.faults)
            return VenueConfig(
                name, kind, url=_text(keys.get("url")).rstrip("/"), ws_url=_text(keys.get("ws_url")), listen=listen,
                product=product, demo=demo,
            )  # fmt: skip
        read_product(name, kind, node, keys, self.faults)  # which paper has none of
        for key in ADDRESS_KEYS:
            if key in keys:
                self.faults.report(
                    "G726", keys[key].span, f"`{key}` is for venues on a socket; venue {name} is {kind or 'paper'}",
                    f"remove `{key}`",
                )  # fmt: skip
        if "market" in keys:
            self._spans[f"venues.{name}.market"] = keys["market"].span
        plain = VenueConfig(name, kind)
        depth = _entries(keys.get("depth"))
        return VenueConfig(
            name,
            kind,
            latency_ns=self._number(keys, "latency", DURATION, plain.latency_ns),
            feed_latency_ns=self._number(keys, "feed_latency", DURATION, plain.feed_latency_ns),
            reconnect_ns=self._number(keys, "reconnect", DURATION, plain.reconnect_ns),
            market=_text(keys.get("market")) or SYNTHETIC,
            instrument=self._instrument(_entries(keys.get("instrument"))),
            depth=DepthConfig(
                step_ticks=self._number(depth, "step", TICKS, plain.depth.step_ticks, above_zero=True),
                growth=self._number(depth, "growth", COUNT, plain.depth.growth),
                levels=self._number(depth, "levels", COUNT, plain.depth.levels),
            ),
        )

    def _instrument(self, keys: Mapping[str, Node]) -> dict[str, object]:
        values: dict[str, object] = {}
        for name, node in keys.items():
            if name not in INSTRUMENT_TYPES:
                continue  # the schema has told
            value = read_literal(node, INSTRUMENT_TYPES[name], self.faults, what=name)
            if isinstance(value, Decimal) and name not in _MAY_BE_NEGATIVE:
                self._check_sign(name, value, node.span, above_zero=name in _MUST_BE_ABOVE_ZERO)
            if value is not None:
                values[name] = value
        return values

    def _symbols(self, venues: Mapping[str, VenueConfig]) -> tuple[str, dict[str, str]]:
        markets, market = _entries(self._root.get("markets")), self._root.get("market")
        name = _text(market)
        if market is not None and name and markets and name not in markets:
            self.faults.report("G707", market.span, f'markets has no table for "{name}"', name_hint(name, markets))
        for other in markets.values():
            self._check_venues(other, venues)
        self._place("market", self._root.get("markets"), name)
        return name, {venue: _text(symbol) for venue, symbol in _entries(markets.get(name)).items()}

    def _acknowledged(self, venues: Mapping[str, VenueConfig]) -> dict[str, str]:
        node = _entries(self._root.get("acknowledge")).get("same_owner_same_market")
        self._check_venues(node, venues)
        return {venue: _text(words) for venue, words in _entries(node).items()}

    def _check_venues(self, node: Node | None, venues: Mapping[str, VenueConfig]) -> None:
        for venue, key in node.keys.items() if isinstance(node, Mapped) else ():
            if venues and venue not in venues:
                self.faults.report("G703", key.span, f'no venue is named "{venue}"', name_hint(venue, venues))

    # --- accounts and roles

    def _accounts(
        self, venues: Mapping[str, VenueConfig], symbols: Mapping[str, str], *, market: str
    ) -> dict[str, AccountConfig]:
        accounts: dict[str, AccountConfig] = {}
        listing = self._root.get("accounts")
        for node in listing.items if isinstance(listing, Listing) else ():
            keys = _entries(node)
            name_node, venue_node = keys.get("name"), keys.get("venue")
            name, venue = _text(name_node), _text(venue_node)
            if name_node is None or not name:
                self._nameless += 1
                continue
            if name in accounts:
                self._nameless += 1
                first = self._spans[f"accounts.{name}"]
                self.faults.report(
                    "G705", name_node.span, f'account "{name}" stands twice; first at line {first.line}', "rename one"
                )
                continue
            self._spans[f"accounts.{name}"] = name_node.span
            if venue_node is not None and venues and venue not in venues:
                self.faults.report("G703", venue_node.span, f'no venue is named "{venue}"', name_hint(venue, venues))
            elif venue_node is not None and symbols and venue in venues and venue not in symbols:
                self.faults.report(
                    "G706", venue_node.span, f"{market} has no symbol on venue {venue}, where {name} would trade it",
                    f"add `{venue}: SYMBOL` under markets, {market}",
                )  # fmt: skip
            accounts[name] = self._account(name, keys, node, venues.get(venue))
        return accounts

    def _account(self, name: str, keys: Mapping[str, Node], node: Node, venue: VenueConfig | None) -> AccountConfig:
        credentials = read_references(keys.get("credentials"), self.faults, what="credential")
        if venue is not None and venue.kind in REAL_KINDS:
            self._refuse_paper_keys(node, PAPER_ACCOUNT_KEYS, what=f"account {name} is on a {venue.kind} venue")
            if "credentials" not in keys:
                self.faults.report(
                    "G715", self._spans[f"accounts.{name}"], f"account {name} on {venue.kind} has no credentials",
                    "add `credentials:` with references",
                )  # fmt: skip
        elif venue is not None and venue.kind == PAPER and "balance" not in keys:
            self.faults.report(
                "G716", self._spans[f"accounts.{name}"], f"paper account {name} has no balance",
                "add `balance:`, the cash that it starts with",
            )  # fmt: skip
        return AccountConfig(
            name,
            venue=_text(keys.get("venue")),
            owner=_text(keys.get("owner")),
            dedicated=_text(keys.get("dedicated")) == "true",
            balance=self._amount(keys, "balance", MONEY),
            base_balance=self._amount(keys, "base_balance", QTY),
            credentials=credentials,
            guard_credentials=read_references(keys.get("guard_credentials"), self.faults, what="credential"),
            price_decimals=self._decimals(keys, "price_decimals"),
            qty_decimals=self._decimals(keys, "qty_decimals"),
            cancel_after_s=read_switch(name, venue, node, keys, self.faults),
        )

    def _decimals(self, keys: Mapping[str, Node], name: str) -> int | None:
        return self._number(keys, name, COUNT, 0) if name in keys else None

    def _roles(self, accounts: Mapping[str, AccountConfig]) -> dict[str, tuple[str, ...]]:
        specs, use = roles_of(self._flow), self._root.get("use")
        chosen = _entries(use)
        roles: dict[str, tuple[str, ...]] = {}
        for name, key in use.keys.items() if isinstance(use, Mapped) else ():
            self._spans[f"use.{name}"] = chosen[name].span
            if name not in specs:
                self.faults.report(
                    "G708", key.span, f'flow {self._flow.name} has no role "{name}"', name_hint(name, specs)
                )
            else:
                roles[name] = self._members(specs[name], chosen[name], accounts)
        mistyped = {nearest_name(name, specs) for name in chosen if name not in specs}
        for name in specs:
            if isinstance(use, Mapped) and name not in chosen and name not in mistyped:
                self.faults.report("G709", use.span, f"role {name} has no account", f"add `{name}:` under use")
        self._check_apart(specs, chosen)
        return roles

    def _members(self, spec: RoleSpec, node: Node, accounts: Mapping[str, AccountConfig]) -> tuple[str, ...]:
        names = _names(node)
        if spec.many != isinstance(node, Listing):
            wanted = f"a list, such as [{', '.join(accounts) or 'NAME'}]" if spec.many else "one account's name"
            self.faults.report("G709", node.span, f"role {spec.name} needs {wanted}")
            return ()
        if spec.many and not names:
            self.faults.report("G709", node.span, f"role {spec.name} has no account", "name at least one")
        seen: set[str] = set()
        missing = [scalar for scalar in names if accounts and scalar.text not in accounts]
        for scalar in names:
            if scalar in missing and len(missing) > self._nameless:
                hint = name_hint(scalar.text, accounts)
                self.faults.report("G704", scalar.span, f'no account is named "{scalar.text}"', hint)
            if scalar.text in seen:
                self.faults.report("G705", scalar.span, f'account "{scalar.text}" stands twice in role {spec.name}')
            seen.add(scalar.text)
        return tuple(scalar.text for scalar in names)

    def _check_apart(self, specs: Mapping[str, RoleSpec], chosen: Mapping[str, Node]) -> None:
        for spec in specs.values():
            if spec.apart_from is None:
                continue
            others = {scalar.text for scalar in _names(chosen.get(spec.apart_from))}
            for scalar in _names(chosen.get(spec.name)):
                if scalar.text in others:
                    self.faults.report(
                        "G710", scalar.span, f"account {scalar.text} is {spec.apart_from} and among the {spec.name}",
                        f"{spec.name} must be accounts other than the {spec.apart_from}",
                    )  # fmt: skip

    # --- settings, limits, guards

    def _settings(self) -> dict[str, object] | None:
        node = self._root.get("settings")
        overrides = dict(_entries(node))
        for name, value in overrides.items():
            self._spans[f"settings.{name}"] = value.span
            if name not in self._flow.settings and isinstance(node, Mapped):
                overrides[name] = node.keys[name]  # the complaint belongs to the key
        try:
            return settings_values(self._flow, overrides, at=self._spans[""] if node is None else _start(node.span))
        except FlowError as error:
            self.faults.add(error.findings)
            return None

    def _limits_and_guards(self, settings: Mapping[str, object] | None) -> tuple[Limits | None, Guards | None]:
        for section in ("limits", "guards"):
            for name, node in _entries(self._root.get(section)).items():
                self._spans[f"{section}.{name}"] = node.span
        # Where the settings are faulty their own findings are enough: a stand-in keeps limits from complaining too.
        quantity = Decimal(1) if settings is None else settings.get("quantity")
        known = quantity if isinstance(quantity, Decimal) else None
        at = self._spans[""]
        hedged = is_hedged(self._flow)
        limits = read_limits(_entries(self._root.get("limits")), self.faults, quantity=known, at=at, hedged=hedged)
        return limits, read_guards(_entries(self._root.get("guards")), self.faults, at=at)

    # --- small parts

    def _number(
        self, keys: Mapping[str, Node], name: str, expected: Type, default: int, *, above_zero: bool = False
    ) -> int:
        node = keys.get(name)
        value = None if node is None else read_literal(node, expected, self.faults, what=name)
        if node is None or not isinstance(value, int):
            return default
        self._check_sign(name, value, node.span, above_zero=above_zero)
        return value

    def _amount(self, keys: Mapping[str, Node], name: str, expected: Type) -> Decimal | None:
        node = keys.get(name)
        value = None if node is None else read_literal(node, expected, self.faults, what=name)
        if node is None or not isinstance(value, Decimal):
            return None
        self._check_sign(name, value, node.span)
        return value

    def _check_sign(self, name: str, value: Decimal | int, span: Span, *, above_zero: bool = False) -> None:
        if value < 0 or (above_zero and not value):
            expected = "above 0" if above_zero else "0 or above"
            self.faults.report("T405", span, f"{name} is {value}, expected {expected}")

    def _refuse_paper_keys(self, node: Node, names: Iterable[str], *, what: str) -> None:
        for name in names:
            if isinstance(node, Mapped) and name in node.keys:
                self.faults.report(
                    "G711", node.keys[name].span, f"`{name}` is for paper venues; {what}", f"remove `{name}`"
                )

    def _place(self, name: str, node: Node | None, key: str) -> None:
        if isinstance(node, Mapped) and key in node.keys:
            self._spans[name] = node.keys[key].span


def _usual_sync(
    venues: Mapping[str, VenueConfig], accounts: Mapping[str, AccountConfig], roles: Mapping[str, tuple[str, ...]]
) -> str:
    """A paper venue dies with the machine, so that there is nothing to remember after a power cut."""
    used = (accounts[name].venue for members in roles.values() for name in members)
    return "rounds" if any(venues[venue].real for venue in used) else "normal"


def _entries(node: Node | None) -> Mapping[str, Node]:
    return node.entries if isinstance(node, Mapped) else {}


def _text(node: Node | None) -> str:
    return node.text if isinstance(node, Scalar) else ""


def _names(node: Node | None) -> tuple[Scalar, ...]:
    if isinstance(node, Scalar):
        return (node,) if node.text else ()
    return tuple(item for item in node.items if isinstance(item, Scalar)) if isinstance(node, Listing) else ()


def _start(span: Span) -> Span:
    return Span(span.file, span.line, span.column, span.line, span.column + 1)
