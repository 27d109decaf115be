"""From the start of a process until every chain can take its first step, cold and warm, beside nutpie's own compiler.

python benchmarks/first_draw.py [--models longitudinal joint means rates trials] [--nutpie] [--out FILE]

Each row is a process of its own: cold with empty caches, then warm with the caches that it left. With `--nutpie` also
the same model compiled by `nutpie.compile_pymc_model`. CPU seconds of the process, imports and building included.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CHAINS = 4


def longitudinal() -> Any:
    """108 simulated persons, NfL and ALSFRS-R by preset."""
    from bayesmodels import LongitudinalModel

    return LongitudinalModel(outcomes=("nfl_plasma", "alsfrs_r")).build(trial())


def joint() -> Any:
    """The same persons, and their deaths."""
    from bayesmodels import Event, JointEventModel

    return JointEventModel(outcomes=("nfl_plasma", "alsfrs_r"), events=(Event(name="death"),)).build(trial())


def means() -> Any:
    """VALOR's published means, NfL and ALSFRS-R together."""
    from bayesmodels.models.published_means.valor import valor_means_model
    from bayesmodels.study.evidence import means_table

    return valor_means_model().build(means_table(outcomes=("nfl_plasma", "alsfrs_r")))


def rates() -> Any:
    """A simulated platform trial of two regimens, 180 persons."""
    from bayesmodels import SharedRateModel
    from bayesmodels.simulation.platform_trial import PlatformDesign, PlatformTruth, simulate_platform_trial
    from bayesmodels.study import Study

    made = simulate_platform_trial(PlatformDesign(regimens=2, active=60, control=30), PlatformTruth(), 4)
    study = Study.from_frames(
        made.persons, made.visits, made.events, name="platform", reference_group="placebo", curve_weeks=(0.0, 24.0),
        extra_limits={"alsfrs_r": (-1000.0, 1000.0, False)},
    )  # fmt: skip
    return SharedRateModel(regimen_column="regimen").build(study)


def trials() -> Any:
    """The packaged ALS trials, bivariate random effects."""
    from bayesmodels import TrialLevelModel
    from bayesmodels.study.evidence import trial_table

    return TrialLevelModel(surrogate_scale=0.3, outcome_scale=0.25).build(trial_table())


def trial() -> Any:
    """Study of a simulated trial like VALOR."""
    from bayesmodels.simulation import published_truth, simulate_trial, valor_design
    from bayesmodels.study import Study

    made = simulate_trial(valor_design(72, 36), published_truth(), seed=1)
    return Study.from_frames(made.persons, made.visits, made.events, name="simulated", reference_group="delayed")


MODELS = {each.__name__: each for each in (longitudinal, joint, means, rates, trials)}


def cpu() -> float:
    """User and system seconds of this process and its children."""
    t = os.times()
    return t.user + t.system + t.children_user + t.children_system


def child(name: str, compiler: str) -> None:
    """Build and compile one model, evaluate every chain's start, and print the seconds as JSON."""
    pm_model = MODELS[name]()
    built = cpu()
    if compiler == "nutpie":
        import nutpie

        nutpie.compile_pymc_model(pm_model, var_names=[rv.name for rv in pm_model.free_RVs if rv.name[0] != "_"])
        print(json.dumps({"built": built, "ready": cpu()}))
        return
    from bayesmodels.fitting import compile_model

    compiled = compile_model(pm_model)
    compiled.for_nutpie()
    starts = [compiled.start(seed) for seed in range(CHAINS)]
    for start in starts:
        compiled.evaluate(start, *compiled.data.values())
    ready, began = cpu(), time.thread_time()
    for _ in range(500):
        compiled.evaluate(starts[0], *compiled.data.values())
    gradient = (time.thread_time() - began) / 500
    print(json.dumps({"built": built, "ready": ready, "gradient": gradient, "numbers": compiled.size}))


def measured(name: str, compiler: str, caches: str) -> dict[str, float]:
    """One process, its compiled code kept under `caches`."""
    env = os.environ | {"NUMBA_CACHE_DIR": f"{caches}/numba", "PYTENSOR_FLAGS": f"base_compiledir={caches}/pytensor"}
    command = [sys.executable, __file__, "--child", name, compiler]
    began = time.monotonic()
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.strip().splitlines()[-1]) | {"wall": time.monotonic() - began}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--nutpie", action="store_true", help="nutpie's own compiler too: minutes")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        return child(*given.child)
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Process start to the first step of every chain; CPU seconds")
    for column in (
        "model",
        "compiler",
        "caches",
        "imports and build",
        "compile or load",
        "ready",
        "wall",
        "gradient, us",
    ):
        table.add_column(column, justify="left" if column in ("model", "compiler", "caches") else "right")
    rows = []
    for name in given.models:
        for compiler in ("bayesmodels", "nutpie") if given.nutpie else ("bayesmodels",):
            with tempfile.TemporaryDirectory() as caches:
                for state in ("cold", "warm"):
                    found = measured(name, compiler, caches)
                    rows.append({"model": name, "compiler": compiler, "caches": state} | found)
                    table.add_row(
                        name, compiler, state, f"{found['built']:.1f}", f"{found['ready'] - found['built']:.1f}",
                        f"{found['ready']:.1f}", f"{found['wall']:.1f}",
                        f"{found['gradient'] * 1e6:.0f}" if "gradient" in found else "",
                    )  # fmt: skip
    Console(width=140).print(table)
    if given.out:
        given.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return None


if __name__ == "__main__":
    main()
