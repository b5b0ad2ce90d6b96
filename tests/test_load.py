"""Loading a flow: what it compiles to, and every finding of a broken one, whole and at its place.

Most rows change one piece of the coffee machine's flow and name all that must be found, no more and no less.
"""

from __future__ import annotations

import hashlib
import re
from decimal import Decimal
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from load_faults import BROKEN, Found
from toy_vocabulary import COFFEE, COFFEE_FLOW

from engine.chart.codes import CODES
from engine.chart.load import load_flow
from engine.chart.model import (
    QTY,
    Candidate,
    Expression,
    Flow,
    FlowError,
    Invoke,
    Mapped,
    RowKind,
    Scalar,
    Setting,
    Type,
    Vocabulary,
)
from engine.chart.settings import settings_values
from engine.chart.structure import schema_findings, shipped_schema
from engine.chart.yaml_nodes import read_nodes


def load(text: str = COFFEE_FLOW, file: str = "coffee.yaml") -> Flow:
    return load_flow(text, file=file, vocabulary=COFFEE)


def findings_of(text: str) -> Found:
    with pytest.raises(FlowError) as caught:
        load(text)
    return [
        (found.code, f"{found.span.line}:{found.span.column}-{found.span.end_column}", found.message, found.hint)
        for found in caught.value.findings
    ]


@pytest.mark.parametrize(("piece", "instead", "found"), BROKEN)
def test_a_fault_is_found_once_and_at_its_place(piece: str, instead: str, found: Found) -> None:
    assert piece in COFFEE_FLOW
    assert findings_of(COFFEE_FLOW.replace(piece, instead, 1)) == found


def test_every_code_that_is_found_here_is_in_the_table() -> None:
    used = {code for _, _, found in BROKEN for code, _, _, _ in found} - {"H699"}
    assert used <= CODES.keys()


def test_faults_of_every_family_are_found_in_one_go() -> None:
    text = COFFEE_FLOW.replace("version: 1", "version: 1\nversion: 2").replace("to: CHOOSING}", "to: CHOSING}")
    text = (
        text.replace("default: 20s", "default: 20")
        .replace("holds: water >= 0", "holds: water >= dose")
        .replace("final: true", "finale: true")
    )
    assert [code for code, _, _, _ in findings_of(text)] == ["Y107", "T402", "N301", "F201", "N308"]


PIECES = re.findall(r"[\w.]+|[^\s\w.]|\s+", COFFEE_FLOW)
ODDITIES = ["", "[]", "{}", "null", "3s", "{a: b}", "-1", ".", "é", "state", "event", "event.value"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(range(len(PIECES))), st.sampled_from(PIECES + ODDITIES)), max_size=3))
def test_any_flow_loads_or_is_refused_with_findings(changes: list[tuple[int, str]]) -> None:
    pieces = list(PIECES)
    for index, piece in changes:
        pieces[index] = piece
    try:
        flow = load("".join(pieces))
    except FlowError:
        return
    assert flow.leaves


# --- what a sound flow compiles to


def moves(flow: Flow, leaf: str, event: str) -> list[tuple[str | None, tuple[str, ...], tuple[str, ...], list[str]]]:
    return [brief(candidate) for candidate in flow.table[leaf][event]]


def brief(found: Candidate) -> tuple[str | None, tuple[str, ...], tuple[str, ...], list[str]]:
    return found.target, found.exits, found.entries, [action.verb for action in found.actions]


def test_the_heads_of_a_flow_are_typed() -> None:
    flow = load()
    assert (flow.name, flow.version, flow.about) == (
        "coffee",
        1,
        "Takes coins, brews one cup, and waits until it is taken.",
    )
    assert flow.digest == hashlib.sha256(COFFEE_FLOW.encode()).hexdigest()
    assert flow.raised == {"served": "the cup is full"}
    assert flow.settings["dose"] == Setting(
        "dose", QTY, Decimal(7), "grams of coffee for a cup", flow.settings["dose"].span, above=Decimal(0)
    )
    assert {name: setting.default for name, setting in flow.settings.items()} == {
        "dose": Decimal(7),
        "patience": 20_000_000_000,
        "brew_timeout": 90_000_000_000,
        "rest": (100_000_000, 300_000_000),
        "tries": 2,
    }
    assert [(name, counter.start, counter.cap) for name, counter in flow.context.items()] == [
        ("cups", 0, 100),
        ("open", False, None),
    ]


def test_states_keep_the_order_of_the_document_and_the_first_is_initial() -> None:
    flow = load()
    assert list(flow.states) == [
        "", "IDLE", "CHOOSING", "BREWING", "BREWING.grinding", "BREWING.filling", "BREWING.full", "BREWING.cooling",
        "SERVICE", "STOPPED",
    ]  # fmt: skip
    assert flow.initial == "IDLE"
    assert "BREWING" not in flow.leaves
    assert flow.states[""].children == ("IDLE", "CHOOSING", "BREWING", "SERVICE", "STOPPED")
    assert flow.states["STOPPED"].final
    assert [name for name, state in flow.states.items() if state.resting] == ["IDLE", "SERVICE"]


def test_rows_of_the_leaf_come_before_those_of_the_chart() -> None:
    assert moves(load(), "IDLE", "coin.inserted") == [
        ("CHOOSING", ("IDLE",), ("CHOOSING",), []),
        (None, (), (), ["display"]),
        (None, (), (), ["display"]),
    ]


def test_a_compound_target_descends_to_its_initial_leaf_and_enters_outer_to_inner() -> None:
    assert moves(load(), "CHOOSING", "drink.chosen")[0] == (
        "BREWING.grinding",
        ("CHOOSING",),
        ("BREWING", "BREWING.grinding"),
        ["grind"],
    )


def test_a_move_between_children_leaves_their_parent_standing() -> None:
    assert [brief(candidate) for candidate in load().always["BREWING.grinding"]] == [
        ("BREWING.filling", ("BREWING.grinding",), ("BREWING.filling",), ["pour"])
    ]


def test_leaving_runs_exits_inner_to_outer_then_the_row_then_the_entries() -> None:
    text = COFFEE_FLOW.replace("      full:\n", "      full:\n        exit: [{beep: }]\n")
    text = text.replace("  SERVICE:\n", "  SERVICE:\n    entry: [{pour: 1}]\n")
    assert moves(load(text), "BREWING.full", "door.opened") == [
        ("SERVICE", ("BREWING.full", "BREWING"), ("SERVICE",), ["beep", "display", "set", "pour"])
    ]


@pytest.mark.parametrize(
    ("row", "move"),
    [
        ("to: .full", ("BREWING.full", ("BREWING.cooling",), ("BREWING.full",), [])),
        ("to: .cooling", ("BREWING.cooling", ("BREWING.cooling",), ("BREWING.cooling",), [])),
        (
            "to: BREWING",
            (
                "BREWING.grinding",
                ("BREWING.cooling", "BREWING"),
                ("BREWING", "BREWING.grinding"),
                ["display", "grind"],
            ),
        ),
        ("do: [{beep: }]", (None, (), (), ["beep"])),
    ],
    ids=["sibling", "itself is left and entered again", "its parent is left and entered again", "internal"],
)
def test_what_a_row_leaves_and_enters(row: str, move: object) -> None:
    text = COFFEE_FLOW.replace("        defer: [drink.chosen]\n", f"        on: {{cup.taken: {{{row}}}}}\n")
    assert moves(load(text), "BREWING.cooling", "cup.taken") == [move]


def test_a_row_of_a_compound_to_its_own_child_leaves_the_compound_standing() -> None:
    text = COFFEE_FLOW.replace("    initial: grinding\n", "    initial: grinding\n    on: {cup.taken: .cooling}\n")
    assert moves(load(text), "BREWING.filling", "cup.taken") == [
        ("BREWING.cooling", ("BREWING.filling",), ("BREWING.cooling",), [])
    ]


def test_delays_are_a_setting_or_a_literal_and_name_their_event() -> None:
    flow = load()
    [patience] = flow.states["CHOOSING"].delays
    [literal] = flow.states["BREWING.full"].delays
    assert (patience.event, patience.setting, patience.literal) == ("after:CHOOSING:patience", "patience", None)
    assert (literal.event, literal.setting, literal.literal) == (
        "after:BREWING.full:2m",
        None,
        (120_000_000_000, 120_000_000_000),
    )
    assert moves(flow, "CHOOSING", "after:CHOOSING:patience") == [("IDLE", ("CHOOSING",), ("IDLE",), [])]


def test_a_delay_of_the_chart_itself_is_seen_in_every_leaf() -> None:
    flow = load(COFFEE_FLOW + "after: {1h: STOPPED}\n")
    assert all("after::1h" in flow.table[leaf] for leaf in flow.leaves)


def test_invoke_has_a_timeout_retries_and_both_ways_out() -> None:
    flow = load()
    invoke = flow.states["BREWING.filling"].invoke
    assert isinstance(invoke, Invoke)
    assert (invoke.action.verb, invoke.action.arguments) == ("brew", {"recipe": "espresso"})
    assert (invoke.timeout, invoke.retries, invoke.retry_wait) == ("brew_timeout", "tries", 250_000_000)
    assert [(row.kind, row.event, row.target) for row in (*invoke.done, *invoke.error)] == [
        (RowKind.DONE, "done:BREWING.filling", "BREWING.full"),
        (RowKind.ERROR, "error:BREWING.filling", "IDLE"),
    ]
    assert moves(flow, "BREWING.filling", "done:BREWING.filling") == [
        ("BREWING.full", ("BREWING.filling",), ("BREWING.full",), ["count", "raise"])
    ]


def test_deferred_and_ignored_events_are_known_per_leaf_and_the_inner_reason_wins() -> None:
    text = COFFEE_FLOW.replace("  CHOOSING:\n", "  CHOOSING:\n    ignore: {cup.taken: the guest is early}\n")
    flow = load(text)
    assert flow.deferred["BREWING.cooling"] == {"drink.chosen"}
    assert flow.deferred["IDLE"] == frozenset()
    assert (flow.ignored["CHOOSING"]["cup.taken"], flow.ignored["IDLE"]["cup.taken"]) == (
        "the guest is early",
        "nobody waits for it",
    )


def test_actions_have_typed_arguments_with_defaults_filled_in() -> None:
    scope = SimpleNamespace(settings=SimpleNamespace(dose=Decimal(7)))
    [pour] = load().states["BREWING.filling"].entry
    assert {name: value.value(scope) for name, value in pour.arguments.items() if isinstance(value, Expression)} == {
        "amount": Decimal(35),
        "heat": Decimal("0.90"),
    }
    flow = load(COFFEE_FLOW.replace("{amount: settings.dose * 5, heat: 90%}", "settings.dose"))
    [pour] = flow.states["BREWING.filling"].entry
    assert {name: value.value(scope) for name, value in pour.arguments.items() if isinstance(value, Expression)} == {
        "amount": Decimal(7),
        "heat": Decimal(1),
    }


def test_built_in_actions_name_what_they_change() -> None:
    flow = load()
    [opened] = flow.table["IDLE"]["door.opened"]
    [done] = flow.table["BREWING.filling"]["done:BREWING.filling"]
    [closed] = flow.table["SERVICE"]["door.closed"]
    assert list(opened.actions[0].arguments) == ["open"]
    assert [action.arguments for action in done.actions] == [{"counter": "cups"}, {"event": "served"}]
    assert closed.actions[1].arguments == {"counter": "cups"}


def test_properties_keep_their_kind_state_and_expressions() -> None:
    flow = load()
    assert [(found.name, found.kind, found.state, list(found.expressions)) for found in flow.properties] == [
        ("a cup comes", "leads_to", None, ["when", "then"]),
        ("it can serve", "sometimes", None, ["holds"]),
        ("leaves with a cup", "on_exit", "BREWING.full", ["holds"]),
    ]
    assert [(found.name, found.kind) for found in flow.invariants] == [("water is never negative", "always")]


def test_a_section_declares_names_and_things() -> None:
    flow = load()
    recipes = flow.sections["recipes"]
    assert recipes.names.keys() == {"espresso.price", "lungo.price"}
    assert recipes.refers == {"recipe": {"espresso", "lungo"}}
    assert recipes.settings_used == {"dose"}


def test_a_section_that_the_flow_leaves_out_is_read_as_nothing() -> None:
    smallest = "flow: small\nversion: 1\nstates:\n  A: {resting: true}\n"
    assert load(smallest, "small.yaml").sections["recipes"].value == {}


def test_a_section_of_another_domain_is_no_key_here() -> None:
    smallest = "flow: small\nversion: 1\nstates:\n  A: {resting: true}\nlegs: {}\n"
    with pytest.raises(FlowError) as caught:
        load(smallest, "small.yaml")
    assert [found.code for found in caught.value.findings] == ["F201"]
    own = Vocabulary(events={}, verbs={}, names={}, sections={"legs": COFFEE.sections["recipes"]})
    assert load_flow(smallest, file="small.yaml", vocabulary=own).sections["legs"].value == {}


def test_the_order_of_top_level_keys_does_not_matter() -> None:
    small = [
        "flow: small\n",
        "version: 1\n",
        "settings: {p: {type: duration, default: 3s}}\n",
        "states: {A: {after: {p: A}}}\n",
    ]
    forwards, backwards = load("".join(small), "small.yaml"), load("".join(reversed(small)), "small.yaml")
    assert forwards.leaves == backwards.leaves
    assert list(forwards.table["A"]) == list(backwards.table["A"]) == ["after:A:p"]


def test_a_choice_compares_with_its_words() -> None:
    text = COFFEE_FLOW.replace("  tries:", "  milk: {type: {one of: [none, warm]}, default: warm}\n  tries:").replace(
        "always: .filling", "always: {to: .filling, when: settings.milk == warm}"
    )
    flow = load(text)
    assert flow.settings["milk"].type == Type("choice", ("none", "warm"))
    when = flow.always["BREWING.grinding"][0].row.when
    assert when is not None
    assert when.value(SimpleNamespace(settings=SimpleNamespace(milk="warm"))) is True
    assert [code for code, _, _, _ in findings_of(text.replace("milk == warm", "milk == hot"))] == ["T409"]


def test_the_schema_is_a_sound_schema_with_words_for_editors() -> None:
    from jsonschema import Draft202012Validator

    schema = shipped_schema("flow.schema.json")
    Draft202012Validator.check_schema(schema)
    for name, key in schema["properties"].items():
        described = {**schema["$defs"].get(key.get("$ref", "").rpartition("/")[2], {}), **key}
        assert described.get("title"), name
        assert described.get("description"), name


def test_other_files_may_have_a_schema_and_a_code_of_their_own() -> None:
    schema = {"type": "object", "additionalProperties": False, "properties": {"rate": {"type": "string"}}}
    [found] = schema_findings(read_nodes("rat: 3\n", file="c.yaml"), schema, code="G700")
    assert (found.code, str(found.span), found.message, found.hint) == (
        "G700",
        "c.yaml:1:1",
        'key "rat" is not known here',
        'did you mean "rate"?',
    )


# --- the settings of a run


def overrides(text: str) -> dict[str, object]:
    node = read_nodes(text, file="config.yaml")
    assert isinstance(node, Mapped)
    return settings_values(load(), node.entries)


def test_a_config_overrides_defaults_with_typed_values() -> None:
    assert overrides("{dose: 8.5, rest: 0ms, tries: 0}") == {
        "dose": Decimal("8.5"),
        "patience": 20_000_000_000,
        "brew_timeout": 90_000_000_000,
        "rest": (0, 0),
        "tries": 0,
    }


def test_all_faults_of_a_config_are_found_in_one_go() -> None:
    with pytest.raises(FlowError) as caught:
        overrides("doze: 1\ndose: 0\npatience: 5\nrest: [1s]\n")
    assert [(found.code, str(found.span), found.message, found.hint) for found in caught.value.findings] == [
        ("G701", "config.yaml:1:7", 'flow coffee has no setting "doze"', 'did you mean "dose"?'),
        ("T405", "config.yaml:2:7", "dose is 0, expected above 0", "grams of coffee for a cup"),
        (
            "T402",
            "config.yaml:3:11",
            'patience: "5" has no unit, expected a duration',
            "write `5s` for seconds or `5ms` for milliseconds",
        ),
        ("F203", "config.yaml:4:7", "rest: found a list, expected a literal of type duration range", "write one value"),
    ]


def test_a_setting_without_default_must_come_from_the_config() -> None:
    flow = load(COFFEE_FLOW.replace("type: qty, default: 7, above: 0,", "type: qty,"))
    assert flow.settings["dose"].required
    with pytest.raises(FlowError) as caught:
        settings_values(flow, {})
    assert [(found.code, found.message, found.hint) for found in caught.value.findings] == [
        (
            "G702",
            "setting dose of flow coffee (qty) has no value",
            "add `dose:` under settings (grams of coffee for a cup)",
        )
    ]
    given = Scalar("9", False, flow.settings["dose"].span)
    assert settings_values(flow, {"dose": given})["dose"] == Decimal(9)


def test_both_ends_of_a_range_are_inside_its_bounds() -> None:
    text = COFFEE_FLOW.replace("default: 100..300ms,", "default: 100..300ms, at_least: 200ms,")
    assert findings_of(text) == [
        ("T405", "9:41-51", "rest is 100ms..300ms, expected at least 200ms", "pause between cups")
    ]
