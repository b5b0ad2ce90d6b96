"""A trace as a script that a run can be led through: the k-th order instead of a place, draws in their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from engine.chart.model import Finding, FlowError, Listing, Mapped, Node, Scalar, Severity
from engine.chart.structure import schema_findings, shipped_schema
from engine.chart.yaml_nodes import read_nodes
from engine.trading.orders import COVERING
from engine.verify.bounds import Bounds
from engine.verify.proof import Shown, World
from engine.verify.situation import State
from engine.verify.stepper import Place


class Line(NamedTuple):
    """One thing that happens, and where the chart then stands. `order`: the k-th order of the run, 0 for none."""

    do: str
    order: int
    account: str
    qty: int
    detail: str
    state: str


@dataclass(frozen=True, slots=True)
class Script:
    """`open_at_end` is what the venues' positions add up to then; `draws` are the desk's choices in their order."""

    name: str
    flow: str
    because: str
    bounds: Bounds
    draws: tuple[int, ...]
    lines: tuple[Line, ...]
    open_at_end: int
    counted_at_end: int  # what the desk holds that to be
    covered_at_end: int  # what its orders in flight may still take off, signed


def script_of(world: World, shown: Shown) -> Script:
    """The trace of a broken rule."""
    state = world.first()
    numbers = list(range(1, len(state.orders) + 1))  # of the orders in the table, by place
    made = len(numbers)
    draws: list[int] = []
    lines = []
    for number, (action, target) in enumerate(shown.trace, start=1):
        last = number == len(shown.trace)
        step = next(
            it
            for it in world.venues.steps(state, faults=True)
            if it.action == action and (it.state == target or (last and shown.rule.name in it.broke))
        )
        order = numbers[action.place - 1] if action.place else 0
        account = world.names[action.account] if action.account >= 0 else ""
        lines.append(Line(action.kind, order, account, action.qty, action.detail, world.leaf(step.state)))
        draws += step.draws
        for _ in (it for it in step.done if type(it) is Place):
            made += 1
            numbers.append(made)
        for what, place in step.cleared:
            if what == "forget":
                del numbers[place - 1]
        state = step.state
    return Script(
        shown.rule.name, world.flow.name, f"{shown.rule.name}: {shown.why or 'broken by the last step'}", world.bounds,
        tuple(draws), tuple(lines), sum(state.truth), world.stepper.keys[state.desk].exposure,
        _covered(world, state),
    )  # fmt: skip


def _covered(world: World, state: State) -> int:
    orders = world.stepper.keys[state.desk].orders
    return sum(it.sign * (it.qty - it.done) for it in orders if it.live and it.purpose in COVERING)


def as_yaml(script: Script) -> str:
    """A scenario file."""
    bounds = script.bounds
    text = [
        f"scenario: {_quoted(script.name)}", f"flow: {script.flow}", f"because: {_quoted(script.because)}",
        f"quantity: {bounds.quantity}", f"takers: {bounds.takers}", f"unequal_takers: {str(bounds.deep).lower()}",
        f"draws: [{', '.join(map(str, script.draws))}]", f"open_at_end: {script.open_at_end}",
        f"counted_at_end: {script.counted_at_end}",
        f"covered_at_end: {script.covered_at_end}",
    ]  # fmt: skip
    if bounds.settings:
        text += ["settings:", *(f"  {name}: {_quoted(value)}" for name, value in bounds.settings.items())]
    return "\n".join([*text, "steps:", *map(_line, script.lines), ""])


def read_script(text: str, *, file: str) -> Script:
    """Raises: FlowError with every finding."""
    root = read_nodes(text, file=file)
    findings = schema_findings(root, shipped_schema("scenario.schema.json"))
    if findings or not isinstance(root, Mapped):
        raise FlowError(findings or [Finding("F203", Severity.ERROR, root.span, "a scenario is a mapping")])
    told = {name: _text(node) for name, node in root.entries.items()}
    settings = root.entries.get("settings")
    bounds = Bounds(
        quantity=int(told["quantity"]), takers=int(told["takers"]), deep=told.get("unequal_takers") == "true",
        settings={name: _text(node) for name, node in _entries(settings).items()},
    )  # fmt: skip
    return Script(
        told["scenario"], told["flow"], told.get("because", ""), bounds,
        tuple(int(_text(item)) for item in _items(root.entries["draws"])),
        tuple(_read_line(item) for item in _items(root.entries["steps"])), int(told["open_at_end"]),
        int(told["counted_at_end"]),
        int(told["covered_at_end"]),
    )  # fmt: skip


def _read_line(node: Node) -> Line:
    told = {name: _text(value) for name, value in _entries(node).items()}
    return Line(
        told["do"], int(told.get("order", 0)), told.get("account", ""), int(told.get("qty", 0)),
        told.get("detail", ""), told["state"],
    )  # fmt: skip


def _line(line: Line) -> str:
    parts = [f"do: {line.do}"]
    parts += [f"order: {line.order}"] if line.order else []
    parts += [f"account: {line.account}"] if line.account else []
    parts += [f"qty: {line.qty}"] if line.qty else []
    parts += [f"detail: {_quoted(line.detail)}"] if line.detail else []
    return f"  - {{{', '.join(parts)}, state: {line.state}}}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _entries(node: Node | None) -> Mapping[str, Node]:
    return node.entries if isinstance(node, Mapped) else {}


def _items(node: Node) -> Sequence[Node]:
    return node.items if isinstance(node, Listing) else ()


def _text(node: Node) -> str:
    return node.text if isinstance(node, Scalar) else ""
