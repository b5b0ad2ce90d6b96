"""Transition tables over the coffee machine: rows that hold, rows that do not, tables that are wrong, coverage."""

from __future__ import annotations

from decimal import Decimal

import pytest
from chart_kit import DECIDERS, Decides, flow_of
from toy_vocabulary import COFFEE, COFFEE_FLOW, DRINK

from engine.chart.load import load_flow
from engine.chart.model import (
    BOOL,
    COUNT,
    DURATION,
    DURATION_RANGE,
    MONEY,
    TEXT,
    Finding,
    FlowError,
    Severity,
    Span,
)
from engine.chart.table import Call, Coverage, Difference, Tally, coverage, load_table, run_table, unset

FLOW = load_flow(COFFEE_FLOW, file="coffee.yaml", vocabulary=COFFEE)

COFFEE_TABLE = """\
table: coffee
flow: coffee
about: Every row of the coffee machine.
rows:
  - {in: IDLE, given: {credit: 0.80, espresso.price: 0.80, water: 1}, when: coin.inserted,
     then: CHOOSING, sends: [], because: enough for an espresso}
  - {in: IDLE, given: {credit: 0.79, espresso.price: 0.80, water: 1}, when: {coin.inserted: {value: 0.79}},
     then: stay, sends: [{display: not enough}], because: a cent is missing}
  - {name: an open door sells nothing, in: IDLE, given: {credit: 5, water: 1, context.open: true}, when: coin.inserted,
     then: stay, sends: [{display: not enough}], counts: {open: true}, because: safety}
  - {in: CHOOSING, when: {drink.chosen: {drink: tea}}, then: stay, sends: [{beep: }], because: no tea today}
  - in: CHOOSING
    when: {drink.chosen: {drink: lungo, sugar: 2}}
    then: BREWING.filling
    sends: [{grind: espresso}, {pour: {amount: 35, heat: 0.9}}, {brew: espresso}]
    because: grinding takes no time
  - {in: CHOOSING, when: coin.inserted, then: stay, sends: [{display: thank you}], because: no coin is lost}
  - {in: CHOOSING, when: {after: patience}, then: IDLE, sends: [], because: others wait}
  - {in: CHOOSING, when: door.opened, then: SERVICE, sends: [], counts: {open: true, cups: 0}, because: safety}
  - in: BREWING.grinding
    given: {settings.dose: 2}
    when: always
    then: BREWING.filling
    sends: [{pour: {amount: 10, heat: 90%}}, {brew: {recipe: espresso}}]
    because: always
  - {in: BREWING.filling, when: {done: {poured: 35}}, then: BREWING.full, sends: [{beep: }], counts: {cups: 1},
     because: the cup is full}
  - {in: BREWING.filling, when: done, then: stay, sends: [], because: an empty cup is no cup}
  - {in: BREWING.filling, when: error, then: IDLE, sends: [{display: ready}], because: give up}
  - {in: BREWING.full, when: served, then: stay, sends: [{beep: }], because: it beeps}
  - {in: BREWING.full, when: cup.taken, then: BREWING.cooling, sends: [], because: cool down}
  - {in: BREWING.full, when: {after: 2m}, then: BREWING.cooling, sends: [], because: nobody came}
  - {in: BREWING.cooling, when: {after: rest}, then: IDLE, sends: [{display: ready}], because: next}
  - {in: BREWING.cooling, when: drink.chosen, then: stay, sends: [], because: deferred}
  - {in: SERVICE, given: {context.cups: 3, context.open: true}, when: door.closed, then: IDLE, sends: [],
     counts: {cups: 0, open: false}, because: counting starts again}
  - {in: SERVICE, when: door.opened, then: STOPPED, sends: [], because: the switch is broken}
  - {in: STOPPED, when: door.opened, then: stay, sends: [], because: it is over}
"""


def table_of(*rows: str, head: str = "table: t\nflow: coffee\n") -> str:
    return head + "rows:\n" + "".join(f"  - {row}\n" for row in rows)


@pytest.mark.parametrize("decider", DECIDERS)
def test_every_row_of_the_coffee_table_holds(decider: Decides) -> None:
    result = run_table(load_table(COFFEE_TABLE, file="coffee.yaml"), FLOW, decider=decider)
    assert [(row.span.line, row.differences) for row in result.rows if not row.ok] == []
    assert (result.ok, result.table, result.file, len(result.rows)) == (True, "coffee", "coffee.yaml", 20)
    assert result.coverage.transitions == Tally(16, ())
    assert [row.name for row in result.rows[:3]] == [
        "IDLE · coin.inserted",
        "IDLE · coin.inserted",
        "an open door sells nothing",
    ]


def test_rows_of_the_table_that_do_not_hold_say_what_was_wanted_and_what_came() -> None:
    text = table_of(
        "{in: CHOOSING, when: {drink.chosen: {drink: tea}}, then: BREWING.filling, sends: [], because: x}",
        "{in: CHOOSING, when: {after: patience}, then: stay, sends: [{beep: }], counts: {cups: 2}, because: x}",
        "{in: SERVICE, when: door.closed, then: SERVICE, sends: [], because: x}",
        "{in: BREWING.grinding, when: always, then: BREWING.filling,"
        " sends: [{pour: {amount: 36, heat: 90%}}, {brew: espresso}], because: x}",
    )
    result = run_table(load_table(text, file="t.yaml"), FLOW)
    assert not result.ok
    assert [row.differences for row in result.rows] == [
        (Difference("then", "BREWING.filling", "stay"), Difference("sends", "nothing", "beep()")),
        (
            Difference("then", "stay", "IDLE"),
            Difference("sends", "beep()", "nothing"),
            Difference("cups", "2", "0"),
        ),
        (Difference("then", "SERVICE", "IDLE"),),
        (
            Difference(
                "sends",
                "pour(amount=36, heat=0.90); brew(recipe=espresso)",
                "pour(amount=35, heat=0.90); brew(recipe=espresso)",
            ),
        ),
    ]


def looks_of(row: str) -> list[tuple[str, str, list[tuple[str | None, bool, dict[str, object]]]]]:
    """(leaf, event, [(target, open, what the guard read)]) of the one row of a table."""
    (result,) = run_table(load_table(table_of(row), file="t.yaml"), FLOW).rows
    return [(look.leaf, look.event, [(it.target, it.open, dict(it.read)) for it in look.tried]) for look in result.path]


def test_a_row_that_fails_tells_every_row_of_the_flow_that_was_asked() -> None:
    looks = looks_of(
        "{in: IDLE, given: {credit: 0.5, water: 3, espresso.price: 0.8}, when: coin.inserted, then: CHOOSING,"
        " sends: [], because: x}"
    )
    read = {"context.open": False, "credit": Decimal("0.5"), "espresso.price": Decimal("0.8"), "water": Decimal(3)}
    assert looks == [("IDLE", "coin.inserted", [("CHOOSING", False, read), (None, True, {})])]


def test_looks_go_on_until_the_chart_rests() -> None:
    looks = looks_of("{in: CHOOSING, when: {drink.chosen: {drink: lungo}}, then: BREWING.full, sends: [], because: x}")
    assert looks == [
        ("CHOOSING", "drink.chosen", [("BREWING.grinding", True, {"event.drink": "lungo"})]),
        ("BREWING.grinding", "", [("BREWING.filling", True, {})]),
    ]


def test_an_event_that_no_row_answers_and_facts_that_open_none() -> None:
    assert looks_of("{in: IDLE, when: drink.chosen, then: CHOOSING, sends: [], because: x}") == [
        ("IDLE", "drink.chosen", [])
    ]
    waits = flow_of(
        "flow: waits\nversion: 1\n"
        "states:\n  A: {resting: true, always: {when: amount > 1, to: B}}\n  B: {resting: true}\n",
        file="waits.yaml",
    )
    row = "{in: A, given: {amount: 1}, when: always, then: B, sends: [], because: x}"
    (result,) = run_table(load_table(table_of(row, head="table: t\nflow: waits\n"), file="t.yaml"), waits).rows
    (look,) = result.path
    assert (look.leaf, look.event) == ("A", "")
    assert [(it.target, it.open, it.read) for it in look.tried] == [("B", False, {"amount": Decimal(1)})]


def test_a_row_that_holds_tells_no_path() -> None:
    assert looks_of("{in: CHOOSING, when: {after: patience}, then: IDLE, sends: [], because: x}") == []


AGAIN = flow_of(
    """\
flow: again
version: 1
settings:
  limit: {type: ratio}
states:
  A:
    entry: [{say: hello}]
    on:
      go: A
      back: {do: [{say: "no move"}]}
      next: {when: 6 / amount > settings.limit, to: B}
      order.filled: {do: [{trade: {side: event.side}}]}
    after:
      1s: B
  B:
    resting: true
""",
    file="again.yaml",
)
AGAIN_HEAD = "table: t\nflow: again\nsettings: {limit: 1}\n"


def test_a_self_target_is_a_move_and_stay_is_none() -> None:
    text = table_of(
        "{in: A, when: go, then: A, sends: [{say: hello}], because: x}",
        "{in: A, when: go, then: stay, sends: [{say: hello}], because: x}",
        "{in: A, when: back, then: stay, sends: [{say: no move}], because: x}",
        "{in: A, when: back, then: A, sends: [{say: no move}], because: x}",
        head=AGAIN_HEAD,
    )
    result = run_table(load_table(text, file="t.yaml"), AGAIN)
    assert [row.differences for row in result.rows] == [
        (),
        (Difference("then", "stay", "A"),),
        (),
        (Difference("then", "A", "stay"),),
    ]


def test_a_step_that_raises_is_a_difference_of_its_row_alone() -> None:
    text = table_of(
        "{in: A, when: next, then: B, sends: [], because: x}",
        "{in: A, given: {amount: 2}, when: next, then: B, sends: [], because: x}",
        head=AGAIN_HEAD,
    )
    failed, held = run_table(load_table(text, file="t.yaml"), AGAIN).rows
    assert failed.differences == (
        Difference("step", "runs", "again.yaml:11:20: next: DivisionByZero: [<class 'decimal.DivisionByZero'>]"),
    )
    assert held.ok


def test_defaults_of_verbs_and_attributes_are_part_of_what_is_compared() -> None:
    text = table_of(
        "{in: A, when: order.filled, then: stay, sends: [{trade: buy}], because: buy is the first side}",
        "{in: A, when: {order.filled: {side: sell}}, then: stay, sends: [{trade: {side: sell, size: 0.5}}],"
        " because: x}",
        "{in: A, when: order.filled, then: stay, sends: [{trade: {side: buy, size: 0.6}}], because: x}",
        head=AGAIN_HEAD,
    )
    result = run_table(load_table(text, file="t.yaml"), AGAIN)
    assert [row.differences for row in result.rows] == [
        (),
        (),
        (Difference("sends", "trade(side=buy, size=0.6)", "trade(side=buy, size=0.5)"),),
    ]


def test_settings_come_from_the_row_then_the_table_then_the_caller_then_the_flow() -> None:
    row = "{in: A, given: {amount: 2%s}, when: next, then: %s, sends: [], because: x}"
    text = table_of(row % ("", "B"), row % (", settings.limit: 5", "stay"), row % ("", "B"), head=AGAIN_HEAD)
    assert run_table(load_table(text, file="t.yaml"), AGAIN, {"limit": 9}).ok
    bare = load_table(table_of(row % ("", "stay"), head="table: t\nflow: again\n"), file="t.yaml")
    assert run_table(bare, AGAIN, {"limit": 9}).ok
    with pytest.raises(FlowError) as caught:
        run_table(bare, AGAIN)
    assert caught.value.findings == (
        Finding(
            "G702",
            Severity.ERROR,
            Span("t.yaml", 2, 7, 2, 12),
            "setting limit (ratio) has no default and no value here",
            "add `settings: {limit: …}` to the table",
        ),
    )


def test_a_row_holds_in_every_leaf_it_names() -> None:
    row = "{in: %s, when: coin.inserted, then: stay, sends: [{display: thank you}], because: no coin is lost}"
    where = ("[SERVICE, BREWING.full]", "BREWING", "anywhere", "[BREWING.full, BREWING]")
    found = []
    for place in where:
        result = run_table(load_table(table_of(row % place), file="t.yaml"), FLOW)
        found.append([(result_row.leaf, result_row.ok) for result_row in result.rows])
    brewing = [(f"BREWING.{name}", name != "grinding") for name in ("grinding", "filling", "full", "cooling")]
    assert found == [
        [("SERVICE", True), ("BREWING.full", True)],
        brewing,
        [("IDLE", False), ("CHOOSING", True), *brewing, ("SERVICE", True)],
        [("BREWING.full", True), *[pair for pair in brewing if pair[0] != "BREWING.full"]],
    ]


def test_after_means_the_innermost_delay_of_that_name() -> None:
    flow = flow_of(
        "flow: nested\nversion: 1\nstates:\n"
        "  OUTER:\n    after: {1s: OUTER, 2s: END}\n    states:\n      one:\n        after: {1s: END}\n"
        "  END: {final: true}\n",
        file="nested.yaml",
    )
    text = table_of(
        "{in: OUTER.one, when: {after: 1s}, then: END, sends: [], because: the leaf's own}",
        "{in: OUTER.one, when: {after: 2s}, then: END, sends: [], because: its parent's}",
        head="table: t\nflow: nested\n",
    )
    result = run_table(load_table(text, file="t.yaml"), flow)
    assert [(row.ok, row.event) for row in result.rows] == [(True, "after:OUTER.one:1s"), (True, "after:OUTER:2s")]


def test_coverage_names_what_no_row_decides() -> None:
    text = table_of(
        "{in: A, when: go, then: A, sends: [{say: hello}], because: x}",
        "{in: A, when: next, then: stay, given: {amount: 9}, sends: [], because: the guard is closed}",
        head=AGAIN_HEAD,
    )
    result = run_table(load_table(text, file="t.yaml"), AGAIN)
    events = AGAIN.table["A"]
    missing = tuple(events[name][0].row for name in ("back", "next", "order.filled", "after:A:1s"))
    expected = Coverage(
        rows=2,
        transitions=Tally(5, missing),
        cells=Tally(5, (("A", "back"), ("A", "order.filled"), ("A", "after:A:1s"))),
    )
    assert result.coverage == expected
    assert (result.coverage.transitions.covered, result.coverage.cells.covered) == (1, 2)
    assert coverage(AGAIN, [*result.rows, *result.rows]) == Coverage(4, expected.transitions, expected.cells)
    assert coverage(AGAIN, []).cells.covered == 0


ROW = (
    "{{in: {leaf}, given: {{{given}}}, when: {when}, then: {then}, sends: [{sends}], counts: {{{counts}}}, because: x}}"
)
SOUND = {"leaf": "CHOOSING", "given": "", "when": "door.opened", "then": "SERVICE", "sends": "", "counts": ""}
WRONG = [
    ({"leaf": "CHOSING"}, "N301", "CHOSING", 'no state "CHOSING"', 'did you mean "CHOOSING"?'),
    ({"leaf": "[IDLE, BRWING]"}, "N301", "BRWING", 'no state "BRWING"', 'did you mean "BREWING"?'),
    ({"then": "BREWING"}, "N301", "BREWING", '"BREWING" is no leaf', None),
    ({"then": "SERVED"}, "N301", "SERVED", 'no state "SERVED"', 'did you mean "SERVICE"?'),
    ({"then": "sty"}, "N301", "sty", 'no state "sty"', 'did you mean "stay"?'),
    ({"when": "door.open"}, "N302", "door.open", 'no event "door.open"', 'did you mean "door.opened"?'),
    ({"when": "{after: 3s}"}, "N310", "3s", 'CHOOSING has no delay "3s"', "valid here: patience"),
    ({"when": "{after: patince}"}, "N310", "patince", 'CHOOSING has no delay "patince"', 'did you mean "patience"?'),
    ({"when": "done"}, "N310", "done", "CHOOSING invokes nothing, so it has no `done`", ""),
    ({"when": "{drink.chosen: {colour: 1}}"}, "N308", "colour", 'the event has no attribute "colour"', None),
    ({"when": "{drink.chosen: {drink: mate}}"}, "T409", "mate", 'drink: "mate" is no drink', None),
    ({"given": "watr: 1"}, "N308", "watr", 'no name "watr"', 'did you mean "water"?'),
    ({"given": "context.cup: 1"}, "N308", "context.cup", 'no name "context.cup"', 'did you mean "context.cups"?'),
    ({"given": "settings.dos: 1"}, "N308", "settings.dos", 'no name "settings.dos"', 'did you mean "settings.dose"?'),
    ({"given": "water: much"}, "T401", "much", 'water: "much" is no qty', None),
    ({"given": "settings.patience: 3"}, "T402", "3", None, None),
    ({"sends": "{bep: }"}, "N303", "bep", 'no verb "bep"', 'did you mean "beep"?'),
    ({"sends": "{beep: loud}"}, "N306", "loud", "verb beep takes nothing", ""),
    ({"sends": "{pour: {amont: 1}}"}, "N306", "amont", 'verb pour has no parameter "amont"', 'did you mean "amount"?'),
    ({"sends": "{pour: many}"}, "T401", "many", 'amount: "many" is no qty', None),
    ({"counts": "cup: 1"}, "N305", "cup:", 'no counter "cup"', 'did you mean "cups"?'),
    ({"counts": "cups: one"}, "T401", "one", 'cups: "one" is no count', None),
]


@pytest.mark.parametrize(("change", "code", "word", "message", "hint"), WRONG, ids=[str(row[0]) for row in WRONG])
def test_a_wrong_name_or_value_is_found_at_its_place(
    change: dict[str, str], code: str, word: str, message: str | None, hint: str | None
) -> None:
    text = table_of(ROW.format(**{**SOUND, **change}))
    table = load_table(text, file="t.yaml")
    with pytest.raises(FlowError) as caught:
        run_table(table, FLOW)
    (finding,) = caught.value.findings
    assert (finding.code, finding.span.line) == (code, 4)
    assert text.splitlines()[3][finding.span.column - 1 :].startswith(word)
    assert message in (None, finding.message)
    assert hint in (None, finding.hint)


def test_the_sound_row_of_those_is_sound() -> None:
    assert run_table(load_table(table_of(ROW.format(**SOUND)), file="t.yaml"), FLOW).ok


def test_all_faults_of_a_table_are_found_in_one_go() -> None:
    text = table_of(
        ROW.format(**{**SOUND, "leaf": "A", "then": "B", "when": "c", "given": "d: 1", "sends": "{e: }"}),
        head="table: t\nflow: tea\nsettings: {dos: 1}\n",
    )
    with pytest.raises(FlowError) as caught:
        run_table(load_table(text, file="t.yaml"), FLOW)
    assert [(finding.code, finding.span.line) for finding in caught.value.findings] == [
        ("N310", 2),
        ("G701", 3),
        ("N301", 5),
        ("N308", 5),
        ("N301", 5),
        ("N303", 5),
    ]


@pytest.mark.parametrize(
    ("row", "code", "message"),
    [
        ("{in: A, when: go, then: A, sends: []}", "F202", "rows: key `because` is missing"),
        ("{in: A, when: go, then: A, because: x}", "F202", "rows: key `sends` is missing"),
        ("{in: A, when: go, then: A, sends: [], because: }", "F203", "because: found nothing, expected a text"),
        ("{in: A, wen: go, when: go, then: A, sends: [], because: x}", "F201", 'key "wen" is not known here'),
        (
            "{in: A, when: [go], then: A, sends: [], because: x}",
            "F203",
            "when: found a list, expected a text or a mapping",
        ),
        ("{in: A, when: {}, then: A, sends: [], because: x}", "F205", "when: found 0 entries, expected at least 1"),
        (
            "{in: A, when: go, then: A, sends: [{a: , b: }], because: x}",
            "F205",
            "sends: found 2 entries, expected at most 1",
        ),
    ],
)
def test_the_structure_of_a_table_is_checked(row: str, code: str, message: str) -> None:
    with pytest.raises(FlowError) as caught:
        load_table(table_of(row), file="t.yaml")
    assert [(finding.code, finding.span.line, finding.message) for finding in caught.value.findings] == [
        (code, 4, message)
    ]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (BOOL, False),
        (COUNT, 0),
        (MONEY, Decimal(0)),
        (DURATION, 0),
        (DURATION_RANGE, (0, 0)),
        (TEXT, ""),
        (DRINK, "espresso"),
    ],
    ids=str,
)
def test_what_a_row_does_not_give_is_nothing_of_its_type(kind: object, value: object) -> None:
    found = unset(kind)  # type: ignore[arg-type]
    assert (found, type(found)) == (value, type(value))


def test_a_call_is_shown_as_it_would_be_written() -> None:
    assert str(Call("pour", {"heat": Decimal("0.90"), "amount": 3})) == "pour(amount=3, heat=0.90)"
