"""The interview of `eagle init`: each answer is judged at once, by the config that it would make.

Answers from options are judged in the same order as the questions. What is left is asked, or a stand-in is taken.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from shutil import get_terminal_size
from textwrap import wrap

import click

from cli.init_draft import (
    CREDENTIALS,
    NOBODY,
    Answers,
    Draft,
    Wrong,
    asked_settings,
    draft_of,
    filled,
    proposed_place,
)
from cli.init_judge import PAPER_WORDS, Unusable, clashes, cost_lines, judge, judge_midway
from cli.init_text import about_limit, said
from cli.streams import BOLD, RED, paint, write_note
from engine.chart.model import Flow
from engine.chart.units import shown
from engine.runtime.config import roles_of
from engine.runtime.config_fields import GUARD_FIELDS, limit_fields
from engine.trading.plan import is_hedged

REAL_MONEY_LIMITS = ("max_loss_run", "max_loss_day", "max_round_cost")
OPTIONS: Mapping[str, tuple[str, str]] = {
    "venues": ("--venue", "NAME=KIND"),
    "market": ("--market", "NAME"),
    "symbol": ("--symbol", "SYMBOL"),
    "use": ("--use", "NAME@VENUE,..."),
    "owner": ("--owner", "NAME"),
    "balance": ("--balance", "CASH"),
    "dedicated": ("--dedicated", "ACCOUNT"),
    "credential": ("--credential", "file:PATH"),
    "set": ("--set", "VALUE"),
    "limit": ("--limit", "VALUE"),
    "guard": ("--guard", "VALUE"),
    "acknowledge": ("--acknowledge", "WORDS"),
    "call": ("--call", "COMMAND"),
}
_YES_NO = {"y": "true", "yes": "true", "n": "false", "no": "false"}


@dataclass(slots=True)
class Interview:
    """Fills `settled` from `given` options and the person who answers `ask`, if there is one.

    `missing` are the options that nobody may guess and nobody was there to ask for.
    """

    flow: Flow
    file: str
    given: Answers
    ask: Callable[[str], str] | None
    settled: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def hold(self) -> Draft:
        """All questions in their order. Raises: click.UsageError, click.Abort, Unusable if only the whole shows it."""
        self._market()
        self._people()
        self._sizes()
        self._limits()
        self._acknowledge()
        if unused := [key for key in self.given if key not in self.settled]:
            raise click.UsageError(f"{_option(unused[0])}: nothing here is named {unused[0].partition('.')[2]}")
        if self.missing:
            raise click.UsageError(f"not to be guessed, please give: {', '.join(dict.fromkeys(self.missing))}")
        return filled(self._draft, judge(self._draft, self.flow, file=self.file).config, self.flow)

    @property
    def _draft(self) -> Draft:
        return draft_of(self.settled, self.flow)

    # --- what is asked

    def _market(self) -> None:
        self._heading("Market and venues")
        self._tell(f"  Venues are {', '.join(CREDENTIALS)}; paper is simulated here, the others are real.")
        usual = " ".join(f"{venue.name}={venue.kind}" for venue in self._draft.venues)
        self._settle("venues", "venues, each KIND or NAME=KIND", default=usual)
        self._settle("market", "market, by a name of your own", default=self._draft.market, must=self._draft.real)
        for venue in self._draft.venues:
            words = f"its symbol on {venue.name}"
            self._settle(f"symbol.{venue.name}", words, default=venue.symbol, must=venue.real)

    def _people(self) -> None:
        self._heading("Accounts")
        for role, spec in roles_of(self.flow).items():
            draft = self._draft
            venues = {account.name: account.venue for account in draft.accounts}
            usual = " ".join(f"{name}@{venues[name]}" for name in draft.roles[role])
            words = f"{role}, {'accounts' if spec.many else 'one account'} as NAME@VENUE"
            self._settle(f"use.{role}", words, default=usual, must=draft.real)
        self._owners()
        if any(account.balance is not None for account in self._draft.accounts):
            self._settle("balance", "cash of each paper account at the start", default="10000")
        if self._draft.real:
            self._tell("  Secrets are not typed here: say where each is kept: vault:NAME, file:PATH, env:NAME, ...")
        for account in self._draft.accounts:
            if account.balance is None:
                self._real_account(account.name, CREDENTIALS[self._draft.kinds[account.venue]])

    def _owners(self) -> None:
        """One owner for all from an option, or account by account, each proposed as the one before."""
        if "owner" in self.given:
            self._settle("owner", "owner", default="")
        owner = self.given.get("owner", "me")
        for account in self._draft.accounts:
            key = f"owner.{account.name}"
            if key in self.given or "owner" not in self.given:
                words = f"owner of {account.name}, a person or company"
                self._settle(key, words, default=owner, must=self._draft.real)
                owner = self.settled.get(key, owner)

    def _real_account(self, name: str, credentials: Mapping[str, str]) -> None:
        words = f"{name}: may all that it holds be closed in the end"
        self._settle(f"dedicated.{name}", words, default="no", spelled=_YES_NO)
        for credential, source in credentials.items():
            words = f"{name}: {credential} is kept in"
            self._settle(f"credential.{name}.{credential}", words, default=proposed_place(name, credential, source))

    def _sizes(self) -> None:
        self._heading("Sizes and times")
        real = self._draft.real
        if real:
            words = "requests a minute of one account, by your tier at the venue"
            self._settle("limit.orders_per_minute", words, default=self._draft.limits["orders_per_minute"])
        for name, setting in self.flow.settings.items():
            chosen = self._draft.settings.get(name)
            must = setting.default is None and (real or chosen is None)
            if must or chosen is not None or name in asked_settings(self.flow):
                default = "" if must else chosen or self._usual(name)
                self._settle(f"set.{name}", f"{name}: {said(setting.about)}", default=default, must=must)
        self._changes("set", "setting", {name: said(setting.about) for name, setting in self.flow.settings.items()})

    def _limits(self) -> None:
        self._heading("Limits")
        self._tell_cost()
        known_already = self._filled().limits
        hedged = is_hedged(self.flow)
        limits = limit_fields(hedged=hedged)
        known = {limit.key: about_limit("limits", limit.key, hedged=hedged) for limit in limits}
        for limit in limits:
            unknown = limit.key not in known_already
            asked = self._draft.real and limit.key in REAL_MONEY_LIMITS
            if unknown or asked:
                words = f"{limit.key}: {known[limit.key]}{', or none' if limit.optional else ''}"
                self._settle(f"limit.{limit.key}", words, default="", must=unknown or limit.key == "max_loss_run")
        self._list("limit", known)
        self._changes("limit", "limit", known)
        guards = {it.key: about_limit("guards", it.key, hedged=hedged) for it in GUARD_FIELDS}
        self._changes("guard", "market guard", guards)
        if self._draft.real or "call" in self.given:
            words = "a command that calls you when a person is needed, such as notify-send eagle"
            self._settle("call", words, default=NOBODY)

    def _acknowledge(self) -> None:
        """S20: asked for only where the loader asks for it."""
        for venue in self._draft.venues:
            key = f"acknowledge.{venue.name}"
            found = clashes(self._draft, self.flow, file=self.file)
            settled = draft_of({**self.settled, key: PAPER_WORDS}, self.flow)
            if len(clashes(settled, self.flow, file=self.file)) < len(found):
                self._tell(f"  {found[0]}. Even without a direct match")
                self._tell("  that can breach a venue's terms or the law, so the config needs words of yours.")
                default = "" if venue.real else PAPER_WORDS
                self._settle(key, f"why it is allowed on {venue.name}", default=default, must=venue.real)
                self.settled.setdefault(key, PAPER_WORDS)

    # --- one answer

    def _settle(
        self, key: str, words: str, *, default: str, must: bool = False, spelled: Mapping[str, str] | None = None
    ) -> None:
        """From the options, from the person (again until it is right), or by a stand-in unless nobody may guess it."""
        if key in self.given:
            problem = self._problem(key, self.given[key])
            if problem is not None:
                raise click.UsageError(f"{_option(key)}: {problem}")
            self.settled[key] = self.given[key]
        elif self.ask is None:
            self.missing += [_usage(key)] if must else []
        while self.ask is not None and key not in self.settled:
            typed = self.ask(f"  {words}{f' [{default}]' if default else ''}: ") or default
            self._try(key, (spelled or {}).get(typed.lower(), typed))

    def _changes(self, prefix: str, what: str, known: Mapping[str, str]) -> None:
        """Values by name, as many as are wanted."""
        for key in [key for key in self.given if key.startswith(f"{prefix}.") and key not in self.settled]:
            self._settle(key, what, default="")
        while self.ask is not None:
            typed = self.ask(f"  another {what}, NAME VALUE (? lists them, Enter goes on): ")
            if not typed:
                return
            if typed == "?":
                self._list(prefix, known)
            else:
                name, _, value = typed.replace("=", " ", 1).partition(" ")
                self._try(f"{prefix}.{name}", value.strip())

    def _try(self, key: str, text: str) -> None:
        problem = self._problem(key, text) if text else "expected a value"
        if problem is None:
            self.settled[key] = text
            if key == "limit.max_round_cost":
                self._tell_cost()
        else:
            write_note(f"  {paint(problem, RED, stream=sys.stderr)}")

    def _problem(self, key: str, text: str) -> str | None:
        """What is wrong with an answer, given those before it; None if nothing is."""
        try:
            judge_midway(draft_of({**self.settled, key: text}, self.flow), self.flow, file=self.file)
        except Wrong as wrong:
            return str(wrong)
        except Unusable as wrong:
            return str(wrong) or None
        return None

    # --- what is told

    def _filled(self) -> Draft:
        """With the defaults of everything, as far as a config without the rest has them."""
        try:
            judged = judge_midway(self._draft, self.flow, file=self.file)
        except Unusable:
            return self._draft
        return filled(self._draft, judged.config, self.flow)

    def _tell_cost(self) -> None:
        if self.ask is None:
            return
        try:
            for line in cost_lines(judge_midway(self._draft, self.flow, file=self.file)):
                self._tell(f"  {line}")
        except Unusable:  # an answer is still to come
            return

    def _usual(self, name: str) -> str:
        """The flow's own value of a setting that nobody chose."""
        setting = self.flow.settings.get(name)
        return "" if setting is None or setting.default is None else shown(setting.default, setting.type)

    def _list(self, prefix: str, known: Mapping[str, str]) -> None:
        if self.ask is None:
            return
        draft = self._filled()
        values = {"set": draft.settings, "limit": draft.limits, "guard": draft.guards}[prefix]
        width = max(get_terminal_size().columns - 44, 20)
        for name, about in known.items():
            value = values.get(name) or self._usual(name)
            first, *more = wrap(about, width) or [""]
            self._tell("\n".join([f"    {name:<26}{value:<13} {first}".rstrip(), *(f"{'':44}{line}" for line in more)]))

    def _heading(self, text: str) -> None:
        self._tell(f"\n{paint(text, BOLD, stream=sys.stderr)}")

    def _tell(self, text: str) -> None:
        if self.ask is not None:
            write_note(text)


def _option(key: str) -> str:
    return OPTIONS[key.partition(".")[0]][0]


def _usage(key: str) -> str:
    """How the option for a key is written: `--limit max_loss_run=VALUE`."""
    prefix, dot, name = key.partition(".")
    option, value = OPTIONS[prefix]
    return f"{option} {value}" if not dot or prefix == "owner" else f"{option} {name}={value}"
