"""The commented YAML of a draft; comments are what the flow, the schema and the limits' table say of each key."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from textwrap import wrap
from typing import Any

from cli.init_draft import AccountDraft, Draft, multiple_of
from engine.chart.model import Flow
from engine.chart.structure import shipped_schema
from engine.runtime.config import roles_of
from engine.trading.plan import is_hedged

COLUMN = 32  # where comments begin, as in docs/examples
WIDTH = 120

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./@+-]*(?: [A-Za-z0-9_./@+-]+)*")
_SOURCE = re.compile(r" \([A-Z]\d+(, [A-Z]\d+)*\)$")  # where a rule comes from: of no use to somebody who fills it in


def config_text(draft: Draft, flow: Flow, *, file: str) -> str:
    """The whole file; equal drafts give equal texts."""
    return "\n".join([*_head(draft, file), *_where(draft), *_who(draft, flow), *_how(draft, flow)]) + "\n"


def scalar(text: str) -> str:
    """A text as YAML: plain where nobody can misread it, else in double quotes."""
    if _PLAIN.fullmatch(text):
        return text
    marks = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(marks.get(sign) or _escaped(sign) for sign in text) + '"'


def _escaped(sign: str) -> str:
    """Line ends of other alphabets would be folded, and controls are refused; halves of a pair are left to be found."""
    if sign.isprintable() or "\ud800" <= sign <= "\udfff":
        return sign
    return f"\\U{ord(sign):08x}"


def _row(key: str, value: str, about: str = "", *, indent: int = 0) -> str:
    """A key and its value, the comment beside it and, where it is long, below itself."""
    left = f"{' ' * indent}{key}: {value}".rstrip()
    column = max(COLUMN, len(left) + 2)
    words = wrap(about, max(WIDTH - column - 2, 30))
    lines = [f"{left:<{column}}# {words[0]}" if words else left]
    return "\n".join([*lines, *(f"{'':{column}}# {more}" for more in words[1:])])


def _head(draft: Draft, file: str) -> Iterator[str]:
    name = shlex.quote(file) if file.isprintable() else "FILE"
    live = " --live" if draft.real else ""
    yield f"# {draft.flow if draft.flow.isprintable() else 'A flow'} on {draft.market}, written by `eagle init`."
    yield "#"
    yield f"#   eagle validate {name}"
    yield f"#   eagle run --config {name}{live}"
    yield "#"
    yield "# Every value carries its unit: 250ms, 3s, 1m30s, 1000..3000ms, 50bps, 0.05%, 2 ticks. Prices, quantities"
    yield "# and money are plain decimals. What else a config may say is told in docs/settings.md of eagle-flow."
    if draft.real:
        yield "#"
        yield "# Secrets are not in this file: each reference names a file that holds one secret and nothing else"
        yield "# (readable by you alone), or an environment variable. No .env file is ever read."
    yield ""


def _where(draft: Draft) -> Iterator[str]:
    yield _row("version", "1")
    yield _row("flow", scalar(draft.flow), "the strategy: a path, or the name of a shipped flow")
    yield ""
    yield _row("market", scalar(draft.market), "our own name of the market")
    yield _row("markets", "", "what each venue calls it")
    symbols = ", ".join(f"{scalar(venue.name)}: {scalar(venue.symbol)}" for venue in draft.venues)
    yield f"  {scalar(draft.market)}: {{{symbols}}}"
    yield ""
    yield "venues:"
    for number, venue in enumerate(draft.venues):
        known = any(venue.kind == other.kind for other in draft.venues[:number])
        about = "real money" if venue.real else "simulated in this program, on a made-up market; no money"
        yield _row(scalar(venue.name), f"{{kind: {scalar(venue.kind)}}}", "" if known else about, indent=2)
    yield ""


def _who(draft: Draft, flow: Flow) -> Iterator[str]:
    yield _row("accounts", "", "the pool; dedicated: all that it holds is this program's, to be flattened in the end")
    for account in draft.accounts:
        yield from _account(account)
    yield ""
    yield _row("use", "", "who plays which role of the flow")
    for role, names in draft.roles.items():
        many = roles_of(flow)[role].many
        listed = f"[{', '.join(map(scalar, names))}]" if many else scalar(names[0])
        yield _row(role, listed, indent=2)
    if draft.acknowledged:
        yield ""
        yield _row("acknowledge", "", "risks that a person has read and takes")
        yield "  same_owner_same_market:"
        yield from (_row(scalar(venue), scalar(words), indent=4) for venue, words in draft.acknowledged.items())
    yield ""


def _account(account: AccountDraft) -> Iterator[str]:
    facts = [("name", account.name), ("venue", account.venue), ("owner", account.owner)]
    facts += [("dedicated", account.dedicated)]
    facts += [] if account.balance is None else [("balance", account.balance)]
    if not account.credentials:
        yield f"  - {{{', '.join(f'{key}: {scalar(text)}' for key, text in facts)}}}"
        return
    for number, (key, text) in enumerate(facts):
        yield f"  {'- ' if number == 0 else '  '}{key}: {scalar(text)}"
    yield "    credentials:"
    for name, (source, place) in account.credentials.items():
        yield f"      {name}: {{secret: {json.dumps(f'{source}:{place}', ensure_ascii=False)}}}"


def _how(draft: Draft, flow: Flow) -> Iterator[str]:
    yield _row("settings", "", f"of the flow; it has {len(flow.settings)}, each explained in its file")
    for name, value in draft.settings.items():
        about = flow.settings[name].about if name in flow.settings else ""
        yield _row(scalar(name), scalar(value), said(about), indent=2)
    yield from _sections(draft, hedged=is_hedged(flow))


def _sections(draft: Draft, *, hedged: bool) -> Iterator[str]:
    for section, values in (("limits", draft.limits), ("guards", draft.guards)):
        if values:
            yield ""
            yield _row(section, "", said(_described(section)))
            for name, value in values.items():
                yield _row(scalar(name), scalar(value), about_limit(section, name, hedged=hedged), indent=2)
    if draft.call:
        yield ""
        yield _row("alerts", "", "who is called when a person is needed; try it: eagle alert test")
        yield f"  command: [{', '.join(map(scalar, draft.call))}]"


def about_limit(section: str, name: str, *, hedged: bool) -> str:
    """What a limit or guard means, in the schema's words; for a size also the multiple that it was made from."""
    words = said(_described(section, name).split("; ")[0])
    multiple = multiple_of(name, hedged=hedged)
    return f"{words}; {multiple} unless set" if multiple else words


def said(about: str) -> str:
    return _SOURCE.sub("", about)


def _described(section: str, name: str = "") -> str:
    schema: Mapping[str, Any] = shipped_schema("config.schema.json")["properties"][section]
    if name:
        schema = schema["properties"].get(name, {})
    return str(schema.get("description", ""))
