"""The trading sections of a flow file: `accounts:`, `legs:` and `hedging:`, read with findings at their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from engine.chart.model import (
    BOOL,
    COUNT,
    PRICE,
    QTY,
    TICKS,
    Expression,
    Mapped,
    Node,
    Scalar,
    SectionResult,
    SectionTools,
    Sheet,
    Type,
)
from engine.trading.effects import Purpose
from engine.trading.hedging import HedgeRule, Rung
from engine.trading.listening import read_listening
from engine.trading.plan import RoleSpec
from engine.trading.section_parts import BY, RUNG_WORDS, read_ladder, short, word, words


class Fact(NamedTuple):
    """What a guard may read by its name."""

    type: Type
    about: str


LEG_FACTS: Mapping[str, Fact] = {
    "live": Fact(BOOL, "an order of the leg may still fill"),
    "filled": Fact(QTY, "what filled of this round's orders of the leg"),
    "attempts": Fact(COUNT, "orders of the leg made in this round"),
    "unknown": Fact(BOOL, "nobody knows whether the venue took an order of the leg (S4)"),
    "orders": Fact(COUNT, "how many orders of the leg may still fill"),
    "unfilled": Fact(QTY, "how much they may still fill"),
    "nearest": Fact(PRICE, "of these, the price that the market reaches first: lowest sale, highest purchase; else 0"),
    "last_price": Fact(PRICE, "price of the leg's newest fill, of whatever round; 0 before the first"),
    "size": Fact(QTY, "what an order of the leg made now would be for; 0 if the venue would not take it"),
}

_PURPOSES = {"open": Purpose.OPEN, "close": Purpose.CLOSE, "cleanup": Purpose.CLEANUP}
_LEG_TYPES = {"offset": TICKS, "price": PRICE}
UNHEDGED = Sheet("Not hedged", ("Directional: no fill of this flow is hedged.",))


@dataclass(frozen=True, slots=True)
class LegSpec:
    """A named way of ordering: who, which side, how much, how far from the other side of the book."""

    name: str
    role: str
    purpose: Purpose
    buys: Expression  # true = buy, false = sell, decided when the order is made
    quantity: Expression
    offset: Expression | None  # ticks from the opposite best (E5)
    price: Expression | None  # rests no nearer to the market than this, and takes no worse
    reduces: bool  # only ever reduces the account's position; sized without an untradeable remainder (S7)


def read_accounts(node: Node | None, tools: SectionTools) -> SectionResult:
    """`maker: {pick: one}`, `takers: {pick: many, apart_from: maker}` -> RoleSpecs."""
    roles: dict[str, RoleSpec] = {}
    if not isinstance(node, Mapped):
        return SectionResult(value=roles, refers={"role": frozenset()})
    for name, spec in node.entries.items():
        pick = word(spec, "pick")
        if pick is None or pick.text not in ("one", "many"):
            span = pick.span if pick is not None else spec.span
            tools.report("H601", span, f"role {name} needs `pick: one` or `pick: many`", "write {pick: one}")
            continue
        apart = word(spec, "apart_from")
        if apart is not None and apart.text not in node.entries:
            hint = tools.nearest(apart.text, tuple(node.entries))
            tools.report("H602", apart.span, f'role {name} is apart from "{apart.text}", which is no role here', hint)
            continue
        roles[name] = RoleSpec(name=name, many=pick.text == "many", apart_from=apart.text if apart else None)
    shown = Sheet("Accounts", tuple(_role_words(role) for role in roles.values()))
    return SectionResult(value=roles, refers={"role": frozenset(node.entries)}, shown=(shown,))


def _role_words(role: RoleSpec) -> str:
    apart = f", none of them the {role.apart_from}" if role.apart_from is not None else ""
    return f"{role.name}: {'one or more accounts' if role.many else 'one account'}{apart}"


def read_legs(node: Node | None, tools: SectionTools) -> SectionResult:
    """`opening: {account: maker, purpose: open, buys: …, quantity: …, offset: …}` -> LegSpecs and their facts."""
    legs: dict[str, LegSpec] = {}
    names: dict[str, Type] = {}
    if not isinstance(node, Mapped):
        return SectionResult(value=legs, refers={"leg": frozenset()})
    for name in node.entries:
        names.update({f"{name}.{word}": fact.type for word, fact in LEG_FACTS.items()})
    for name, spec in node.entries.items():
        leg = _read_leg(name, spec, tools, names)
        if leg is not None:
            legs[name] = leg
    used = {
        read.removeprefix("settings.")
        for leg in legs.values()
        for expression in (leg.buys, leg.quantity, leg.offset, leg.price)
        if expression is not None
        for read in expression.names
        if read.startswith("settings.")
    }
    shown = Sheet("Legs", tuple(_leg_words(leg) for leg in legs.values()))
    return SectionResult(
        value=legs, names=names, refers={"leg": frozenset(node.entries)}, settings_used=frozenset(used), shown=(shown,)
    )


def _leg_words(leg: LegSpec) -> str:
    away = f", {short(leg.offset)} from the opposite best" if leg.offset is not None else ""
    away += f", at {short(leg.price)} or further" if leg.price is not None else ""
    reduces = ", only ever reducing" if leg.reduces else ""
    side = {"true": "always buys", "false": "always sells"}.get(leg.buys.source, f"buys if {short(leg.buys)}")
    return f"{leg.name}: {leg.role} orders {short(leg.quantity)}{away}{reduces}; {side}"


def _read_leg(name: str, node: Node, tools: SectionTools, facts: Mapping[str, Type]) -> LegSpec | None:
    """`facts` are those of all legs: one may order what another has left."""
    role, purpose = word(node, "account"), word(node, "purpose")
    if not isinstance(node, Mapped) or role is None or purpose is None or purpose.text not in _PURPOSES:
        span = purpose.span if purpose is not None else node.span
        tools.report("H603", span, f"leg {name} needs `account:` and `purpose: open | close | cleanup`")
        return None
    roles = tools.declared("role")
    if role.text not in roles:
        message = (
            f'leg {name} trades on "{role.text}", which is no role of accounts{tools.nearest(role.text, tuple(roles))}'
        )
        tools.report("H608", role.span, message, "name a role that `accounts:` declares")
    values = {key: node.entries[key] for key in ("buys", "quantity") if key in node.entries}
    if len(values) < 2:
        tools.report("H604", node.span, f"leg {name} needs `buys:` (true or false) and `quantity:`")
        return None
    buys = tools.expression(values["buys"], BOOL, facts)
    quantity = tools.expression(values["quantity"], QTY, facts)
    may_lack = {key: node.entries[key] for key in ("offset", "price") if key in node.entries}
    read = {key: tools.expression(value, _LEG_TYPES[key], facts) for key, value in may_lack.items()}
    if buys is None or quantity is None or None in read.values():
        return None
    reduces = word(node, "reduces")
    return LegSpec(
        name=name, role=role.text, purpose=_PURPOSES[purpose.text], buys=buys, quantity=quantity,
        offset=read.get("offset"), price=read.get("price"), reduces=reduces is not None and reduces.text == "true",
    )  # fmt: skip


def read_hedging(node: Node | None, tools: SectionTools) -> SectionResult:
    """`{every fill of: [legs], by: {account: random(takers), order: market}, if refused: [rungs]}` -> HedgeRule.

    `every fill of: ROLE` hedges what an account fills that is only listened to, on the terms of `from` and `within`.
    """
    if not isinstance(node, Mapped):
        return SectionResult(value=None, shown=(UNHEDGED,))
    heard = node.entries.get("every fill of")
    if isinstance(heard, Scalar):
        return read_listening(node, heard, tools)
    for key in ("from", "within", "only record"):
        if key in node.entries:
            tools.report(
                "H611", node.keys[key].span, f"`{key}` is for fills of a role that is only listened to",
                "remove it, or write `every fill of: ROLE`",
            )  # fmt: skip
    by = node.entries.get("by")
    account = word(by, "account") if by is not None else None
    match = BY.fullmatch(account.text) if account is not None else None
    if account is None or match is None:
        span = account.span if account is not None else node.span
        tools.report(
            "H605", span, "hedging needs `by: {account: random(ROLE) or holder_first(ROLE), order: market}`",
            "for example by: {account: random(takers), order: market}",
        )  # fmt: skip
        return SectionResult(value=None)
    order = word(by, "order")
    if order is not None and order.text != "market":
        tools.report("H606", order.span, f'hedges are market orders, not "{order.text}"', "write order: market")
    roles, declared = tools.declared("role"), tools.declared("leg")
    if match[2] not in roles:
        message = f'hedges go to "{match[2]}", which is no role of accounts{tools.nearest(match[2], tuple(roles))}'
        tools.report("H608", account.span, message, "name a role that `accounts:` declares")
    covered = words(node.entries.get("every fill of"))
    for item in covered:
        if item.text not in declared:
            message = f'hedging covers "{item.text}", which is no leg{tools.nearest(item.text, tuple(declared))}'
            tools.report("H609", item.span, message, "name a leg that `legs:` declares")
    left_out = sorted(declared - {item.text for item in covered})
    if left_out:
        message = f"fills of {', '.join(left_out)} would not be hedged, but exposure is one sum over all legs"
        tools.report("H610", node.span, message, "list every leg under `every fill of:`, or declare no hedging")
    ladder = read_ladder(node, tools, tuple(Rung))
    legs = tuple(item.text for item in covered)
    rule = HedgeRule(legs=legs, role=match[2], choose=match[1], ladder=tuple(ladder))
    return SectionResult(value=rule, shown=(_rule_words(rule),))


def _rule_words(rule: HedgeRule) -> Sheet:
    chosen = "a random account" if rule.choose == "random" else "an account that holds the opposite, else any"
    lines = (
        "A standing rule: no state can switch it off.",
        f"Every fill of {', '.join(rule.legs)}, full or partial, is hedged at once by a market order of the opposite "
        f"side and equal quantity on {chosen} of {rule.role}. When it is refused:",
    )
    return Sheet("Hedging", lines, tuple(f"{rung.value}: {RUNG_WORDS[rung]}" for rung in rule.ladder))
