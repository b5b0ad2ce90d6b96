"""A trace in words: who did what, what the desk answered, where the chart stood. For a table and a sequence diagram."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from engine.trading.effects import Purpose
from engine.verify.proof import Shown, World
from engine.verify.situation import Action, State, Step, VenueOrder
from engine.verify.stepper import Ask, Cancel, Count, Done, End, Hop, Place, Told

ENGINE, CLOCK, PERSON, MARKET = "engine", "clock", "person", "market"


class Message(NamedTuple):
    """One arrow; to itself for what happens inside."""

    source: str
    target: str
    text: str


class Scene(NamedTuple):
    """One action of a trace and all that the desk did about it; `open_now` is what is open in truth, signed."""

    number: int
    happened: Message
    fault: bool
    answers: tuple[Message, ...]
    leaf: str
    open_now: int


def scenes_of(world: World, shown: Shown) -> list[Scene]:
    """The trace of a broken rule."""
    scenes = []
    state = world.first()
    for number, (action, target) in enumerate(shown.trace, start=1):
        steps = world.venues.steps(state, faults=True)
        step = next(it for it in steps if it.action == action and _same(shown, number, it, target))
        scenes.append(
            Scene(
                number, _happened(world, action, state), bool(action.fault), tuple(_answers(step.done)),
                world.leaf(step.state), sum(step.state.truth),
            )
        )  # fmt: skip
        state = step.state
    return scenes


def _same(shown: Shown, number: int, step: Step, target: State) -> bool:
    """The last action of a trace may be one that broke a rule by itself: its end is not among the states."""
    return step.state == target or (number == len(shown.trace) and shown.rule.name in step.broke)


def table(scenes: Sequence[Scene]) -> Iterator[str]:
    """Aligned lines: number, who, what; below each what the desk did, and where it stands."""
    width = max((len(it.happened.source) for it in scenes), default=0)
    for it in scenes:
        mark = "!" if it.fault else " "
        yield f"{it.number:>3} {mark} {it.happened.source:<{width}}  {it.happened.text}"
        for answer in it.answers:
            to = "" if answer.target == ENGINE else f" -> {answer.target}"
            yield f"      {'':<{width}}  {ENGINE}{to}: {answer.text}"
        yield f"      {'':<{width}}  = {it.leaf}, open {it.open_now:+d}"


def mermaid(scenes: Sequence[Scene], *, title: str, accounts: Sequence[str]) -> str:
    """A sequence diagram: the venues of the accounts, the engine, and who else acts."""
    others = [name for name in (MARKET, CLOCK, PERSON) if any(it.happened.source == name for it in scenes)]
    lines = ["---", f"title: {title}", "---", "sequenceDiagram"]
    lines += [f"    participant {name}" for name in (*accounts, ENGINE, *others)]
    leaf = ""
    for it in scenes:
        cross = "--x" if it.fault and it.happened.source != CLOCK else "->>"
        lines.append(f"    {it.happened.source}{cross}{it.happened.target}: {it.number} {_plain(it.happened.text)}")
        lines += [f"    {a.source}->>{a.target}: {_plain(a.text)}" for a in it.answers]
        if it.leaf != leaf:
            leaf = it.leaf
            lines.append(f"    Note over {ENGINE}: {leaf}, open {it.open_now:+d}")
    return "\n".join(lines)


def _plain(text: str) -> str:
    return text.replace(";", ",").replace("#", "no. ")


def _happened(world: World, action: Action, before: State) -> Message:
    account = world.names[action.account] if action.account >= 0 else ""
    order = before.orders[action.place - 1] if 0 < action.place <= len(before.orders) else None
    what = f"#{action.place} {_order(order)}" if order is not None else ""
    detail = f" ({action.detail})" if action.detail else ""
    match action.kind:
        case "timer":
            return Message(CLOCK, ENGINE, action.detail + (" before what is under way" if action.fault else ""))
        case "stop asked":
            return Message(PERSON, ENGINE, "stop" if action.qty == 1 else "stop now")
        case "market closes" | "market opens":
            return Message(MARKET, ENGINE, action.kind)
        case "positions read" | "reading fails":
            return Message(world.names[0], ENGINE, f"{action.kind}{detail}")
        case "liquidated":
            return Message(account, ENGINE, f"liquidated: {action.qty:+d}")
        case "taken" | "filled" | "frame arrives":
            return Message(account, ENGINE, f"{action.kind} {action.qty} of {what}{detail}")
    return Message(account or MARKET, ENGINE, f"{action.kind} {what}{detail}".strip())


def _order(order: VenueOrder) -> str:
    side = "buy" if order.sign > 0 else "sell"
    return f"{side} {order.qty} {'resting' if order.rests else 'market'}"


def _answers(done: Sequence[Done]) -> Iterator[Message]:
    for effect in done:
        match effect:
            case Place(account, sign, qty, purpose, rests, _):
                side = "buy" if sign > 0 else "sell"
                yield Message(ENGINE, account, f"{_purpose(purpose)}: {side} {qty} {'resting' if rests else 'market'}")
            case Cancel(place):
                yield Message(ENGINE, ENGINE, f"cancel #{place}")
            case Ask(place, _):
                yield Message(ENGINE, ENGINE, f"ask about #{place}")
            case Count():
                yield Message(ENGINE, ENGINE, "read positions")
            case Hop(source, target, event) if target is not None:
                yield Message(ENGINE, ENGINE, f"{source} -> {target} on {event or 'facts'}")
            case Told(code) if code not in ("round_cost", "note"):
                yield Message(ENGINE, ENGINE, f"alert {code}")
            case End(exit_code):
                yield Message(ENGINE, ENGINE, f"finish, exit code {exit_code}")
            case _:
                pass


def _purpose(purpose: Purpose) -> str:
    return purpose.value
