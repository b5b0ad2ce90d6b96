"""What a proof of the eagle flow costs: states, states a second, seconds and memory, at the default bounds.

    python bench/prove.py

Seconds are those of one core, so that other programs on the machine count less; the memory is the process's peak.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time

from figures import ROOT, print_machine

sys.path.insert(0, str(ROOT))

from cli.locate import read_flow_source
from cli.prove import no_collection
from cli.setups import sound_flow
from engine.verify.bounds import FAULTS, parts_of
from engine.verify.proof import prove


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flow", default="eagle_chicken")
    options = parser.parse_args()
    print_machine()
    flow = sound_flow(read_flow_source(options.flow))
    print(f"{'faults':>8}{'takers':>8}{'states':>12}{'actions':>12}{'seconds':>10}{'states/s':>10}{'MiB':>8}  verdict")
    first = time.process_time()
    for bounds in parts_of(flow, {}, settings={}, kinds=FAULTS, deep=False):
        began = time.process_time()
        with no_collection():
            proof = prove(flow, bounds)[1]
            took = time.process_time() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{bounds.faults:>8}{bounds.takers:>8}{proof.states:>12,}{proof.edges:>12,}{took:>10.1f}"
            f"{proof.states / took:>10,.0f}{peak:>8.0f}  {proof.verdict.value}"
        )
    in_all = time.process_time() - first
    print(f"in all {in_all:.1f} s of one core; targets: <= 60 s, >= 5,000 states/s, <= 1 GB at 200 thousand states")
    print_machine()


if __name__ == "__main__":
    main()
