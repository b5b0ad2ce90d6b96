"""Checks flows, configs and transition tables as far as that goes without running them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cli.findings import counted
from cli.locate import Source, flow_path_for, flow_path_of_table, read_flow_source
from engine.chart.load import load_flow
from engine.chart.model import Finding, Flow, FlowError, Mapped, Severity, Span
from engine.chart.report import as_text
from engine.chart.validate import check
from engine.chart.yaml_nodes import read_nodes
from engine.runtime.config_values import Config
from engine.runtime.hedger_json import JsonOptions
from engine.trading.plan import DIRECTIONAL, is_hedged
from engine.trading.vocabulary import trading_vocabulary

# What a file is, by keys that it has: the first that fits, because tables and configs name their flow, and flows have
# accounts too.
KINDS: Sequence[tuple[str, frozenset[str]]] = (
    ("table", frozenset({"table", "rows"})),
    ("flow", frozenset({"states", "legs"})),
    ("config", frozenset({"market", "markets", "venues", "use", "token_parameter", "private_ws_client"})),
    ("flow", frozenset({"flow"})),
    ("config", frozenset({"version", "accounts"})),
)


@dataclass(slots=True)
class Checker:
    """Collects the findings of several files; flows come first, because configs and tables are read against them."""

    flow_path: str | None
    json_options: JsonOptions | None = None
    findings: list[Finding] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # no faults: the cost of a round on paper (S10), no hedging
    configs: list[tuple[Config, Flow]] = field(default_factory=list)  # those that could be read
    flows: dict[str, Flow | None] = field(default_factory=dict)  # by file; None for one that cannot be used

    def check(self, files: Sequence[str]) -> None:
        sources = []
        for path in files:
            try:
                sources.append(read_flow_source(path))
            except FlowError as wrong:
                self.findings += wrong.findings
                self.told.append(f"{path} (unknown)")
        self.check_sources(sources)

    def check_sources(self, sources: Sequence[Source]) -> None:
        """As `check`, for texts that were read or are still to be written."""
        checks = {"flow": self._flow, "config": self._config, "table": self._table}
        by_kind: dict[str, list[Source]] = {kind: [] for kind in checks}
        for source in sources:
            kind = self._kind(source)
            self.told.append(f"{source.file} ({kind or 'unknown'})")
            if kind is not None:
                by_kind[kind].append(source)
        for kind, members in by_kind.items():
            for source in members:
                try:
                    checks[kind](source)
                except FlowError as wrong:
                    self.findings += wrong.findings

    def as_text(self, *, colour: bool) -> str:
        """Every finding at its line, and what the files are."""
        blocks = [as_text(self.findings, self.texts, colour=colour)] if self.findings else []
        return "\n\n".join([*blocks, f"{', '.join(self.told)}: {counted(self.findings)}"])

    def _kind(self, source: Source) -> str | None:
        """What the top-level keys say; None, and a finding, for a file that says nothing."""
        self.texts[source.file] = source.text
        try:
            root = read_nodes(source.text, file=source.file)
        except FlowError as wrong:
            self.findings += wrong.findings
            return None
        keys = root.entries.keys() if isinstance(root, Mapped) else set()
        for kind, words in KINDS:
            if keys & words:
                return kind
        self.findings.append(
            Finding(
                "F202", Severity.ERROR, Span(source.file, 1, 1, 1, 2),
                "this is no flow (it has `states`), no config (`venues`) and no table (`rows`)",
                "check that it is the right file",
            )
        )  # fmt: skip
        return None

    def _flow(self, source: Source) -> None:
        self.flows[source.file] = None
        flow = load_flow(source.text, file=source.file, vocabulary=trading_vocabulary())
        self.flows[source.file] = flow
        self.findings += check(flow)
        if not is_hedged(flow):
            self.notes.append(f"{source.file}: {DIRECTIONAL}")

    def _flow_at(self, path: str) -> Flow | None:
        """A flow that was not among the files; its findings count, because nothing can be checked against a bad one."""
        source = read_flow_source(path)
        if source.file not in self.flows:
            self.texts[source.file] = source.text
            self._flow(source)
        return self.flows[source.file]

    def _config(self, source: Source) -> None:
        from cli.costs import on_paper
        from engine.runtime.config import load_config, masked

        self.texts[source.file] = masked(source.text)
        flow = self._flow_of(source)
        if flow is not None:
            config = load_config(source.text, file=source.file, flow=flow, json_options=self.json_options)
            self.configs.append((config, flow))
            found, cost = on_paper(config, flow)
            self.findings += found
            if cost:
                self.notes.append(f"{source.file}: {cost}")

    def _flow_of(self, config: Source) -> Flow | None:
        from engine.runtime.config import flow_named

        given = list(self.flows.values())
        if self.flow_path is None:
            named = flow_named(config.text, file=config.file)
            if named is None and len(given) == 1:
                return given[0]
            by_name = {flow.name: flow for flow in given if flow is not None}
            if named in by_name:
                return by_name[named]
        return self._flow_at(self.flow_path or flow_path_for(config))

    def _table(self, source: Source) -> None:
        from engine.chart.table import bind_table, load_table

        table = load_table(source.text, file=source.file)
        given = {flow.name: flow for flow in self.flows.values() if flow is not None}
        flow = given.get(table.flow) or self._flow_at(flow_path_of_table(table.flow, table=source.file))
        if flow is not None:
            bind_table(table, flow)
