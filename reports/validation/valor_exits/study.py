"""VALOR's weeks 52 and 148 with and without exits: how much of a gap can be that only survivors are still observed?

    python -m validation.valor_exits --out reports/validation/valor_exits

The model of published means, fitted to weeks 2 to 28, describes everyone as if alive and followed. What was published
later may be of those still there. Here its persons are given exits whose levels fit the published counts.
"""

from __future__ import annotations

import time
from dataclasses import asdict

import numpy as np
import numpy.typing as npt
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


def published_means() -> pd.DataFrame:
    """Published means of all randomised at weeks 52 and 148: outcome, week, start_group, published."""
    week_52 = means_table({"integrated_2022": (52, 52)}, outcomes=FUNCTION).frame
    week_148 = means_table("final_2025", outcomes=BOTH).frame
    rows = pd.concat([week_52, week_148], ignore_index=True)
    return rows.rename(columns={"estimate": "published"})[["outcome", "week", "start_group", "published"]]


def prediction_rows(found: ExitsPrediction, published: pd.DataFrame) -> pd.DataFrame:
    """Predictive intervals (95 %, equal-tailed) of every mean and difference, and the published figure's position.

    Columns: outcome, week, start_group (or `early - delayed`), who, published, mean, median, lower, upper, position
    (share of the predictive draws below the published figure).
    """
    rows = []
    for (outcome, who), draws in found.means.items():
        for w, week in enumerate(LATER_WEEKS):
            here = published[(published["outcome"] == outcome) & (published["week"] == week)]
            figures = here.set_index("start_group")["published"].astype(float)
            cells = {g: (draws[:, j, w], figures.get(g, np.nan)) for j, g in enumerate(found.start_groups)}
            gap = figures.get("early", np.nan) - figures.get("delayed", np.nan)
            cells[DIFFERENCE] = (cells["early"][0] - cells["delayed"][0], gap)
            for group, (values, figure) in cells.items():
                kept = values[np.isfinite(values)]
                lower, median, upper = np.quantile(kept, [0.025, 0.5, 0.975])
                position = float((kept < figure).mean()) if np.isfinite(figure) else np.nan
                labels = {"outcome": outcome, "week": week, "start_group": group, "who": who, "published": figure}
                numbers = {"mean": kept.mean(), "median": median, "lower": lower, "upper": upper, "position": position}
                rows.append(labels | numbers)
    return pd.DataFrame(rows)


def survivor_rows(found: ExitsPrediction) -> pd.DataFrame:
    """Still observed minus everyone, in the same simulated trial: mean, its Monte-Carlo error, 95 % interval."""
    rows = []
    for outcome in found.outcomes:
        shift = found.means[outcome, WHO[2]] - found.means[outcome, WHO[1]]
        for w, week in enumerate(LATER_WEEKS):
            cells = {g: shift[:, j, w] for j, g in enumerate(found.start_groups)}
            cells[DIFFERENCE] = cells["early"] - cells["delayed"]
            for group, values in cells.items():
                kept = values[np.isfinite(values)]
                lower, upper = np.quantile(kept, [0.025, 0.975])
                labels = {"outcome": outcome, "week": week, "start_group": group}
                error = _monte_carlo_error(values, found.replicates)
                rows.append(labels | {"mean": kept.mean(), "error": error, "lower": lower, "upper": upper})
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


def _monte_carlo_error(values: npt.NDArray[np.float64], replicates: int) -> float:
    """Of a mean over simulated trials, whose replicates share a posterior draw."""
    by_draw = np.nanmean(values.reshape(-1, replicates), axis=1)
    return float(by_draw.std() / np.sqrt(len(by_draw)))


def _labels_first(table: pd.DataFrame) -> pd.DataFrame:
    labels = ["function", "persons", "associations"]
    return table[[*labels, *(name for name in table if name not in labels)]]


def _numbers(values: npt.NDArray[np.float64]) -> dict[str, float]:
    lower, median, upper = np.quantile(values, [0.025, 0.5, 0.975])
    return {"mean": float(values.mean()), "median": median, "lower": lower, "upper": upper}
