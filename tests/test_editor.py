"""What an editor is told: what the loader takes is right there too; every word is explained, and none a constraint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli_kit import ROOT, Eagle, eagle  # noqa: F401
from jsonschema import Draft202012Validator
from toy_vocabulary import COFFEE_FLOW
from trading_kit import shipped_flow

from engine.chart.codes import CODES
from engine.chart.editor import BUILT_IN, completed_config, completed_schema
from engine.trading.vocabulary import FACTS, facts_of, trading_vocabulary

VOCABULARY = trading_vocabulary()
FLOWS = sorted((ROOT / "flows").glob("*.yaml"))
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.yaml"))
TABLES = sorted((ROOT / "tests" / "tables").glob("*.yaml"))
KIND = {"flows": "flow", "examples": "config", "tables": "table"}


class EditorLoader(yaml.SafeLoader):
    """As an editor reads: `true` is a boolean, `1` a number, an empty value null; `on` is a word."""


EditorLoader.yaml_implicit_resolvers = {
    letter: [(tag, regexp) for tag, regexp in resolvers if "bool" not in tag and "timestamp" not in tag]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for letter in "tf":
    EditorLoader.yaml_implicit_resolvers[letter] = yaml.SafeLoader.yaml_implicit_resolvers[letter]


def raw(name: str) -> dict[str, Any]:
    """The file itself: what the loader reads of it has texts for scalars."""
    schema: dict[str, Any] = json.loads((ROOT / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8"))
    return schema


def complaints(schema: dict[str, Any], text: str) -> list[str]:
    return [error.message for error in Draft202012Validator(schema).iter_errors(yaml.load(text, EditorLoader))]


@pytest.mark.parametrize("path", [*FLOWS, *EXAMPLES, *TABLES], ids=lambda path: path.name)
def test_no_shipped_file_is_red_in_an_editor(path: Path) -> None:
    assert complaints(raw(KIND[path.parent.name]), path.read_text(encoding="utf-8")) == []


def test_a_flow_of_another_vocabulary_is_not_red_either() -> None:
    schema = raw("flow")
    schema["properties"]["recipes"] = {}
    assert complaints(schema, COFFEE_FLOW) == []


@pytest.mark.parametrize("name", ["flow", "config", "table"])
def test_every_key_is_explained(name: str) -> None:
    schema = raw(name)
    Draft202012Validator.check_schema(schema)
    mute = [path for path, key in keys(schema) if not explained(key, schema)]
    assert mute == []


def keys(schema: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every key that the schema names, at any depth; not those of a condition."""
    if not isinstance(schema, dict):
        return
    for key, about in schema.get("properties", {}).items():
        if set(about) != {"properties"}:  # which only stands there for what is below it
            yield f"{path}/{key}", about
        yield from keys(about, f"{path}/{key}")
    for key, part in schema.get("$defs", {}).items():
        yield from keys(part, f"{path}/{key}")
    parts = [schema.get("additionalProperties"), schema.get("items"), schema.get("then")]
    for place, part in enumerate([*parts, *schema.get("anyOf", ()), *schema.get("allOf", ())]):
        yield from keys(part, f"{path}/{place}")


def explained(key: Any, schema: Any) -> bool:
    shared = schema["$defs"].get(key.get("$ref", "").rpartition("/")[2], {})
    return bool(key.get("description") or shared.get("description"))


def test_every_event_verb_and_fact_is_completed_with_what_it_means() -> None:
    """`make docs` writes them; a test of the generated pages compares."""
    parts = raw("flow")["$defs"]
    assert set(parts["on"]["properties"]) == set(VOCABULARY.events)
    assert set(parts["ignore"]["properties"]) == {it.name for it in VOCABULARY.events.values() if not it.must_handle}
    replying = {name for name, verb in VOCABULARY.verbs.items() if verb.replies}
    assert set(parts["invoked"]["properties"]) == replying
    assert set(parts["action"]["properties"]) == {*VOCABULARY.verbs, *BUILT_IN} - replying
    assert {it["label"] for it in parts["expression"]["defaultSnippets"]} == set(FACTS)
    told = parts["on"]["properties"]["limit.breached"]["description"]
    assert told.endswith("Carries `event.limit`: text, `event.policy`: policy. Never ignored.")


def test_the_schema_of_one_flow_knows_its_own_words() -> None:
    flow = shipped_flow("twap")
    parts = completed_schema(raw("flow"), VOCABULARY, facts=facts_of(flow), flow=flow)["$defs"]
    targets = {it["label"]: it["description"] for it in parts["target"]["defaultSnippets"]}
    assert (targets[".judging"], targets[".asking"]) == ("in SLICE", "in SLICE, LEAVING")
    assert targets["SLICE.retaking"] == "Not all was to be had within the slippage."
    assert parts["after"]["properties"]["order_timeout"]["description"] == flow.settings["order_timeout"].about
    assert "quantity" not in parts["after"]["properties"]  # no duration
    verbs = parts["action"]["properties"]
    assert [it["body"] for it in verbs["cancel"]["defaultSnippets"]] == ["work"]
    assert {it["body"] for it in verbs["count"]["defaultSnippets"]} == set(flow.context)
    facts = {it["label"] for it in parts["expression"]["defaultSnippets"]}
    assert {"work.unfilled", "settings.limit_price", "context.due", "may_open"} <= facts
    settings = completed_config(raw("config"), flow)["properties"]
    assert set(settings["settings"]["properties"]) == set(flow.settings)
    assert set(settings["use"]["properties"]) == {"maker"}
    assert [it["body"] for it in settings["settings"]["properties"]["side"]["defaultSnippets"]] == ["buy", "sell"]


def test_words_complete_and_never_forbid() -> None:
    """A schema that has become stale, or is another flow's, makes nothing red."""
    flow = shipped_flow("twap")
    schema = completed_schema(raw("flow"), VOCABULARY, facts=facts_of(flow), flow=flow)
    for path in FLOWS:
        assert complaints(schema, path.read_text(encoding="utf-8")) == []
    config = completed_config(raw("config"), flow)
    for path in EXAMPLES:
        assert complaints(config, path.read_text(encoding="utf-8")) == []


def test_the_command_prints_either(eagle: Eagle) -> None:  # noqa: F811
    assert json.loads(eagle("schema").out) == raw("flow")
    assert json.loads(eagle("schema", "--for", "config").out) == raw("config")
    own = json.loads(eagle("schema", "flows/take_profit.yaml").out)
    assert "READY.cooling" in {it["label"] for it in own["$defs"]["target"]["defaultSnippets"]}
    config = json.loads(eagle("schema", "flows/take_profit.yaml", "--for", "config").out)
    assert "grid_step" in config["properties"]["settings"]["properties"]
    missing = eagle("schema", "flows/none.yaml")
    assert (missing.code, "no shipped flow of that name" in missing.err) == (2, True)


# --- typing mistakes where nobody noticed before


@pytest.mark.parametrize(
    ("written", "instead", "key", "hint"),
    [
        ("  if refused:", "  if refusd:", "if refusd", 'did you mean "if refused"?'),
        ("    reduces: true", "    reduce: true", "reduce", 'did you mean "reduces"?'),
        ("    offset: settings", "    offest: settings", "offest", 'did you mean "offset"?'),
        ("apart_from: maker", "apartfrom: maker", "apartfrom", 'did you mean "apart_from"?'),
    ],
)
def test_a_mistyped_key_of_legs_accounts_and_hedging_is_told(
    eagle: Eagle, tmp_path: Path, written: str, instead: str, key: str, hint: str  # noqa: F811
) -> None:  # fmt: skip
    """A ladder that was misspelt was no ladder, an offset none."""
    file = tmp_path / "eagle_chicken.yaml"
    file.write_text((ROOT / "flows" / "eagle_chicken.yaml").read_text().replace(written, instead, 1))
    found = json.loads(eagle("validate", file, "--format", "json").out)
    assert [(it["message"], it["hint"]) for it in found if it["code"] == "F201"] == [
        (f'key "{key}" is not known here', hint)
    ]


# --- ranges


BROKEN = sorted((ROOT / "tests").glob("broken_*/*.yaml"))


@pytest.mark.parametrize("folder", ["broken_flows", "broken_configs"])
def test_every_finding_has_a_whole_range_inside_its_file(eagle: Eagle, folder: str) -> None:  # noqa: F811
    """For editors: from where to where, lines and columns from 1, the end exclusive and never before the beginning."""
    paths = {str(path): path for path in BROKEN if path.parent.name == folder}
    told = json.loads(eagle("validate", *paths, "--format", "json").out)
    assert (
        len({finding["file"] for finding in told}) >= len(paths) - 5
    )  # some are right as flows, but not for their tests
    for finding in told:
        assert set(finding) == {"code", "severity", "file", "range", "message", "hint"}
        assert finding["code"] in CODES
        start, end = (finding["range"][name] for name in ("start", "end"))
        first, last = (start["line"], start["column"]), (end["line"], end["column"])
        assert (1, 1) <= first < last, finding
        lines = paths[finding["file"]].read_text(encoding="utf-8").splitlines() if finding["file"] in paths else []
        if lines:
            assert last[0] <= len(lines) + 1, finding
            assert last[1] <= (len(lines[last[0] - 1]) + 2 if last[0] <= len(lines) else 2), finding
