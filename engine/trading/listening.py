"""The `hedging:` section over a source: a role that is only listened to, whose fills are hedged on terms (hedger)."""

from __future__ import annotations

from engine.chart.model import (
    BOOL,
    BPS,
    DURATION,
    MONEY,
    QTY,
    Expression,
    Mapped,
    Scalar,
    SectionResult,
    SectionTools,
    Sheet,
    Type,
)
from engine.trading.events import ORDER_EVENTS
from engine.trading.hedging import HedgeRule, Rung
from engine.trading.section_parts import BY, RUNG_WORDS, read_ladder, short, word
from engine.trading.terms import Terms

_LIMIT_IOC = "limit ioc"
# Where a term stands in `hedging:`, what it is in Terms, and its type.
_TERMS: tuple[tuple[str, str, str, Type], ...] = (
    ("by", "slippage", "slippage", BPS),
    ("from", "quantity", "quantity", QTY),
    ("from", "amount", "amount", MONEY),
    ("from", "or after", "after", DURATION),
    ("within", "band", "band", BPS),
    ("within", "on max age", "on_max_age", Type("choice", ("market", "hold"))),
    ("", "only record", "record_only", BOOL),
)


def read_listening(node: Mapped, heard: Scalar, tools: SectionTools) -> SectionResult:
    """The rule over a source: fills of somebody else's orders, on which nothing is ever ordered or taken back."""
    by = node.entries.get("by")
    account = word(by, "account")
    match = BY.fullmatch(account.text) if account is not None else None
    if account is None or match is None:
        tools.report(
            "H605", account.span if account is not None else node.span,
            "hedging needs `by: {account: random(ROLE) or holder_first(ROLE), order: limit ioc, slippage: …}`",
            "for example by: {account: random(hedgers), order: limit ioc, slippage: settings.slippage}",
        )  # fmt: skip
        return SectionResult(value=None)
    _check_roles(heard, account, match[2], tools)
    terms, used = _read_terms(node, tools)
    _check_order(word(by, "order"), node, terms, tools)
    if (terms.on_max_age is None) != (terms.band is None) or (terms.band is not None and terms.after is None):
        tools.report(
            "H613", node.span, "a band needs the age at which it is left, and what becomes of the hedge then",
            "write `within: {band, on max age}` and `from: {or after}`, all three or none",
        )  # fmt: skip
    ladder = read_ladder(node, tools, (Rung.REDUCE_ELSEWHERE, Rung.NEXT_ELIGIBLE))
    rule = HedgeRule(
        legs=(), role=match[2], choose=match[1], ladder=tuple(ladder), source=heard.text, terms=terms
    )  # fmt: skip
    return SectionResult(value=rule, settings_used=used, shown=(_terms_words(rule, terms),), unheard=ORDER_EVENTS)


def _check_roles(heard: Scalar, account: Scalar, hedgers: str, tools: SectionTools) -> None:
    roles, legs = tools.declared("role"), tools.declared("leg")
    for name, at, what in ((heard.text, heard, "hedging listens to"), (hedgers, account, "hedges go to")):
        if name not in roles:
            message = f'{what} "{name}", which is no role of accounts{tools.nearest(name, tuple(roles))}'
            tools.report("H608", at.span, message, "name a role that `accounts:` declares")
    if hedgers == heard.text:
        message = f"{heard.text} is only listened to, and hedges would go to it"
        tools.report("H612", account.span, message, "name another role")
    if legs:
        message = f"{heard.text} is only listened to, but the flow has legs of its own ({', '.join(sorted(legs))})"
        tools.report("H612", heard.span, message, "remove the legs, or write `every fill of: [LEGS]`")


def _check_order(order: Scalar | None, node: Mapped, terms: Terms, tools: SectionTools) -> None:
    if order is None or order.text not in (_LIMIT_IOC, "market"):
        span = node.span if order is None else order.span
        message = f"hedges of a source are `{_LIMIT_IOC}` or `market` orders"
        tools.report("H606", span, message, f"write order: {_LIMIT_IOC}")
    elif (order.text == _LIMIT_IOC) != (terms.slippage is not None):
        tools.report(
            "H613", order.span, f"`slippage` is how far a {_LIMIT_IOC} order goes beyond the touch, and nothing else",
            "add `slippage: settings.NAME`" if order.text == _LIMIT_IOC else "remove `slippage`",
        )  # fmt: skip


def _read_terms(node: Mapped, tools: SectionTools) -> tuple[Terms, frozenset[str]]:
    """Terms are read from settings alone: no state of the chart has a say in what is hedged (S2)."""
    found: dict[str, Expression] = {}
    for section, key, name, kind in _TERMS:
        place = node.entries.get(section) if section else node
        value = place.entries.get(key) if isinstance(place, Mapped) else None
        if value is None:
            continue
        expression = tools.expression(value, kind, {})
        if expression is None:
            continue
        others = sorted(read for read in expression.names if not read.startswith("settings."))
        if others:
            tools.report(
                "H614", value.span, f"`{key}` reads {', '.join(others)}: terms of hedging are settings alone",
                "write it over `settings.` alone",
            )  # fmt: skip
            continue
        found[name] = expression
    used = {read.removeprefix("settings.") for it in found.values() for read in it.names}
    return Terms(**found), frozenset(used)


def _terms_words(rule: HedgeRule, terms: Terms) -> Sheet:
    least = " and ".join(short(it) for it in (terms.quantity, terms.amount) if it is not None)
    when = f"once {least} are open" if least else "at once"
    when += f", or after {short(terms.after)}" if terms.after is not None else ""
    how = (
        "a market order" if terms.slippage is None else f"a limit IOC, {short(terms.slippage)} beyond the touch at most"
    )
    lines = [
        "A standing rule: no state can switch it off.",
        f"Fills of the {rule.source}, which is only listened to, are netted; what is open is hedged {when}, by {how},"
        f" on {'a random account' if rule.choose == 'random' else 'an account that holds the opposite, else any'}"
        f" of {rule.role}.",
    ]
    if terms.band is not None and terms.on_max_age is not None:
        lines.append(
            f"Never worse than {short(terms.band)} from the average fill of the side that is left; at the age:"
            f" {short(terms.on_max_age)}."
        )
    if terms.record_only is not None:
        lines.append(f"With {short(terms.record_only)} it only records: a person hedges.")
    return Sheet("Hedging", tuple(lines), tuple(f"{rung.value}: {RUNG_WORDS[rung]}" for rung in rule.ladder))
