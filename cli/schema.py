"""`eagle schema`: what an editor needs to complete and explain a flow or a config."""

from __future__ import annotations

import click

from cli.options import FILE
from cli.streams import write_result


@click.command()
@click.argument("flow_path", type=FILE, required=False, metavar="[FLOW]")
@click.option(
    "--for", "what", type=click.Choice(["flow", "config"]), default="flow", show_default=True, help="Of what."
)
def schema(flow_path: str | None, what: str) -> int:
    """Print a JSON Schema for editors.

    Without FLOW the one that ships, with every event, verb and fact. With FLOW also its own words: states as targets,
    settings, counters, legs and own events; for a config its settings and roles. It completes and explains; faults are
    told by `eagle validate`. See docs/editors.md.

    \b
    Examples:
      eagle schema > flow.schema.json
      eagle schema flows/twap.yaml > twap.schema.json
      eagle schema flows/twap.yaml --for config > twap_config.schema.json
    """
    import json
    from importlib import resources

    from cli.locate import read_flow_source
    from engine.chart.editor import completed_config, completed_schema
    from engine.chart.load import load_flow
    from engine.trading.vocabulary import facts_of, trading_vocabulary

    shipped = json.loads(resources.files("schemas").joinpath(f"{what}.schema.json").read_text("utf-8"))
    if flow_path is not None:
        source = read_flow_source(flow_path)
        flow = load_flow(source.text, file=source.file, vocabulary=trading_vocabulary())
        if what == "config":
            shipped = completed_config(shipped, flow)
        else:
            shipped = completed_schema(shipped, trading_vocabulary(), facts=facts_of(flow), flow=flow)
    write_result(json.dumps(shipped, indent=2, ensure_ascii=False))
    return 0
