"""Simulation-based calibration of every model: truths from the prior, data sets in NumPy, refits, ranks.

    python -m validation.calibration MODEL --out FOLDER

In a calibrated model the rank of the truth among independent posterior draws is uniform, for any size of the data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from arviz_stats.base import array_stats

from bayesmodels.fitting.refit import judged, stacked
from bayesmodels.reporting.drawing import png_bytes
from bayesmodels.trials.results import Results, convergence_counts, fits_table
from bayesmodels.trials.specification import FitsSpec
from bayesmodels.trials.study import TrialsStudy, Variant
from validation.calibration import (
    joint_event,
    longitudinal,
    one_part,
    one_stage,
    published_means,
    shared_rate,
    trial_level,
    visit_means,
)
from validation.calibration.case import Calibrated
from validation.calibration.ranks import ecdf_figure, ranks_of, uniformity_table

MODELS: dict[str, Calibrated] = {
    "longitudinal": longitudinal.CALIBRATED,
    "longitudinal_normal_rates": longitudinal.NORMAL_RATES,
    "longitudinal_skewed_rates": longitudinal.SKEWED_RATES,
    "longitudinal_correlated_walks": longitudinal.WALKS,
    "longitudinal_one_part": one_part.CALIBRATED,
    "joint_piecewise": joint_event.PIECEWISE,
    "joint_weibull": joint_event.WEIBULL,
    "published_means": published_means.CALIBRATED,
    "one_stage": one_stage.CALIBRATED,
    "shared_rate": shared_rate.CALIBRATED,
    "trial_level": trial_level.NORMAL,
    "trial_level_general": trial_level.GENERAL,
    "visit": visit_means.CALIBRATED,
}


@dataclass(frozen=True, kw_only=True)
class CalibrationSpec(FitsSpec):
    """Specification of a calibration; `variant` is the model.

    Parameters
    ----------
    kept : int
        Draws that a truth is ranked among, evenly spaced over the chains.
    """

    kept: int = 50


def _variant(name: str, title: str, folder: str, trials: int, **settings: Any) -> Variant:
    spec, most = CalibrationSpec(variant=name, **settings), sum(MODELS[name].forms.values())
    title, folder = f"Simulation-based calibration of {title}", f"reports/validation/calibration/{folder}"
    return Variant(title, folder, spec, trials, most=most)


VARIANTS = (
    _variant("longitudinal", "LongitudinalModel", "LongitudinalModel", 200, seed=2, draws=600, kept=25),
    *(
        _variant(
            f"longitudinal_{form}", f"LongitudinalModel, {said}", f"LongitudinalModel-{form}", 200, seed=2, draws=600,
            kept=25,
        )
        for form, said in (
            ("normal_rates", "rates known to be normal"),
            ("skewed_rates", "rates of a known skewness of 1"),
            ("correlated_walks", "correlated random walks"),
        )
    ),
    _variant(
        "longitudinal_one_part", "LongitudinalModel, one part at a time", "LongitudinalModel-one_part",
        one_part.FITS * len(one_part.CHANGES), seed=2, tune=300, draws=800, target_accept=0.8, kept=25,
    ),
    _variant("joint_piecewise", "JointEventModel, piecewise", "JointEventModel", 200, seed=4, draws=500, kept=25),
    _variant("joint_weibull", "JointEventModel, weibull", "JointEventModel-weibull", 200, seed=4, draws=500, kept=25),
    _variant(
        "published_means", "PublishedMeansModel", "PublishedMeansModel", 500, seed=6, chains=2, tune=600,
        target_accept=0.8, kept=200,
    ),
    _variant("one_stage", "OneStageModel", "OneStageModel", 200),
    _variant("shared_rate", "SharedRateModel", "SharedRateModel", 400, target_accept=0.95),
    _variant("trial_level", "TrialLevelModel, normal variant", "TrialLevelModel", 400, target_accept=0.95),
    _variant(
        "trial_level_general", "TrialLevelModel, general variant", "TrialLevelModel-general", 400, target_accept=0.95
    ),
    _variant("visit", "VisitModel, unstructured", "VisitModel", 400),
)  # fmt: skip


def rank_truths(spec: CalibrationSpec, number: int) -> dict[str, Any]:
    """Draw a truth from the whole prior, simulate a data set, refit, and rank every quantity.

    Returns
    -------
    dict
        `ranks`: label to rank among `spec.kept` draws; what the model notes of the data set; convergence; and
        `min_ess_share`, the smallest share of the kept draws of a quantity that is effective.
    """
    model = MODELS[spec.variant]
    form, own = model.place(number)
    rng = spec.stream(own)
    case, refit = model.draw(form, rng), model.refit(form)
    tree = refit.sample(case.arrays, spec.settings(rng))
    refit.use(case.arrays)
    free = stacked(tree["posterior"].to_dataset(), refit.names)
    published = refit.published(free)
    every = np.linspace(0, spec.chains * spec.draws, spec.kept, endpoint=False).astype(int)
    kept = ({name: values[every] for name, values in part.items()} for part in (free, published))
    truths, draws = case.compare(refit, *kept)
    ranks = {name: int(ranks_of(np.atleast_1d(truths[name]), values[None])[0]) for name, values in draws.items()}
    share = min(_effective(values.reshape(spec.chains, -1)) for values in draws.values()) / spec.kept
    noted = {"form": form, **case.notes} if len(model.forms) > 1 else case.notes
    return {**noted, **judged(tree, refit, published), "min_ess_share": round(share, 4), "ranks": ranks}


def _effective(draws: np.ndarray) -> float:
    return float(array_stats.ess(draws, chain_axis=0, draw_axis=1))


def results(records: list[dict[str, Any]], spec: CalibrationSpec) -> Results:
    """Ranks, their uniformity and the fits' convergence; a table and a figure for each form of the model."""
    forms = dict.fromkeys(record.get("form", "") for record in records)
    tables, figures = {}, {}
    for form in forms:
        own, suffix = [record for record in records if record.get("form", "") == form], f"_{form}" if form else ""
        ranks = tables[f"ranks{suffix}"] = pd.DataFrame([record["ranks"] for record in own])
        tables[f"fits{suffix}"] = fits_table(own)
        figures[f"ecdf{suffix}"] = png_bytes(ecdf_figure(ranks, spec.kept), dpi=85)
    uniformity = _uniformity(tables, spec.kept, MODELS[spec.variant].forms)
    counts = {
        "quantities": len(uniformity),
        "inside": int(uniformity["inside"].sum()),
        **convergence_counts(fits_table(records)),
    }
    return Results({**tables, "uniformity": uniformity}, counts, figures)


def _uniformity(files: Mapping[str, Any], kept: int, forms: Iterable[str]) -> pd.DataFrame:
    """`uniformity_table` of the ranks of every form that has some, in the order of the forms."""
    tables = []
    for form in [form for form in forms if f"ranks_{form}" in files] or [""]:
        suffix = f"_{form}" if form else ""
        table = uniformity_table(files[f"ranks{suffix}"], kept)
        tables.append(table.assign(model=form) if form else table)
    return pd.concat(tables, ignore_index=True)


def context(files: Mapping[str, Any], variant: Variant) -> dict[str, Any]:
    """Uniformity of the ranks in a folder, unrounded, and the quantities by how far they deviate."""
    spec = variant.spec
    table = _uniformity(files, files["manifest"]["settings"].get("kept", spec.kept), MODELS[spec.variant].forms)
    worst = table.reindex(table["largest"].abs().sort_values(ascending=False).index)
    forms = {form: own for form, own in table.groupby("model", sort=False)} if "model" in table else {}
    return {"files": files, "table": table, "worst": worst.head(8), "outside": table[~table["inside"]], "forms": forms}


STUDY = TrialsStudy(
    "validation.calibration", __doc__, VARIANTS, rank_truths, results, Path(__file__).with_name("page.md.j2"), context
)
