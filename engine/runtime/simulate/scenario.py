"""What a seed stands for: the venues, their sizes, the network and the settings of one simulated run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.runtime.chance import Stream

__all__ = ["Scenario", "VenueDraw", "draw_scenario"]

WAYS_MS = ((2, 8), (5, 25), (20, 80))  # one way, from a machine beside the venue to one on another continent
LOTS = (1, 1, 10)  # a taker's lot in those of the maker: S19 wants unequal ones
MAKER = "hawk"  # or who is listened to, in a flow that hedges somebody else's fills
SOURCE = "bifu"  # the kind of venue where that is possible
TAKERS = ("chick", "hen", "duck")
SETTINGS: Mapping[str, tuple[str, ...]] = {
    "maker_side": ("buy", "sell", "alternate"),
    "confirm_before_cancel": ("query", "query", "stream"),
    "cleanup_rounds": ("2", "3", "5"),
    "hold": ("100..300ms", "200..800ms", "1000..2000ms"),
}
LISTENING: Mapping[str, tuple[str, ...]] = {  # of a flow that hedges somebody else's fills
    "min_qty": ("0", "0", "0.03"),
    "max_age": ("1s", "3s"),
    "slippage": ("10bps", "30bps"),
}


@dataclass(frozen=True, slots=True)
class VenueDraw:
    """One venue and who trades there. `lot` is in lots of the market."""

    name: str
    kind: str
    accounts: tuple[str, ...]
    lot: int = 1


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that a seed decides before the run begins; equal scenarios with equal plans run alike."""

    seed: int
    rounds: int
    venues: tuple[VenueDraw, ...]
    way_ms: tuple[int, int]
    shuffled: bool  # tasks that are ready together go on in an order of chance
    settings: Mapping[str, str]
    stop_after_s: int = 0  # asked to stop in order then, with all faults switched off; 0: it ends by itself

    @property
    def source(self) -> str:
        """The account that is listened to, empty where there is none."""
        return MAKER if self.venues[0].kind == SOURCE else ""

    @property
    def takers(self) -> tuple[str, ...]:
        return tuple(name for venue in self.venues for name in venue.accounts if name != MAKER)

    def lines(self) -> list[str]:
        """For a person, and for a bug report."""
        places = "; ".join(
            f"{it.name} ({it.kind}, lot x{it.lot}): {', '.join(it.accounts)}" for it in self.venues
        )  # fmt: skip
        chosen = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        order = "shuffled" if self.shuffled else "plain"
        stop = f", stop after {self.stop_after_s} s" if self.stop_after_s else ""
        rounds = f"{self.source} is listened to" if self.source else f"{self.rounds} rounds"
        return [
            f"seed {self.seed}: {rounds}{stop}; {places}",
            f"one way {self.way_ms[0]}..{self.way_ms[1]} ms, {order} tasks; {chosen}",
        ]


def draw_scenario(
    seed: int, *, kinds: Sequence[str], rounds: int, settings: Mapping[str, str], offered: Sequence[str],
    listens: bool = False,
) -> Scenario:  # fmt: skip
    """`settings` are those that are given; the others of SETTINGS that the flow `offered` are drawn.

    One that `listens` has no rounds: it goes on for about four seconds for each, and is asked to stop.
    """
    chance = Stream(seed, "scenario")
    takers = TAKERS[: 1 + chance.below(len(TAKERS))]
    maker_kind, taker_kind = (kinds[chance.below(len(kinds))] for _ in range(2))
    lot = LOTS[chance.below(len(LOTS))]
    venues: tuple[VenueDraw, ...]
    if listens:
        venues = (VenueDraw("one", SOURCE, (MAKER,)), VenueDraw("two", taker_kind, takers, lot))
    elif maker_kind == taker_kind and not chance.below(3):
        venues = (VenueDraw("one", maker_kind, (MAKER, *takers)),)
    else:
        venues = (VenueDraw("one", maker_kind, (MAKER,)), VenueDraw("two", taker_kind, takers, lot))
    known = LISTENING if listens else SETTINGS
    drawn = {name: values[chance.below(len(values))] for name, values in known.items()}
    return Scenario(
        seed=seed, rounds=rounds, venues=venues, way_ms=WAYS_MS[chance.below(len(WAYS_MS))],
        shuffled=bool(chance.below(2)),
        settings={name: value for name, value in drawn.items() if name in offered} | dict(settings),
        stop_after_s=0 if chance.below(3) and not listens else 5 + chance.below(4 * rounds),
    )  # fmt: skip
