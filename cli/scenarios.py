"""Scenarios of `eagle test` and `eagle prove`: led through a run, and saved."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.streams import GREEN, RED, paint

if TYPE_CHECKING:
    from cli.locate import Source
    from engine.chart.journey import Hop
    from engine.chart.model import Flow
    from engine.verify.script import Script


@dataclass(frozen=True, slots=True)
class Scenario:
    """What became of one; `why` is empty where all went as written. `to` is where the chart was to be then."""

    file: str
    name: str
    steps: int
    why: str
    flow: Flow
    hops: tuple[Hop, ...]
    told: tuple[str, ...]
    to: str

    def line(self) -> str:
        if not self.why:
            return f"{self.file}: {paint('ok', GREEN, stream=sys.stdout)}   {self.name} ({self.steps} steps as written)"
        head = f"{self.file}: {paint('FAIL', RED, stream=sys.stdout)} {self.name}: {self.why}"
        return "\n".join([head, *(f"  {line}" for line in self.told)])

    def record(self) -> dict[str, object]:
        said = {"scenario": self.name, "file": self.file, "ok": not self.why, "steps": self.steps, "why": self.why}
        return said | ({"trace": list(self.told)} if self.why else {})


def is_scenario(text: str) -> bool:
    return re.search(r"^scenario:", text, flags=re.MULTILINE) is not None


def run_scenario(source: Source) -> Scenario:
    """Raises: FlowError for a file that cannot be used, CannotUse for a flow that is not there."""
    from cli.locate import flow_path_of_table, read_flow_source
    from cli.rehearsal import rehearse
    from cli.setups import sound_flow
    from engine.verify.script import read_script

    script = read_script(source.text, file=source.file)
    flow = sound_flow(read_flow_source(flow_path_of_table(script.flow, table=source.file)))
    done = rehearse(flow, script)
    to = script.lines[min(done.steps, len(script.lines) - 1)].state if script.lines else ""
    return Scenario(source.file, script.name, done.steps, done.why, flow, done.hops, done.told, to)


def rehearsed(flow: Flow, script: Script) -> str:
    """A sentence for the person who reads the trace."""
    from cli.rehearsal import rehearse

    done = rehearse(flow, script)
    if done.same:
        return f"led through the real runner and the paper venue: the same, in {done.steps} steps"
    return f"led through the real runner and the paper venue: not the same; {done.why}"


def save(scripts: Sequence[Script], folder: str) -> list[str]:
    """Writes one file each; returns their names. Raises: CannotUse."""
    from cli.locate import CannotUse
    from engine.verify.script import as_yaml

    names = []
    for script in scripts:
        stem = re.sub(r"[^a-z0-9]+", "_", script.name.lower()).strip("_")
        path = Path(folder) / f"{script.flow}_{stem}.yaml"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(as_yaml(script), encoding="utf-8")
        except OSError as error:
            raise CannotUse(f"{path}: cannot be written ({error.strerror}); name another folder with --save") from error
        names.append(str(path))
    return names
