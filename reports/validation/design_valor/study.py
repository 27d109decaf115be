"""What a trial like VALOR could show: power of 28 weeks and 108 persons, and the size at which function separates.

    python -m validation.design_valor --out reports/validation/design_valor

The design `data/examples/valor_design.toml`, analysed fast over a grid, is run (or gone on with) in runs/studies. A
fitted model stands beside it where `data/examples/valor_design_model.toml` (108 persons, 28 weeks, the default model of
persons fitted to every simulated trial) has been run before:

    bayesmodels design data/examples/valor_design_model.toml --out runs/studies/valor_design_model

One cell more, of the same endpoints, has the share of the decline removed that gives VALOR's published difference.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.optimize import brentq

from bayesmodels.fitted import versions
from bayesmodels.planning import Grid, plan_trial, read_design_config
from bayesmodels.planning.effects import REMOVED, changed_truth, decline_removed_of
from bayesmodels.planning.job import run_design
from bayesmodels.study.evidence import load
from bayesmodels.trials.job import ROWS
from bayesmodels.trials.results import Results, read_results, rendered
from bayesmodels.trials.truths import Design, GeneratorTruth, Reading, SimulatedStudies

COMMAND = "python -m validation.design_valor --out reports/validation/design_valor"
FAST, MODEL = Path("data/examples/valor_design.toml"), Path("data/examples/valor_design_model.toml")
RUNS = Path("runs/studies")
PERSONS, WEEKS = 108, 28
TRIALS = 2000
"""Simulated trials of an effect as large as the published estimate."""

FUNCTION = f"difference[alsfrs_r, early - delayed, all, week {WEEKS}]"
FIGURES = ("power_function_1", "power_function_2")
"""Figures of the fast design that are kept."""


def results() -> Results:
    """Run the fast design where it is not finished, and keep its tables; of the other what was run before."""
    fast = _manifest(FAST)
    if fast.get("status") != "finished":
        run_design(FAST, RUNS / FAST.stem)
        fast = _manifest(FAST)
    model = _manifest(MODEL) if (RUNS / MODEL.stem / ROWS).is_file() else None
    tables = {name: _table(FAST, name) for name in ("cells", "sizes", "looks", "programmes")}
    if model is not None:
        tables["model_cells"] = _table(MODEL, "cells")
    places = {name: RUNS / FAST.stem / "figures" / f"{name}.png" for name in FIGURES}
    as_large, told = as_published()
    tables["as_published"] = as_large
    manifest = {
        "study": "A planned trial in VALOR's own situation",
        "command": COMMAND,
        "fast": _counts(FAST, fast),
        "model": None if model is None else _counts(MODEL, model),
        "as_published": told,
        "collections": {
            "number": fast["collections"],
            "not_converged": fast["collections_not_converged"],
            "cpu_seconds": fast["collections_cpu_seconds"],
        },
        "versions": versions(),
    }
    figures = {name: place.read_bytes() for name, place in places.items() if place.is_file()}
    return Results({**tables, "published": published()}, manifest, figures)


def _manifest(config: Path) -> dict[str, Any]:
    place = RUNS / config.stem / "manifest.json"
    return json.loads(place.read_text(encoding="utf-8")) if place.is_file() else {}


def _table(config: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(RUNS / config.stem / "tables" / f"{name}.csv")


def _counts(config: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    kept = (
        "digest",
        "engine",
        "cells",
        "planned",
        "trials",
        "failed",
        "verdicts",
        "cpu_seconds",
        "compile_cpu_seconds",
    )
    return {"configuration": config.as_posix(), **{name: manifest[name] for name in kept}}


def published() -> pd.DataFrame:
    """VALOR's published differences at week 28, all randomised, with source and certainty."""
    table = load("valor_contrasts").table
    own = table[(table["stratum"] == "all") & (table["week"].astype(str) == str(WEEKS))]
    own = own[own["outcome"].isin(["alsfrs_r", "nfl_plasma"])]
    return own[["outcome", "quantity", "value", "lower", "upper", "n", "certainty", "source"]]


def as_published() -> tuple[pd.DataFrame, dict[str, float]]:
    """Cells of a trial whose true difference on function is the published estimate, and the calibrated difference."""
    wanted = float(published().set_index("outcome").loc["alsfrs_r", "value"])
    design, truth = Design(), GeneratorTruth()
    share = brentq(lambda removed: true_difference(removed) - wanted, 0.0, REMOVED[1], xtol=0.002)
    began = time.process_time()
    found = plan_trial(
        grid=Grid(persons=(PERSONS,), period_weeks=(WEEKS,), decline_removed=(round(share, 2),)),
        endpoints=read_design_config(FAST).sections.endpoints, design=design, truth=truth, trials=TRIALS, seed=1,
    )  # fmt: skip
    return found.table, {
        "trials": TRIALS,
        "cpu_seconds": round(time.process_time() - began, 1),
        "calibrated_decline_removed": round(decline_removed_of(truth.generator, design.trial.faster_share), 4),
        "calibrated_difference": round(true_difference(None), 4),
    }


def true_difference(removed: float | None) -> float:
    """True difference on function, points, of a drug that removes a share of the decline; None: as calibrated."""
    design = Design()
    truth = changed_truth(GeneratorTruth(), design.trial.faster_share, decline_removed=removed)
    return SimulatedStudies(design, truth, Reading(), (0.0, float(WEEKS))).truths(("difference",))[FUNCTION]


def page(folder: Path) -> str:
    """Return the page of a folder of the study's tables."""
    files = read_results(folder)
    cells, sizes, looks = files["cells"], files["sizes"], files["looks"]
    here = cells[(cells["persons"] == PERSONS) & (cells["period_weeks"] == WEEKS)]
    return rendered(
        Path(__file__).with_name("page.md.j2"),
        {
            "command": COMMAND,
            "manifest": files["manifest"],
            "here": here,
            "as_large": files["as_published"][files["as_published"]["outcome"] == "alsfrs_r"],
            "model": files.get("model_cells"),
            "model_configuration": MODEL.as_posix(),
            "published": files["published"].set_index("outcome"),
            "sizes": sizes[sizes["endpoint"] == "function"],
            "nfl_sizes": sizes[sizes["endpoint"] == "NfL"],
            "assurance": cells[(cells["measure"] == "assurance") & (cells["endpoint"] == "function")],
            "looks": looks[(looks["period_weeks"] == 52) & looks["persons"].isin([PERSONS, 1728])],
            "supported": files["programmes"][files["programmes"]["verdict"] == "supported"],
            "figures": [name for name in FIGURES if (folder / f"{name}.png").is_file()],
            "persons": PERSONS,
            "weeks": WEEKS,
        },
    )
