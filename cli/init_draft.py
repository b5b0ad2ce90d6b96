"""From answers to a config: what was said, stand-ins for the rest, and the commented text of both.

Answers are flat texts by key (`market`, `symbol.backpack`, `use.takers`, `limit.max_order`), so that options and
questions fill the same thing. No rule of a config stands here: its text is judged by the loader, as `eagle run` does.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from engine.chart.model import Flow
from engine.chart.units import shown
from engine.runtime.config import Config, roles_of
from engine.runtime.config_fields import GUARD_FIELDS, OFF, TIMES_QUANTITY, Field, limit_fields
from engine.runtime.config_values import PAPER
from engine.runtime.credentials import parse_reference
from engine.trading.plan import RoleSpec, is_hedged

Answers = Mapping[str, str]

# What the venues ask for, and where a secret of that name is proposed to be kept.
CREDENTIALS: Mapping[str, Mapping[str, str]] = {
    PAPER: {},
    "backpack": {"api_key": "file", "api_secret": "file"},
    "lighter": {"account_index": "env", "api_key_index": "env", "private_key": "file"},
    "okx": {"api_key": "file", "api_secret": "file", "passphrase": "file"},
    "binance": {"api_key": "file", "api_secret": "file"},
}
NOBODY = "none"
# Few requests: the standard tier of some venues allows 60 a minute.
REAL_SETTINGS = {"order_timeout": "10s", "hold": "5s..15s"}
REAL_LIMITS = {"orders_per_minute": "60"}

_NO_SYMBOL = re.compile(r"^[^A-Za-z0-9]+|[^A-Za-z0-9_./:-]")
_SEPARATOR = re.compile(r"[\s,]+")
_LOOKS_SECRET = re.compile(r"[A-Za-z0-9+/=]{32,}")
_DEMO_NAMES = {"maker": "hawk", "takers": "chick"}


class Wrong(ValueError):
    """An answer that cannot be made into a config; its text says what is expected."""


@dataclass(frozen=True, slots=True)
class VenueDraft:
    name: str
    kind: str
    symbol: str

    @property
    def real(self) -> bool:
        return self.kind != PAPER


@dataclass(frozen=True, slots=True)
class AccountDraft:
    name: str
    venue: str
    owner: str
    dedicated: str
    balance: str | None
    credentials: Mapping[str, tuple[str, str]]  # name -> source, place


@dataclass(frozen=True, slots=True)
class Draft:
    """A whole config, every value as it will be written."""

    flow: str
    market: str
    venues: tuple[VenueDraft, ...]
    accounts: tuple[AccountDraft, ...]
    roles: Mapping[str, tuple[str, ...]]
    settings: Mapping[str, str]
    limits: Mapping[str, str]
    guards: Mapping[str, str]
    acknowledged: Mapping[str, str]
    call: tuple[str, ...]  # the command that calls a person; empty for none

    @property
    def real(self) -> bool:
        """Real money: an account of the pool is on a venue that is not paper."""
        real = {venue.name for venue in self.venues if venue.real}
        return any(account.venue in real for account in self.accounts)

    @property
    def kinds(self) -> Mapping[str, str]:
        return {venue.name: venue.kind for venue in self.venues}


def draft_of(answers: Answers, flow: Flow) -> Draft:
    """What was answered, and stand-ins for the rest. Raises: Wrong."""
    market = answers.get("market", "ETH-PERP")
    specs = roles_of(flow)
    several = any(spec.many for spec in specs.values())
    venues = _venues(answers, market, usual="paper-a=paper paper-b=paper" if several else "paper-a=paper")
    roles = _roles(answers, specs, venues)
    accounts = tuple(_account(name, venue, answers, venues) for name, venue in dict.fromkeys(sum(roles.values(), ())))
    draft = Draft(
        flow=answers.get("flow", flow.name),
        market=market,
        venues=venues,
        accounts=accounts,
        roles={role: tuple(name for name, _ in members) for role, members in roles.items()},
        settings={},
        limits=_part(answers, "limit"),
        guards=_part(answers, "guard"),
        acknowledged=_part(answers, "acknowledge"),
        call=_command(answers.get("call", NOBODY)),
    )
    settings = {
        name: shown(setting.example, setting.type)
        for name, setting in flow.settings.items()
        if setting.example is not None and (setting.required or not draft.real)
    }
    if draft.real:
        settings |= {name: value for name, value in REAL_SETTINGS.items() if name in flow.settings}
    limits = {**(REAL_LIMITS if draft.real else {}), **draft.limits}
    return replace(draft, settings={**settings, **_part(answers, "set")}, limits=limits)


def filled(draft: Draft, config: Config, flow: Flow) -> Draft:
    """The draft with the defaults written out: the settings most people look for, all limits and guards."""
    wanted = asked_settings(flow)
    wanted += [name for name in draft.settings if name not in wanted]
    return replace(
        draft,
        settings={
            name: draft.settings.get(name, shown(config.settings[name], flow.settings[name].type)) for name in wanted
        },
        limits=_filled(limit_fields(hedged=is_hedged(flow)), draft.limits, config.limits),
        guards=_filled(GUARD_FIELDS, draft.guards, config.guards),
    )


def asked_settings(flow: Flow) -> list[str]:
    """The settings that a person is asked for one by one: those that the flow gives an example of."""
    return [name for name, setting in flow.settings.items() if setting.example is not None]


def _filled(fields: tuple[Field, ...], given: Mapping[str, str], values: object) -> dict[str, str]:
    return {field.key: given.get(field.key, _written(getattr(values, field.into), field)) for field in fields}


def _written(value: object, field: Field) -> str:
    if isinstance(value, Decimal):
        value = value.normalize()
    return OFF if value is None else shown(value, field.type)


def multiple_of(key: str, *, hedged: bool) -> str:
    """`5 x quantity` for a limit whose default is one, else nothing."""
    default = next((field.default for field in limit_fields(hedged=hedged) if field.key == key), "")
    return default if default.endswith(TIMES_QUANTITY) else ""


# --- parts


def _part(answers: Answers, prefix: str) -> dict[str, str]:
    return {key.partition(".")[2]: text for key, text in answers.items() if key.startswith(f"{prefix}.")}


def _words(text: str) -> list[str]:
    return [word for word in _SEPARATOR.split(text) if word]


def _venues(answers: Answers, market: str, *, usual: str) -> tuple[VenueDraft, ...]:
    kinds: dict[str, str] = {}
    for word in _words(answers.get("venues", usual)):
        name, _, kind = word.partition("=")
        kind = kind or name
        if kind not in CREDENTIALS:
            raise Wrong(f"{kind} is no kind of venue known here, expected {', '.join(CREDENTIALS)}; others by hand")
        if name in kinds:
            raise Wrong(f"venue {name} stands twice; a second one of its kind needs a name: {name}-b={kind}")
        kinds[name] = kind
    if not kinds:
        raise Wrong("expected at least one venue, such as paper, or NAME=KIND")
    return tuple(
        VenueDraft(name, kind, answers.get(f"symbol.{name}", _proposed_symbol(kind, market)))
        for name, kind in kinds.items()
    )


def _command(text: str) -> tuple[str, ...]:
    try:
        return () if text == NOBODY else tuple(shlex.split(text))
    except ValueError as wrong:
        raise Wrong(f"a command, as a shell would read it, or {NOBODY}: {wrong}") from wrong


def _proposed_symbol(kind: str, market: str) -> str:
    """A paper venue takes any name, so that it takes ours; on a real one it is a guess to be looked at."""
    plain = _NO_SYMBOL.sub("", market) or "MARKET"
    base = plain.partition("-")[0]
    proposed = {
        "backpack": f"{base}_USDC_PERP", "lighter": base, "okx": f"{base}-USDT-SWAP", "binance": f"{base}USDT",
    }  # fmt: skip
    return proposed.get(kind, plain)


def _roles(
    answers: Answers, specs: Mapping[str, RoleSpec], venues: tuple[VenueDraft, ...]
) -> dict[str, tuple[tuple[str, str], ...]]:
    """Role -> (account, venue) of its members; stand-ins keep clear of names that were given to others."""
    usual = {name: venues[-1 if spec.many else 0].name for name, spec in specs.items()}
    roles: dict[str, tuple[tuple[str, str], ...]] = {}
    taken: dict[str, str] = {}  # account -> venue
    for role in specs:
        if f"use.{role}" in answers:
            for word in _words(answers[f"use.{role}"]):
                member = _member(word, taken, usual[role])
                taken.update([member])
                roles[role] = (*roles.get(role, ()), member)
            roles.setdefault(role, ())
    for role, spec in specs.items():
        if role not in roles:
            stem = _DEMO_NAMES.get(role, role)
            names = (stem if number == 0 else f"{stem}-{number}" for number in range(1 if spec.many else 0, 1_000))
            free = [name for name, _ in zip((name for name in names if name not in taken), range(3), strict=False)]
            roles[role] = tuple((name, usual[role]) for name in (free if spec.many else free[:1]))
            taken.update(roles[role])
        elif len(roles[role]) != 1 and not spec.many:
            raise Wrong(f"role {role} takes one account, found {len(roles[role])}")
        elif not roles[role]:
            raise Wrong(f"role {role} needs at least one account")
    return {role: roles[role] for role in specs}


def _member(word: str, taken: Mapping[str, str], usual: str) -> tuple[str, str]:
    """An account that was named before is where it was; a new one is on the role's usual venue."""
    name, at, place = word.partition("@")
    if not name or (at and not place):
        raise Wrong(f"expected NAME or NAME@VENUE, found {word}")
    venue = place or taken.get(name, usual)
    if taken.get(name, venue) != venue:
        raise Wrong(f"account {name} is on {taken[name]} already; another one on {venue} needs another name")
    return name, venue


def _account(name: str, venue_name: str, answers: Answers, venues: tuple[VenueDraft, ...]) -> AccountDraft:
    kind = next((venue.kind for venue in venues if venue.name == venue_name), PAPER)
    return AccountDraft(
        name,
        venue_name,
        owner=answers.get(f"owner.{name}", answers.get("owner", "me")),
        dedicated=answers.get(f"dedicated.{name}", "true" if kind == PAPER else "false"),
        balance=answers.get("balance", "10000") if kind == PAPER else None,
        credentials={
            credential: _reference(answers.get(f"credential.{name}.{credential}", proposed_place(name, credential, at)))
            for credential, at in CREDENTIALS[kind].items()
        },
    )


def proposed_place(account: str, credential: str, source: str) -> str:
    if source == "env":
        return "env:" + re.sub(r"\W", "_", f"{account}_{credential}", flags=re.ASCII).upper()
    return f"file:keys/{account}_{credential}"


def _reference(text: str) -> tuple[str, str]:
    """`vault:NAME`, `file:PATH` and the like; anything else may be a secret, and is not repeated."""
    try:
        found = parse_reference(text)
    except ValueError:
        found = None
    if found is None or _LOOKS_SECRET.fullmatch(found.name):
        raise Wrong(
            "expected vault:NAME, file:PATH, cmd:PROGRAM, env:NAME or keyring:SERVICE/USER, where the secret is kept;"
            " it is never typed here. If you just typed one, change it at the venue"
        )
    return found.source, found.name
