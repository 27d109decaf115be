"""Multiple imputation of an outcome from a fitted model, and ANCOVA of the completed tables.

A missing value is drawn from the model given what it knows of the person, one posterior draw an imputation: the visits,
proper under missing at random if the model holds; in a model with events the exit too, proper if the visits are missing
at random given both. A value beyond an assay's limit is drawn beyond it; all are held within the outcome's own limits.
Deaths are no exception: the dead get the value they would have had if alive and followed, which is the hypothetical
estimand.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from bayesmodels.errors import BadInput, in_full
from bayesmodels.html_tables import html_table
from bayesmodels.persons.collapsed import Collapsed, collapsed_or_error, thinned
from bayesmodels.persons.prediction.predict import predict
from bayesmodels.persons.replicated_trials import place_of
from bayesmodels.statistics import Comparison, ancova, pool
from bayesmodels.statistics.trial import visit_matrix
from bayesmodels.study import Study

if TYPE_CHECKING:
    import pymc as pm


@dataclass(frozen=True)
class ImputedTables:
    """M completed tables of one outcome.

    Parameters
    ----------
    outcome, unit, scale, good_direction : str
        `scale` is ``log`` where the model works on logarithms.
    weeks : tuple of float
    values : array (imputation, person, week)
        Observed where observed, else imputed, beyond an assay's limit where the visit is known to lie there; natural
        unit. Persons in the order of the study's table. Imputed values are held within the outcome's limits, as scores
        are, and not rounded.
    observed : array (person, week) of bool
    """

    outcome: str
    unit: str
    scale: str
    good_direction: str
    weeks: tuple[float, ...]
    values: npt.NDArray[np.float64]
    observed: npt.NDArray[np.bool_]

    @property
    def table(self) -> pd.DataFrame:
        """One row per week: `week`, `persons`, `observed`, `share_imputed`."""
        seen = self.observed.sum(axis=0)
        n = len(self.observed)
        return pd.DataFrame({"week": self.weeks, "persons": n, "observed": seen, "share_imputed": 1 - seen / n})

    def on_scale(self) -> npt.NDArray[np.float64]:
        """Values on the modelling scale: logarithms where the scale is ``log``."""
        return np.log(self.values) if self.scale == "log" else self.values

    def sentence(self) -> str:
        """How much was imputed."""
        rest = ", ".join(f"{row.share_imputed:.0%} at week {row.week:g}" for row in self.table.itertuples())
        return (
            f"{self.outcome}: {len(self.values)} completed tables, what is missing drawn by the model; imputed {rest}."
        )

    def __repr__(self) -> str:
        return f"<ImputedTables, {self.sentence()}>"

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.sentence())}</p>" + html_table(self.table, "{:.3f}")


def impute(
    model: Any,
    posterior: xr.DataTree,
    study: Study,
    outcome: str,
    weeks: Sequence[float],
    *,
    seed: int,
    imputations: int = 50,
    visit_weeks: Sequence[float] | None = None,
    pm_model: pm.Model | None = None,
) -> ImputedTables:
    """Complete an outcome at given weeks, M times, from what the model knows of each person.

    Parameters
    ----------
    model : LongitudinalModel, or another that `predict` takes
    posterior : DataTree
        From `fit` on this study.
    study : Study
    outcome : str
        One of the model's outcomes.
    weeks : sequence of float
        0 (baseline) or nominal visit weeks, rising.
    seed : int
    imputations : int
        M; each uses another posterior draw.
    visit_weeks : sequence of float, optional
        Nominal weeks; by default the study's. A visit counts for the nearest (`statistics.trial.visit_matrix`).
    pm_model : pm.Model, optional
        What ``model.build(study)`` returned: spares building it again.

    Raises
    ------
    BadInput
        An outcome or week that is not there, fewer than two imputations, or fewer posterior draws than imputations.
    """
    wanted = tuple(sorted({float(week) for week in weeks}))
    gathered = study.nominal_weeks if visit_weeks is None else visit_weeks
    nominal = tuple(sorted({0.0, *(float(week) for week in gathered)}))
    spec = {k.name: k for k in model.outcomes}
    problems = []
    if outcome not in spec:
        problems.append(f"outcome: expected one of the model's ({', '.join(spec)}), got {outcome!r}")
    problems += [
        f"weeks: expected nominal visit weeks ({', '.join(in_full(w) for w in nominal)}), got {in_full(week)}; "
        "visits count for the nearest of them: give visit_weeks to choose others"
        for week in wanted
        if week not in nominal
    ]
    chains, draws = (posterior["posterior"].sizes[dim] for dim in ("chain", "draw"))
    if not 2 <= imputations <= chains * draws:
        problems.append(f"imputations: expected 2 to {chains * draws}, the posterior's draws, got {imputations}")
    if problems:
        raise BadInput(problems)
    number = chains * math.ceil(imputations / chains)
    some = predict(model, posterior, study, wanted, seed=seed, draws=number, pm_model=pm_model)
    drawn = some["observation"].sel(outcome=outcome).stack(sample=("chain", "draw"))
    drawn = drawn.transpose("sample", "person", "week").to_numpy()
    used = np.linspace(0, len(drawn) - 1, imputations).astype(int)
    rows = study.visits[study.visits["outcome"] == outcome].reset_index(drop=True)
    places = [nominal.index(week) for week in wanted]

    def by_week(visits: pd.DataFrame) -> npt.NDArray[np.float64]:
        return visit_matrix(study.persons["person"], visits, np.array(nominal))[:, places]

    seen = by_week(rows[rows["censoring"] == ""])
    observed = np.isfinite(seen)
    values = np.where(observed, seen, drawn[used])
    if (rows["censoring"] != "").any():
        likelihood = collapsed_or_error(model.build(study) if pm_model is None else pm_model)
        by_draw = list(_with_latent_values(likelihood, model, posterior, study, rows, number))
        latent = np.array([by_week(rows.assign(value=by_draw[m])) for m in used])
        values = np.where(~observed & np.isfinite(latent), latent, values)
    made = spec[outcome]
    if made.limits is not None:  # latent values of censored visits lie beyond them
        values = np.where(observed, values, np.clip(values, *made.limits))
    return ImputedTables(outcome, made.unit, made.scale, made.good_direction, wanted, values, observed)


def _with_latent_values(
    likelihood: Collapsed, model: Any, posterior: xr.DataTree, study: Study, rows: pd.DataFrame, number: int
) -> Iterator[npt.NDArray[np.float64]]:
    """Values of an outcome's visits at every draw used, latent ones where they lie beyond a limit."""
    beyond = (rows["censoring"] != "").to_numpy()
    (outcome,) = (k for k in model.outcomes if k.name == rows["outcome"].iloc[0])
    place = place_of(rows, study, outcome.name)
    for point in likelihood.at(thinned(posterior["posterior"].to_dataset(), number)):
        slots = point.slots(likelihood.layout, model.outcomes.index(outcome))
        value = rows["value"].to_numpy(float).copy()
        latent = np.empty(len(rows))
        latent[place.row] = point.y[place.person, slots.start + place.slot]
        value[beyond] = (np.exp(latent) if outcome.scale == "log" else latent)[beyond]
        yield value


def imputed_ancova(
    tables: ImputedTables,
    study: Study,
    week: float,
    *,
    group: str,
    covariates: Sequence[str] = (),
    adjust_for_baseline: bool = True,
    level: float = 0.95,
) -> Comparison:
    """ANCOVA of the change from week 0 to `week` in every completed table, pooled by Rubin's rules.

    Parameters
    ----------
    tables : ImputedTables
        With weeks 0 and `week`.
    study : Study
        The study imputed; strata are used where it uses them.
    week : float
    group : str
        Start group compared with the study's reference group; further groups are left out.
    covariates : sequence of str
        Columns of the persons table.
    adjust_for_baseline : bool
        For the value at week 0.
    level : float
        Of the confidence interval.

    Raises
    ------
    BadInput
        A week that was not imputed, or no such start group.
    """
    absent = [w for w in (0.0, float(week)) if w not in tables.weeks]
    if absent:
        raise BadInput(
            f"week: expected weeks of the completed tables (0 and {in_full(week)}); impute week "
            f"{in_full(absent[0])} too"
        )
    persons = study.persons
    if group not in study.start_groups or group == study.reference_group:
        raise BadInput(f"group: expected a start group other than {study.reference_group!r}, got {group!r}")
    used = persons["start_group"].isin([group, study.reference_group]).to_numpy()
    mine = (persons["start_group"] == group).to_numpy()[used]
    values = tables.on_scale()[:, used]
    start, end = (values[:, :, tables.weeks.index(w)] for w in (0.0, float(week)))
    fixed = study.covariates(covariates)[used] if covariates else pd.DataFrame(index=range(int(used.sum())))
    others = {str(name): fixed[name].to_numpy(float) for name in fixed}
    results = [
        ancova(
            b - a, mine, covariates=({"baseline": a} if adjust_for_baseline else {}) | others,
            strata=persons["stratum"].to_numpy()[used] if study.strata else None,
            good_direction=tables.good_direction, unit="ln" if tables.scale == "log" else tables.unit,
            group=group, reference=str(study.reference_group), level=level,
        )
        for a, b in zip(start, end, strict=True)
    ]  # fmt: skip
    return pool(results)
