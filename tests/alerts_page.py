"""docs/alerts.md: every alert, its level and what a person should do, from `engine.trading.alert_codes`."""

from __future__ import annotations

from page_kit import MADE, code, table

from engine.trading.alert_codes import ALERT_CODES, AlertCode
from engine.trading.effects import Level

HEAD = f"""\
# Alerts

What the program tells of its own accord. {MADE}

Every alert is shown on the screen and stands in the journal's table `alerts`; those of level warning and above are in
`errors.log` too. `alerts:` in the config says who is called besides, and from which level on
([settings.md](settings.md#alerts)): a command, which gets the alert as one line of JSON on its stdin, and apprise URLs.
The text, the facts and the advice below go along. `eagle alert test --config FILE` calls once on every channel.

- The first alert of a code (and account) calls at once. What follows within `repeat` is counted; when it is over the
  newest calls, with the count. More than `per_minute` calls wait; the last tenths of them are kept for level person.
- A command that takes longer than `timeout` is killed with its children. A URL is tried four times, with pauses of 2,
  10 and 30 s; then `alert_undelivered` is told. Neither is ever waited for by a hedge.
- When the run is over, calls on their way get 10 s more.
- In virtual time (`--speed max`) nobody is called.
"""
LEVELS = {
    Level.PERSON: ("Somebody must act", "Level `person`."),
    Level.WARNING: ("Worth knowing", "Level `warning`."),
    Level.INFO: ("Told beside the rest", "Level `info`."),
}


def page() -> str:
    lines = [HEAD]
    for level, (title, about) in LEVELS.items():
        rows = [_row(name, it) for name, it in ALERT_CODES.items() if it.level is level]
        lines += [f"## {title}", "", about, "", *table(["code", "when", "what to do"], rows)]
    return "\n".join(lines).rstrip() + "\n"


def _row(name: str, it: AlertCode) -> list[str]:
    return [code(name), it.when, it.advice]
