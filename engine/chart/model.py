"""The shapes of a flow: positions, findings, types, the vocabulary it is written in, and the compiled chart.

Knows no trading and performs no I/O. `load` reads text into these, `validate` finds faults in them,
`machine` steps them, `render` draws them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Protocol

# --- where something stands in a file, and what is wrong with it


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a file; lines and columns count from 1, the end is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Severity(Enum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: a stable code, where, what was found against what was expected, and the way out."""

    code: str
    severity: Severity
    span: Span
    message: str
    hint: str = ""


class FlowError(Exception):
    """A file cannot be used. Carries every finding, never only the first."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("; ".join(f"{finding.span}: {finding.message}" for finding in findings))
        self.findings = tuple(findings)


# --- YAML with positions: scalars stay text until a schema types them


@dataclass(frozen=True, slots=True)
class Scalar:
    text: str
    quoted: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Listing:
    items: tuple[Node, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Mapped:
    """A mapping in document order; `keys` gives each key's own scalar with its span."""

    entries: Mapping[str, Node]
    keys: Mapping[str, Scalar]
    span: Span


Node = Scalar | Listing | Mapped


# --- types of expressions, settings and verb parameters


@dataclass(frozen=True, slots=True)
class Type:
    """A unit-carrying type; `members` lists the words of an enumeration (whose values are plain text)."""

    name: str
    members: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


BOOL = Type("bool")
COUNT = Type("count")  # int
QTY = Type("qty")  # Decimal, base units
PRICE = Type("price")  # Decimal, quote per base
MONEY = Type("money")  # Decimal, quote
RATIO = Type("ratio")  # Decimal
BPS = Type("bps")  # Decimal, 1 = 0.01 %
TICKS = Type("ticks")  # int
DURATION = Type("duration")  # int, nanoseconds
DURATION_RANGE = Type("duration range")  # settings only: (low ns, high ns)
SIDE = Type("side", ("buy", "sell"))
STATE = Type("state")
TEXT = Type("text")


class Scope(Protocol):
    """What guards and parameters read; the dotted name `opening.filled` is the attribute path of the same words."""

    event: object
    settings: object
    context: object
    inside: Callable[[str], bool]  # is the current leaf this state or below it


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression. `names` are the dotted names it reads; `value(scope)` computes it."""

    source: str
    span: Span
    type: Type
    names: frozenset[str]
    value: Callable[[Scope], object]


# --- the vocabulary: everything a flow may say beyond the chart itself


@dataclass(frozen=True, slots=True)
class Parameter:
    """A verb's parameter: an expression of `type`, or the name of a thing that a section declares (`refers_to`)."""

    name: str
    about: str
    type: Type | None = None
    refers_to: str | None = None
    required: bool = True
    default: str | None = None  # source text of an expression


@dataclass(frozen=True, slots=True)
class Verb:
    """A registered verb. The first parameter may be given without its name: `{rest: opening}`.

    `replies` verbs finish later: they may only stand in `invoke:`, which gives them a timeout and an error path.
    """

    name: str
    about: str
    parameters: tuple[Parameter, ...] = ()
    replies: bool = False
    reply_attributes: Mapping[str, Type] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventKind:
    """An event that the outside may send. `must_handle`: no state may ignore it (fills, cancels, refusals, stop …)."""

    name: str
    about: str
    attributes: Mapping[str, Type] = field(default_factory=dict)
    must_handle: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a domain section says of itself in a picture, in plain words; `steps` are tried one after the other."""

    title: str
    lines: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SectionResult:
    """What a domain section contributes: its value, names for expressions, names that parameters may refer to, and
    what a picture of the flow shows of it.
    """

    value: object
    names: Mapping[str, Type] = field(default_factory=dict)
    refers: Mapping[str, frozenset[str]] = field(default_factory=dict)  # kind -> declared names
    settings_used: frozenset[str] = frozenset()
    shown: tuple[Sheet, ...] = ()
    unheard: frozenset[str] = frozenset()  # events that cannot come, by what the section says: no cell waits for them


class SectionTools(Protocol):
    """What `load` hands to a section's reader."""

    def report(self, code: str, span: Span, message: str, hint: str = "") -> None: ...

    def expression(self, node: Node, expected: Type, names: Mapping[str, Type]) -> Expression | None:
        """Compile a scalar over `settings.*`, `context.*`, the domain names and `names`; reports and returns None."""

    def literal(self, node: Node, expected: Type) -> object | None:
        """Parse a literal with its unit (`250ms`, `10bps`, `2 ticks`, `0.5`); reports and returns None."""

    def declared(self, kind: str) -> frozenset[str]:
        """What the sections read so far (in the vocabulary's order) declare of this kind."""

    def nearest(self, word: str, among: Sequence[str]) -> str:
        """`; did you mean "x"?` or an empty text."""


SectionReader = Callable[[Node | None, SectionTools], SectionResult]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The domain: engine/trading has one, tests have toys."""

    events: Mapping[str, EventKind]
    verbs: Mapping[str, Verb]
    names: Mapping[str, Type]
    sections: Mapping[str, SectionReader] = field(default_factory=dict)


# --- what a flow declares


@dataclass(frozen=True, slots=True)
class Setting:
    name: str
    type: Type
    default: object | None
    about: str
    span: Span
    above: object | None = None
    at_least: object | None = None
    below: object | None = None
    at_most: object | None = None
    example: object | None = None  # for a demo and for proposals; never taken where a config leaves it out

    @property
    def required(self) -> bool:
        return self.default is None


@dataclass(frozen=True, slots=True)
class Counter:
    """A declared context variable. Counts saturate at `cap`, which keeps the prover's world finite."""

    name: str
    type: Type
    start: object
    cap: int | None
    about: str
    span: Span


@dataclass(frozen=True, slots=True)
class Action:
    """One verb call. Built-in verbs of the chart are `set`, `count`, `reset`, `draw` and `raise`."""

    verb: str
    arguments: Mapping[str, Expression | str]  # an expression, or the name of a declared thing
    span: Span


class RowKind(Enum):
    ON = "on"
    AFTER = "after"
    ALWAYS = "always"
    DONE = "done"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Row:
    """One candidate as written: in which state, on which event, guarded by what, doing what, going where."""

    kind: RowKind
    state: str  # full name of the state that holds it; "" is the chart itself
    event: str  # event name; "after:STATE:DELAY", "done:STATE", "error:STATE" for the chart's own; "" for always
    when: Expression | None
    actions: tuple[Action, ...]
    target: str | None  # full name of a state as written; None stays (internal)
    because: str
    span: Span


@dataclass(frozen=True, slots=True)
class Delay:
    """A state's timer: a setting, a literal or an expression; a range is drawn at entry."""

    event: str  # the event of its rows
    state: str
    source: str  # as written
    setting: str | None
    literal: tuple[int, int] | None
    rows: tuple[Row, ...]
    span: Span
    computed: Expression | None = None  # a duration, read at entry when the entry actions are done


@dataclass(frozen=True, slots=True)
class Invoke:
    """An action that finishes later, with its timeout, retries and both ways out."""

    state: str
    action: Action
    timeout: str | int  # setting or ns
    retries: int | str
    retry_wait: str | int | None
    done: tuple[Row, ...]
    error: tuple[Row, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class StateSpec:
    """A state as written. `name` is the dotted full name; leaves have no children."""

    name: str
    parent: str | None
    children: tuple[str, ...]
    initial: str | None
    final: bool
    resting: bool
    about: str
    entry: tuple[Action, ...]
    exit: tuple[Action, ...]
    rows: tuple[Row, ...]  # on and always, document order
    delays: tuple[Delay, ...]
    invoke: Invoke | None
    ignored: Mapping[str, tuple[str, Span]]  # event -> reason
    deferred: frozenset[str]
    span: Span


@dataclass(frozen=True, slots=True)
class Property:
    """always | never | leads_to | on_entry | on_exit | sometimes: what a prover is to look at; no run checks it."""

    name: str
    kind: str
    expressions: Mapping[str, Expression]  # "when"/"then" of leads_to, "unless" of on_entry with origins, else "holds"
    state: str | None  # on_entry and on_exit only
    span: Span
    origins: tuple[str, ...] = ()  # on_entry: the states from which alone it is entered


# --- the compiled chart: everything resolved, leaf by leaf


@dataclass(frozen=True, slots=True)
class Move:
    """One taken candidate; `target` is None for an internal one."""

    event: str
    source: str
    target: str | None
    row: Row


@dataclass(frozen=True, slots=True)
class Candidate:
    """A transition ready to run from one leaf: exits inner to outer, the row's actions, entries outer to inner."""

    row: Row
    source: str  # leaf
    target: str | None  # leaf after initial descent; None = internal
    exits: tuple[str, ...]
    entries: tuple[str, ...]
    actions: tuple[Action, ...]  # exit actions + row actions + entry actions, in order of execution
    move: Move  # what is told when it is taken


@dataclass(frozen=True, slots=True)
class Flow:
    """A compiled flow: immutable, shared by every stepper, the prover, the renderer and the table tests."""

    name: str
    version: int
    about: str
    file: str
    digest: str  # sha256 of the text, journalled with every run
    text: str
    settings: Mapping[str, Setting]
    context: Mapping[str, Counter]
    states: Mapping[str, StateSpec]  # document order, "" is the root
    leaves: tuple[str, ...]
    initial: str  # leaf
    table: Mapping[
        str, Mapping[str, tuple[Candidate, ...]]
    ]  # leaf -> event -> candidates, innermost and first written first
    always: Mapping[str, tuple[Candidate, ...]]
    deferred: Mapping[str, frozenset[str]]  # leaf -> events
    ignored: Mapping[str, Mapping[str, str]]  # leaf -> event -> reason
    invariants: tuple[Property, ...]
    properties: tuple[Property, ...]
    raised: Mapping[str, str]  # events that the flow itself raises -> about
    sections: Mapping[str, SectionResult]
    vocabulary: Vocabulary
    proof: Mapping[str, Node] = field(default_factory=dict)  # settings of a proof, where they differ from the defaults

    @property
    def heard_events(self) -> tuple[str, ...]:
        """The vocabulary's events that can come in this flow: a cell of every other one would wait for ever."""
        unheard = frozenset[str]().union(*(section.unheard for section in self.sections.values()))
        return tuple(name for name in self.vocabulary.events if name not in unheard)


# --- what a step of the chart yields


class StartTimer(NamedTuple):
    """Ask for `event` back between `low_ns` and `high_ns` from now (equal unless drawn), with this epoch."""

    event: str
    epoch: int
    low_ns: int
    high_ns: int


class CancelTimer(NamedTuple):
    """Forget `event` of this epoch."""

    event: str
    epoch: int


class Outcome(NamedTuple):
    """Result of one run to completion. `effects` holds timers and whatever the domain's verbs returned, in order."""

    moves: tuple[Move, ...]
    effects: tuple[object, ...]
    handled: bool  # a candidate ran, or the event was deferred or ignored with a reason
    deferred: bool = False


Draw = Callable[[int, int], int]  # a whole number in low..high, both included: chance comes from outside


class Perform(Protocol):
    """Runs one domain verb with evaluated arguments; returns its effects. May raise: the step is then undone."""

    def __call__(self, verb: str, arguments: Mapping[str, object], token: int) -> Sequence[object]: ...
