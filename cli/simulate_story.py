"""A broken simulated run for a person: its last messages as a sequence diagram, its last journal rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.review.words import event_text, given_text
from engine.runtime.journal_read import open_journal
from engine.trading.effects import Alert, AskOrder, AskPositions, CancelOrder, Effect, Finish, Moved, PlaceOrder
from engine.trading.inputs import Input, TimerFired
from exchanges.types import Fill

ENGINE, CLOCK = "engine", "clock"
MESSAGES = 60  # of a diagram: what led to the first thing that broke
ROWS = 50
WIDEST = 160  # characters of a journal row


@dataclass(frozen=True, slots=True)
class Message:
    at_ns: int
    source: str
    target: str
    text: str
    fault: bool = False


class Story:
    """Takes in a run and keeps its newest messages, until something breaks."""

    def __init__(self) -> None:
        self.messages: deque[Message] = deque(maxlen=MESSAGES)
        self.over = False

    def add(self, at_ns: int, source: str, target: str, text: str, *, fault: bool = False) -> None:
        if not self.over:
            self.messages.append(Message(at_ns, source, target, text, fault))

    def stepped(self, seq: int, at_ns: int, given: Input, effects: list[Effect]) -> None:
        source = CLOCK if isinstance(given, TimerFired) else getattr(given, "account", "") or ENGINE
        done = [told for effect in effects if (told := _deed(effect))]
        if done or isinstance(given, Fill):
            self.add(at_ns, source, ENGINE, given_text(given))
            for target, text in done:
                self.add(at_ns, ENGINE, target, text)

    def executed(self, at_ns: int, venue: str, fill: Fill) -> None:
        """At the venue, whether it is told or not."""
        text = f"executes {fill.side.value} {fill.qty} of {fill.client_id or 'no order of ours'}"
        self.add(at_ns, fill.account, fill.account, f"{venue} {text}")

    def faulted(self, at_ns: int, venue: str, account: str, fault: str) -> None:
        self.add(at_ns, account or ENGINE, account or ENGINE, f"{venue}: {fault}", fault=True)

    def diagram(self, *, title: str) -> str:
        """Mermaid, as `eagle prove` draws a broken rule."""
        names = dict.fromkeys(name for it in self.messages for name in (it.source, it.target))
        lines = ["---", f"title: {title}", "---", "sequenceDiagram"]
        lines += [f"    participant {_name(name)}" for name in names]
        for it in self.messages:
            arrow = "--x" if it.fault else "->>"
            lines.append(f"    {_name(it.source)}{arrow}{_name(it.target)}: {_seconds(it.at_ns)} {_plain(it.text)}")
        return "\n".join(lines)


def last_rows(path: Path) -> list[str]:
    """The journal's newest inputs and alerts, oldest first."""
    with open_journal(path) as journal:
        sql = "SELECT seq, at_ns, kind, body FROM inputs ORDER BY seq DESC LIMIT ?"
        inputs = [(at_ns, f"{seq} {kind} {body}") for seq, at_ns, kind, body in journal.execute(sql, (ROWS,))]
        told = "SELECT at_ns, code, text FROM alerts ORDER BY id DESC LIMIT ?"
        alerts = [(at_ns, f"alert {code}: {text}") for at_ns, code, text in journal.execute(told, (ROWS,))]
    rows = sorted(inputs + alerts)[-ROWS:]
    return [f"{_seconds(at_ns)}  {text[:WIDEST]}" for at_ns, text in rows]


def _deed(effect: Effect) -> tuple[str, str] | None:
    match effect:
        case PlaceOrder(request=it):
            price = "at market" if it.price is None else f"at {it.price}"
            return it.account, f"{effect.purpose.value} {it.client_id}: {it.side.value} {it.qty} {price}"
        case CancelOrder():
            return effect.account, f"cancel {effect.client_id}"
        case AskOrder():
            return effect.account, f"ask about {effect.client_id}"
        case AskPositions():
            return ENGINE, f"read positions of {', '.join(effect.accounts)}"
        case Moved(target=str() as target):
            return ENGINE, f"{effect.source} to {target} on {event_text(effect.event)}"
        case Alert():
            return ENGINE, f"alert {effect.code}"
        case Finish():
            return ENGINE, f"finish: {effect.text}"
        case _:
            return None


def _seconds(at_ns: int) -> str:
    return f"{at_ns / 1_000_000_000:.3f}"


def _name(text: str) -> str:
    return text.replace("-", "_")


def _plain(text: str) -> str:
    return text.replace(";", ",").replace("#", "no. ").replace("->", "to")


def indented(lines: list[str]) -> Iterator[str]:
    yield from (f"    {line}" for line in lines)
