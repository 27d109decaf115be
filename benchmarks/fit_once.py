"""Fit one of `FORMS` or `JOINT_FORMS` in this process: one line of JSON: CPU seconds by phase, wall, worst ESS."""

from __future__ import annotations

import argparse
import json
import os
import time


def cpu() -> float:
    """User and system seconds of this process and its children since it started."""
    t = os.times()
    return t.user + t.system + t.children_user + t.children_system


def add_sampling(parser: argparse.ArgumentParser) -> None:
    """Options of every script that samples."""
    for name, default in {"draws": 1000, "tune": 1000, "chains": 4, "cores": 2, "seed": 1}.items():
        parser.add_argument(f"--{name}", type=int, default=default)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("form")
    add_sampling(parser)
    given = parser.parse_args()
    began, marks = time.monotonic(), {}

    from forms import FORMS
    from joint_forms import JOINT_FORMS

    from bayesmodels.fitting import NutsSettings, compile_model, sample

    marks["imports and data"] = cpu()
    model, parameters = (FORMS | JOINT_FORMS)[given.form]()
    marks["build"] = cpu()
    compiled = compile_model(model)
    marks["compile"] = cpu()
    settings = NutsSettings(
        draws=given.draws, tune=given.tune, chains=given.chains, cores=given.cores, seed=given.seed, progress=False
    )
    phases: list[str] = []

    def note(phase: str) -> None:
        if phase == "published variables":
            marks["sample"] = cpu()
        phases.append(phase)

    tree = sample(model, settings, compiled=compiled, on_phase=note)
    marks["published variables"] = cpu()
    result = {"wall": time.monotonic() - began, "total": cpu()}
    seconds, before = {}, 0.0
    for name, mark in marks.items():
        seconds[name], before = mark - before, mark
    judged = parameters(tree["posterior"].to_dataset())
    ess, where = worst_bulk_ess(judged)
    associations = {name: values for name, values in judged.items() if "association" in name or name == "alpha"}
    stats = tree["sample_stats"]
    result |= {
        "seconds": seconds,
        "ess": ess,
        "worst": where,
        "association_ess": worst_bulk_ess(associations)[0] if associations else None,
        "rhat": worst_rhat(judged),
        "divergences": int(stats["diverging"].sum()),
        "gradients": int(stats["n_steps"].sum()) if "n_steps" in stats else None,
    }
    print(json.dumps(result))


def worst_bulk_ess(parameters) -> tuple[float, str]:
    """Smallest rank-normalised bulk ESS and whose it is; constants and undefined entries left out."""
    import numpy as np
    from arviz_stats.base import array_stats

    worst = (float("inf"), "")
    for name, values in parameters.items():
        for index in np.ndindex(values.shape[2:]):
            draws = values[(..., *index)]
            if np.isfinite(draws).all() and np.ptp(draws) > 1e-12:
                ess = float(array_stats.ess(draws, chain_axis=0, draw_axis=1, method="bulk"))
                worst = min(worst, (ess, f"{name}{list(index)}"))
    return worst


def worst_rhat(parameters) -> float:
    """Largest rank R-hat."""
    import numpy as np
    from arviz_stats.base import array_stats

    return max(
        float(array_stats.rhat(values[(..., *index)], chain_axis=0, draw_axis=1, method="rank"))
        for values in parameters.values()
        for index in np.ndindex(values.shape[2:])
        if np.isfinite(values[(..., *index)]).all() and np.ptp(values[(..., *index)]) > 1e-12
    )


if __name__ == "__main__":
    main()
