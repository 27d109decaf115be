"""VALOR's weeks 52 and 148 with and without exits: how much of a gap can be that only survivors are still observed?

    python -m validation.valor_exits --out reports/validation/valor_exits

The model of published means, fitted to weeks 2 to 28, describes everyone as if alive and followed. What was published
later may be of those still there. Here its persons are given exits whose levels fit the published counts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import pandas as pd

from bayesmodels.demo.valor import (
    BOTH,
    FUNCTION,
    MAIN,
    VARIANTS,
    MeansFit,
    fitted_means,
    function_model,
    not_converged,
)
from bayesmodels.fitting import NutsSettings, sample
from bayesmodels.models.published_means.valor import valor_means_model
from bayesmodels.study.evidence import means_table
from bayesmodels.trials.results import Results
from validation.valor_exits.hazards import Counts, published_counts
from validation.valor_exits.page import COMMAND, DIFFERENCE
from validation.valor_exits.persons import PersonModel
from validation.valor_exits.prediction import (
    LATER_WEEKS,
    WHO,
    Array,
    ExitsPrediction,
    ExitsSettings,
    predict_with_exits,
)

NUTS = NutsSettings(seed=1, progress=False)
SETTINGS = ExitsSettings()
STRENGTHS = {"none": 0.0, "halved": 0.5, "as stated": 1.0, "doubled": 2.0}
"""What both associations of the informative hazard are multiplied by."""

SCENARIOS: tuple[tuple[str, PersonModel], ...] = (
    (MAIN, "straight, normal"),
    (MAIN, "flattening, normal"),
    (MAIN, "flattening, skewed"),
    ("no effect, decelerating", "straight, normal"),
    ("no effect, decelerating", "flattening, skewed"),
    ("slowing, linear", "straight, normal"),
    ("no effect, linear", "straight, normal"),
)
"""Model of function and of persons; under a linear course persons' own slopes have nothing to flatten with."""

TABLES = ("predictions", "survivors", "counts")


def fit_to_week_28(variant: str) -> MeansFit:
    """A model of function fitted to weeks 2 to 28; the main one with NfL."""
    model = valor_means_model(*VARIANTS[variant]) if variant == MAIN else function_model(variant)
    data = fitted_means(BOTH if variant == MAIN else FUNCTION)
    return MeansFit(variant, model, data, sample(model.build(data), NUTS))


def published_means() -> pd.Series:
    """Published means of all randomised at weeks 52 and 148, and early minus delayed, by outcome, week, start_group."""
    week_52 = means_table({"integrated_2022": (52, 52)}, outcomes=FUNCTION).frame
    week_148 = means_table("final_2025", outcomes=BOTH).frame
    rows = pd.concat([week_52, week_148], ignore_index=True).astype({"week": float, "estimate": float})
    wide = rows.pivot(index=["outcome", "week"], columns="start_group", values="estimate")
    return wide.assign(**{DIFFERENCE: wide["early"] - wide["delayed"]}).stack()


def _cells(found: ExitsPrediction, draws: Array) -> Iterator[tuple[dict[str, object], Array]]:
    """Draws (draw,) of every start group at every later week, and of early minus delayed, with their labels."""
    for w, week in enumerate(LATER_WEEKS):
        cells = {group: draws[:, j, w] for j, group in enumerate(found.start_groups)}
        cells[DIFFERENCE] = cells["early"] - cells["delayed"]
        for group, values in cells.items():
            yield {"week": week, "start_group": group}, values


def prediction_rows(found: ExitsPrediction, published: pd.Series) -> pd.DataFrame:
    """Predictive intervals (95 %, equal-tailed) of every mean and difference, and the published figure's position.

    Columns: outcome, week, start_group (or `early - delayed`), who, published, mean, median, lower, upper, position
    (share of the predictive draws below the published figure).
    """
    rows = []
    for (outcome, who), draws in found.means.items():
        for labels, values in _cells(found, draws):
            figure = published.get((outcome, *labels.values()), np.nan)
            below = float((values[np.isfinite(values)] < figure).mean())
            position = {"position": below if np.isfinite(figure) else np.nan}
            rows.append({"outcome": outcome, **labels, "who": who, "published": figure} | _numbers(values) | position)
    return pd.DataFrame(rows)


def survivor_rows(found: ExitsPrediction) -> pd.DataFrame:
    """Still observed minus everyone, in the same simulated trial: mean, its Monte-Carlo error, 95 % interval."""
    rows = []
    for outcome in found.outcomes:
        for labels, values in _cells(found, found.means[outcome, WHO[2]] - found.means[outcome, WHO[1]]):
            numbers, error = _numbers(values), _monte_carlo_error(values, found.replicates)
            limits = {"lower": numbers["lower"], "upper": numbers["upper"]}
            rows.append({"outcome": outcome, **labels, "mean": numbers["mean"], "error": error, **limits})
    return pd.DataFrame(rows)


def count_rows(found: ExitsPrediction, counts: dict[str, Counts]) -> pd.DataFrame:
    """Published counts beside those that the drawn levels expect, and the share observed in simulated trials."""
    rows = []
    for j, group in enumerate(found.start_groups):
        own, levels = counts[group], found.levels[group]
        expected = {
            "informative exit by July 2021": (own.informative, [v.exits for v in levels]),
            "completed week 148": (own.completed, [v.completed for v in levels]),
        }
        for what, (count, probability) in expected.items():
            rows.append({"start_group": group, "what": what, "published": count, "of": own.randomised}
                        | _numbers(own.randomised * np.array(probability)))  # fmt: skip
        hazards = {"informative level": [v.informative for v in levels], "other level": [v.other for v in levels]}
        for what, values in hazards.items():
            rows.append({"start_group": group, "what": f"{what}, per month"} | _numbers(np.array(values)))
        for w, week in enumerate(LATER_WEEKS):
            simulated = own.randomised * found.observed[:, j, w]
            rows.append({"start_group": group, "what": f"observed at week {week:g}, simulated"} | _numbers(simulated))
    return pd.DataFrame(rows)


def results() -> Results:
    """Fit, and simulate every scenario and strength."""
    began = time.monotonic()
    counts, published = published_counts(), published_means()
    fits = {variant: fit_to_week_28(variant) for variant in dict.fromkeys(variant for variant, _ in SCENARIOS)}
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
    for variant, person_model in SCENARIOS:
        for strength, factor in STRENGTHS.items():
            print(f"{variant}; persons {person_model}; associations {strength}")
            found = predict_with_exits(fits[variant], person_model, factor, counts, SETTINGS)
            labels = {"function": variant, "persons": person_model, "associations": strength}
            parts["predictions"].append(prediction_rows(found, published).assign(**labels))
            parts["survivors"].append(survivor_rows(found).assign(**labels))
            parts["counts"].append(count_rows(found, counts).assign(**labels))
    tables = {name: _labels_first(pd.concat(rows, ignore_index=True)) for name, rows in parts.items()}
    manifest = {
        "command": COMMAND,
        "settings": NUTS.model_dump(exclude={"cores", "progress"}),
        "simulation": asdict(SETTINGS),
        "data_digest": {variant: fitted.data.digest for variant, fitted in fits.items()},
        "not_converged": [line for fitted in fits.values() for line in not_converged(fitted)],
        "tables": [f"{name}.csv" for name in tables],
        "seconds": round(time.monotonic() - began),
    }
    return Results(tables, manifest)


def _monte_carlo_error(values: Array, replicates: int) -> float:
    """Of a mean over simulated trials, whose replicates share a posterior draw."""
    by_draw = np.nanmean(values.reshape(-1, replicates), axis=1)
    return float(by_draw.std() / np.sqrt(len(by_draw)))


def _labels_first(table: pd.DataFrame) -> pd.DataFrame:
    labels = ["function", "persons", "associations"]
    return table[[*labels, *(name for name in table if name not in labels)]]


def _numbers(values: Array) -> dict[str, float]:
    kept = values[np.isfinite(values)]
    lower, median, upper = np.quantile(kept, [0.025, 0.5, 0.975])
    return {"mean": float(kept.mean()), "median": median, "lower": lower, "upper": upper}
