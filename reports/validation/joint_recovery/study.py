"""Study of recovery with informative death: tables, figure, and what its page says of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bayesmodels.reporting.drawing import png_bytes
from bayesmodels.trials.results import Results, convergence_counts, fits_table
from bayesmodels.trials.specification import FitsSpec
from bayesmodels.trials.study import TrialsStudy, Variant
from validation.joint_recovery import trials
from validation.joint_recovery.trials import (
    FITTED,
    LAYOUTS,
    TRUTH,
    draw_trial,
    ignoring_in_large_samples,
    main_quantities,
    recover,
    truths,
)
from validation.recovery.coverage import QUANTILES, binomial_limits, covered
from validation.simulated.joint_trials import JointTrial
from validation.simulated.joint_truth import Array, JointTruth, cumulative_hazards, time_grid
from validation.simulated.layout import Layout

PULLED = 4
"""Monte-Carlo standard errors beyond which a bias is told."""

TITLES = {"joint": "joint model", "ignoring": "death ignored"}
COLOURS = {"joint": "#0b5fa5", "ignoring": "#c8500a"}


def tidy(records: list[dict[str, Any]], true: dict[str, float]) -> pd.DataFrame:
    """One row per trial, model and quantity: truth, lower_95, lower_50, median, upper_50, upper_95."""
    rows = [
        {"trial": record["trial"], "model": fitted, "quantity": name, "truth": true[name]}
        | dict(zip(QUANTILES, values, strict=True))
        for record in records
        for fitted in FITTED
        for name, values in record[fitted]["parameters"].items()
    ]
    return pd.DataFrame(rows)


def chance(truth: JointTruth, trial: JointTrial) -> Array:
    """What fell to a trial by chance, by start group: each number has expectation zero, (start group x 4,).

    Means over the group's persons of their first outcome's deviations of level and of rate, of the martingale residual
    of their exit (events less cumulative hazard), and of that residual times the deviation of rate.
    """
    edges = time_grid(truth, trial.people.start, float(trial.exit.max()), 60)
    total = cumulative_hazards(truth, truth.events, trial.people, trial.terms, np.minimum(edges, trial.exit[:, None]))
    residual = (trial.code > 0) - total[:, -1]
    level, rate = trial.terms[:, 0], trial.terms[:, 1]
    numbers = np.stack([level, rate, residual, residual * rate], axis=1)
    groups = range(int(trial.people.group.max()) + 1)
    return np.concatenate([numbers[trial.people.group == g].mean(axis=0) for g in groups])


def without_chance(errors: Array, luck: Array) -> tuple[float, float]:
    """Mean of errors (trial,) and its standard error, the part linear in the trials' luck (trial, number) taken out.

    The intercept of least squares on numbers of expectation zero: unbiased for the mean but for terms of order one over
    the number of trials, and more precise (control variates).
    """
    x = np.column_stack([np.ones(len(errors)), luck])
    found, *_ = np.linalg.lstsq(x, errors, rcond=None)
    left = errors - x @ found
    variance = left @ left / (len(errors) - x.shape[1]) * np.linalg.inv(x.T @ x)[0, 0]
    return float(found[0]), float(np.sqrt(variance))


def summary(rows: pd.DataFrame, luck: Array) -> pd.DataFrame:
    """Bias, coverage and widths of every quantity by model, with Monte-Carlo standard errors.

    Parameters
    ----------
    rows : DataFrame
        From `tidy`.
    luck : (trial, number)
        From `chance`, in the order of the trials.

    Returns
    -------
    DataFrame
        model, quantity, truth, bias (mean of posterior median minus truth), bias_se, adjusted and adjusted_se (bias
        without what these trials' luck explains, `without_chance`), error (root mean square), covered_95,
        covered_50 (shares), their standard errors, width_95, width_50 (means), fits.
    """
    found = []
    for (fitted, quantity), own in rows.groupby(["model", "quantity"], sort=False):
        error = own["median"] - own["truth"]
        row: dict[str, Any] = {"model": fitted, "quantity": quantity, "truth": own["truth"].iloc[0]}
        row |= {"bias": error.mean(), "bias_se": error.std(ddof=1) / np.sqrt(len(own))}
        row["adjusted"], row["adjusted_se"] = without_chance(error.to_numpy(), luck)
        row["error"] = np.sqrt((error**2).mean())
        for level in (95, 50):
            share = covered(own, str(level)).mean()
            row |= {f"covered_{level}": share, f"covered_{level}_se": np.sqrt(share * (1 - share) / len(own))}
            row[f"width_{level}"] = (own[f"upper_{level}"] - own[f"lower_{level}"]).mean()
        found.append(row | {"fits": len(own)})
    return pd.DataFrame(found)


def results(records: list[dict[str, Any]], spec: FitsSpec) -> Results:
    """Coverage by quantity and model, estimates and convergence by trial, and a figure of the estimates."""
    true = truths(spec.variant)
    rows = tidy(records, true)
    luck = np.array([chance(TRUTH, draw_trial(spec, record["trial"])[0]) for record in records])
    table = summary(rows, luck)
    kept = ("trial", "cpu_seconds", "visits")
    fits = {
        fitted: fits_table([{k: r[k] for k in kept} | r[fitted] for r in records]).assign(model=fitted)
        for fitted in FITTED
    }
    counts = {
        "truth": {name: round(value, 5) for name, value in true.items()},
        "bias_of_ignoring_death_in_40000_persons": ignoring_in_large_samples(spec.variant),
        "bias_in_a_delayed_start_design": ignoring_in_large_samples("delayed"),
        "dead_by_start_group": np.mean([record["dead"] for record in records], axis=0).round(3).tolist(),
        "luck": _difference_of_rates(luck, LAYOUTS[spec.variant]),
        "visits_a_trial": float(np.mean([record["visits"] for record in records])),
        "convergence": {fitted: convergence_counts(fits[fitted]) for fitted in FITTED},
    }
    tables = {"coverage": table, "estimates": rows, "fits": pd.concat(fits.values())}
    return Results(tables, counts, {"estimates": png_bytes(figure(rows, main_quantities(spec.variant)), dpi=90)})


def figure(rows: pd.DataFrame, quantities: list[str]) -> Figure:
    """Posterior medians of the trials, smallest first, with 95 % intervals, by model; the truth as a line."""
    found = Figure(figsize=(10.5, 2.3 * len(quantities) / 2), layout="constrained")
    panels = found.subplots(-(-len(quantities) // 2), 2, squeeze=False).ravel()
    for panel, quantity in zip(panels, quantities, strict=False):
        for side, fitted in enumerate(FITTED):
            own = rows[(rows["quantity"] == quantity) & (rows["model"] == fitted)].sort_values("median")
            x = side + np.linspace(-0.4, 0.4, len(own))
            panel.vlines(x, own["lower_95"], own["upper_95"], color=COLOURS[fitted], lw=0.8, alpha=0.5)
            panel.plot(x, own["median"], ".", ms=3, color=COLOURS[fitted])
        panel.axhline(own["truth"].iloc[0], color="0.2", lw=0.9)
        panel.set_xticks([0, 1], list(TITLES.values()), fontsize=8)
        panel.set_title(quantity, fontsize=8)
        panel.tick_params(labelsize=7)
    return found


def _difference_of_rates(luck: Array, layout: Layout) -> dict[str, float]:
    """Mean over trials of the start groups' difference in the persons' own rates, zero in expectation, and its SD."""
    sizes = np.array([row[0] for row in layout.persons])
    expected = float(TRUTH.person_sd[1] * np.sqrt((1 / sizes).sum() / len(luck)))
    return {"difference_of_rates": float((luck[:, 1] - luck[:, 5]).mean()), "expected_sd": expected}


def context(files: Mapping[str, Any], variant: Variant) -> dict[str, Any]:
    """Layout and truth, quantities covered too seldom or too often, those that are biased, and the two tables."""
    design, table, n = variant.spec.variant, files["coverage"], files["manifest"]["trials"]
    joint, ignoring = (table[table["model"] == fitted].set_index("quantity") for fitted in FITTED)
    limits = {level: binomial_limits(n, level / 100, 2 * len(joint)) for level in (95, 50)}
    counts = {level: (joint[f"covered_{level}"] * n).round() for level in limits}
    inside = np.logical_and.reduce([counts[level].between(*limits[level]) for level in limits])
    main = main_quantities(design)
    chosen = table["quantity"].isin(main)
    return {
        "rows": {"joint": joint, "ignoring": ignoring},
        "limits": limits,
        "outside": joint[~inside],
        "pulled": joint[joint["adjusted"].abs() > PULLED * joint["adjusted_se"]],
        "pull": PULLED,
        "layout": LAYOUTS[design],
        "effect": TRUTH.outcomes[0].effect[0, 0],
        "main": table[chosen].sort_values("quantity", key=lambda q: q.map(main.index), kind="stable"),
        "others": table[~chosen],
        "titles": TITLES,
    }


STUDY = TrialsStudy(
    "validation.joint_recovery",
    trials.__doc__,
    tuple(
        Variant(
            f"Recovery of JointEventModel with informative death, {design} design",
            f"reports/validation/joint_recovery{'' if design == 'parallel' else '-' + design}",
            FitsSpec(variant=design, seed=5, chains=2, tune=400, target_accept=0.8),
            100,
        )
        for design in LAYOUTS
    ),
    recover,
    results,
    Path(__file__).with_name("page.md.j2"),
    context,
)
