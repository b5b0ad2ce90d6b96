"""The config of a run without --config: the demo pool, its roles and settings as the flow declares them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources

from cli.locate import CannotUse, Source
from engine.chart.model import Flow
from engine.chart.units import shown
from engine.runtime.config import roles_of

POOL = "demo_pool.yaml"
ACCOUNTS = ("hawk", "chick-1", "chick-2", "chick-3")  # of the pool, in the order in which roles are filled


def demo_config(flow: Flow) -> Source:
    """Every role has accounts of the pool, every setting its example or else its default. Raises: CannotUse."""
    wanting = [name for name, setting in flow.settings.items() if setting.required and setting.example is None]
    if wanting:
        raise CannotUse(
            f"{flow.name} has no demo: {', '.join(wanting)} {'has' if len(wanting) == 1 else 'have'} neither a default"
            f" nor an example; give a config, `eagle init --flow {flow.name}` writes one"
        )
    pool = resources.files("schemas").joinpath(POOL).read_text("utf-8")
    return Source("demo_config.yaml", "\n".join([pool.rstrip(), *_use(flow), *_settings(flow), ""]))


def _use(flow: Flow) -> Iterator[str]:
    specs = roles_of(flow)
    single = [name for name, spec in specs.items() if not spec.many]
    if len(single) > len(ACCOUNTS) or (len(single) < len(specs) and len(single) == len(ACCOUNTS)):
        raise CannotUse(f"{flow.name} has no demo: it has more roles than the demo pool has accounts; give a config")
    yield "use:"
    for name, account in zip(single, ACCOUNTS, strict=False):
        yield f"  {name}: {account}"
    for name, spec in specs.items():
        if spec.many:
            yield f"  {name}: [{', '.join(ACCOUNTS[len(single) :])}]"


def _settings(flow: Flow) -> Iterator[str]:
    examples = {name: setting for name, setting in flow.settings.items() if setting.example is not None}
    if examples:
        yield "settings:"
        yield from (f"  {name}: {shown(setting.example, setting.type)}" for name, setting in examples.items())
