"""Strict YAML: scalars stay text with their place, and what readers disagree about is refused at both places."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from engine.chart import yaml_nodes
from engine.chart.faults import Faults
from engine.chart.model import FlowError, Listing, Mapped, Scalar, Span
from engine.chart.yaml_nodes import decode, parse_nodes, read_nodes


@pytest.fixture(params=["libyaml", "python"])
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both parsers: the C one that ships with most installations, and the pure one of the rest."""
    if request.param == "python":
        monkeypatch.setattr(yaml_nodes, "_Loader", yaml.SafeLoader)
    return str(request.param)


BOTH = pytest.mark.usefixtures("loader")


def span(line: int, column: int, end_line: int, end_column: int) -> Span:
    return Span("f.yaml", line, column, end_line, end_column)


def findings_of(text: str) -> list[tuple[str, str, str, str]]:
    with pytest.raises(FlowError) as caught:
        read_nodes(text, file="f.yaml")
    return [
        (found.code, f"{found.span.line}:{found.span.column}", found.message, found.hint)
        for found in caught.value.findings
    ]


@BOTH
def test_scalars_stay_text() -> None:
    text = "on: 12:30\noff: [010, 1.10, no, ~, 2024-01-01, 0x1F]\nq: 'true'\ne:\n"
    root = read_nodes(text, file="f.yaml")
    assert isinstance(root, Mapped)
    texts = {
        key: [
            (item.text, item.quoted)
            for item in (node.items if isinstance(node, Listing) else (node,))
            if isinstance(item, Scalar)
        ]
        for key, node in root.entries.items()
    }
    assert texts == {
        "on": [("12:30", False)],
        "off": [(word, False) for word in ("010", "1.10", "no", "~", "2024-01-01", "0x1F")],
        "q": [("true", True)],
        "e": [("", False)],
    }


@BOTH
def test_every_node_has_its_place() -> None:
    root = read_nodes("é: {a: 'x y'}\nlist:\n  - one\n  - two\n\n# the end\n", file="f.yaml")
    assert root == Mapped(
        entries={
            "é": Mapped(
                {"a": Scalar("x y", True, span(1, 8, 1, 13))},
                {"a": Scalar("a", False, span(1, 5, 1, 6))},
                span(1, 4, 1, 14),
            ),
            "list": Listing(
                (Scalar("one", False, span(3, 5, 3, 8)), Scalar("two", False, span(4, 5, 4, 8))), span(3, 3, 4, 8)
            ),
        },
        keys={"é": Scalar("é", False, span(1, 1, 1, 2)), "list": Scalar("list", False, span(2, 1, 2, 5))},
        span=span(1, 1, 4, 8),
    )


QUOTE_WORDS = "check indentation and brackets; quote a value that contains `: ` or starts with one of [{*&!|>%@"


@BOTH
@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "a: 1\nb: 2\na: 3\n",
            [
                (
                    "Y107",
                    "3:1",
                    'key "a" stands twice; first at line 1, column 1',
                    "remove one; a list of rows goes under one key",
                )
            ],
        ),
        (
            "a: &x 1\nb: *x\nc: *x\n",
            [
                ("Y108", "1:4", 'anchor "&x" is refused', "write the value out where it is used"),
                ("Y108", "2:4", 'alias "*x" is refused; its anchor is at line 1, column 4', "write the value out here"),
                ("Y108", "3:4", 'alias "*x" is refused; its anchor is at line 1, column 4', "write the value out here"),
            ],
        ),
        ("a: *x\n", [("Y108", "1:4", 'alias "*x" is refused', "write the value out here")]),
        (
            "a: {b: 1}\nc:\n  <<: {d: 1}\n",
            [("Y109", "3:3", "merge keys (`<<`) are refused", "write the keys out")],
        ),
        (
            "a: !!python/object:os.system x\n",
            [
                (
                    "Y110",
                    "1:4",
                    'tag "tag:yaml.org,2002:python/object:os.system" is refused',
                    "write the plain value; its key decides its type",
                )
            ],
        ),
        ("", [("Y104", "1:1", "the file is empty", "write at least one key")]),
        ("# only a comment\n", [("Y104", "1:1", "the file is empty", "write at least one key")]),
        ("---\n", [("Y104", "1:1", "the file is empty", "write at least one key")]),
        (
            "a: 1\n---\nb: 1\n---\nc: 1\n",
            [("Y106", "2:1", "a second document starts here", "keep one document; use a file for each")],
        ),
        (
            "a: " + "[" * 32 + "]" * 32,
            [
                (
                    "Y111",
                    "1:35",
                    "the nesting is deeper than 32 levels",
                    "flatten it; look for a bracket that is not closed",
                )
            ],
        ),
        (
            "[a]: 1\n? {b: 1}\n: 2\n'': 3\n",
            [
                ("Y112", "1:1", "a key must be a plain word", "write `key: value` with a name before the colon"),
                ("Y112", "2:3", "a key must be a plain word", "write `key: value` with a name before the colon"),
                ("Y112", "4:1", "a key must be a plain word", "write `key: value` with a name before the colon"),
            ],
        ),
        ("a: x\x07y\n", [("Y102", "1:5", "control character U+0007", "remove it; it does not show in editors")]),
        (
            "a: 1\nb: \x85\x9b\n",
            [("Y102", "2:5", "control character U+009B", "remove it; it does not show in editors")],
        ),
        (
            "a: &x !!str 1\na: *x\n",
            [
                ("Y108", "1:4", 'anchor "&x" is refused', "write the value out where it is used"),
                (
                    "Y110",
                    "1:4",
                    'tag "tag:yaml.org,2002:str" is refused',
                    "write the plain value; its key decides its type",
                ),
                (
                    "Y107",
                    "2:1",
                    'key "a" stands twice; first at line 1, column 1',
                    "remove one; a list of rows goes under one key",
                ),
                ("Y108", "2:4", 'alias "*x" is refused; its anchor is at line 1, column 4', "write the value out here"),
            ],
        ),
    ],
)
def test_what_readers_disagree_about_is_refused(text: str, found: list[tuple[str, str, str, str]]) -> None:
    assert findings_of(text) == found


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ("a: b: c\n", "1:5", QUOTE_WORDS),
        ("a:\n\tb: 1\n", "2:1", "indent with spaces, not with tabs"),
        ("a: @b\n", "1:4", "put the value in quotes"),
        ("a: [1, 2\nb: 3\n", "2:2", QUOTE_WORDS),
        ("a: 'b\n", "2:1", QUOTE_WORDS),
    ],
)
def test_broken_syntax_is_one_finding_with_a_way_out(text: str, place: str, hint: str) -> None:
    [(code, at, message, found_hint)] = findings_of(text)
    assert (code, at, message.startswith("the text is not YAML: "), found_hint) == ("Y105", place, True, hint)


def test_a_file_over_the_limit_is_not_parsed() -> None:
    text = "a: [\n" + "x" * yaml_nodes.SIZE_LIMIT
    assert findings_of(text) == [
        (
            "Y103",
            "1:1",
            f"the file has {len(text)} bytes, the limit is 262144",
            "split it; a flow that long cannot be read aloud",
        )
    ]


def test_a_file_at_the_limit_is_read() -> None:
    head = "a: '"
    read_nodes(head + "x" * (yaml_nodes.SIZE_LIMIT - len(head) - 1) + "'", file="f.yaml")


def test_nesting_at_the_limit_is_read() -> None:
    assert isinstance(read_nodes("[" * 32 + "]" * 32, file="f.yaml"), Listing)


def test_a_bomb_of_brackets_cannot_exhaust_the_stack() -> None:
    assert [found[0] for found in findings_of("[" * 900 + "]" * 900)] == ["Y111"]


def test_bytes_that_are_not_utf8_are_refused_at_their_place() -> None:
    with pytest.raises(FlowError) as caught:
        decode(b"a: 1\nb: \xff\n", file="f.yaml")
    [found] = caught.value.findings
    assert (found.code, str(found.span), found.message, found.hint) == (
        "Y101",
        "f.yaml:2:4",
        "byte 0xff is not UTF-8 text",
        "save the file as UTF-8",
    )


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert decode(b"\xef\xbb\xbfa: 1\n", file="f.yaml") == "a: 1\n"
    assert isinstance(read_nodes("\ufeffa: 1\n", file="f.yaml"), Mapped)


@given(st.text(max_size=60) | st.text(alphabet="[]{}:,-#&*!|>'\"%@`? \n\tab<", max_size=40))
def test_any_text_is_read_or_refused_with_findings(text: str) -> None:
    faults = Faults()
    node = parse_nodes(text, faults, file="f.yaml")
    assert (node is None) <= bool(faults.findings)
