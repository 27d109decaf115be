"""What a fit says about its declared surrogate, on the rungs of response and individual: what every metric reads."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmodels.errors import BadInput, MissingVariable, in_full
from bayesmodels.posterior.context import Contrast, FitContext
from bayesmodels.posterior.differences import differences
from bayesmodels.posterior.intervals import flat
from bayesmodels.posterior.observed import ObservedPersons
from bayesmodels.surrogacy.criteria.arms import Arms
from bayesmodels.surrogacy.criteria.courses import Courses, read_courses
from bayesmodels.surrogacy.criteria.prentice import Prentice, prentice
from bayesmodels.surrogacy.criteria.proportion_explained import proportion_explained
from bayesmodels.surrogacy.criteria.relative_effect import relative_effect
from bayesmodels.surrogacy.declared import Declared, declared
from bayesmodels.surrogacy.earliness import earliest
from bayesmodels.surrogacy.identifiability import SINGLE_TRIAL, individual_verdict, response_verdict
from bayesmodels.surrogacy.settings import SurrogacySettings
from bayesmodels.surrogacy.single_trial import SingleTrial, single_table, trial_criteria
from bayesmodels.surrogacy.verdict import NOT_CONVERGED, Verdict


@dataclass(frozen=True)
class SurrogateEvidence:
    """A fit's evidence about its surrogate.

    Parameters
    ----------
    declared : Declared
    settings : SurrogacySettings
    level : float
        Probability of the intervals.
    design : str
        Why nothing can be judged of this fit; blank where it can.
    verdicts : tuple of Verdict
        Response, individual, trial.
    criteria : DataFrame
        `single_trial.single_table` with a column `scale`: "latent" and "observed", or "mean" without persons; empty
        without a comparison.
    prentice : Prentice or None
        None without a comparison.
    courses, prior : Courses or None
        Persons' courses a posteriori and a priori; None without persons.
    arms : Arms or None
        True values at the declared weeks, of two start groups.
    persons, prior_persons : Arms or None
        The same where persons of one group only can be compared with one another, too; a posteriori and a priori.
    effects : Arms or None
        Both effects at the declared weeks, of persons or of means without persons; None without a comparison.
    trial : SingleTrial or None
        Criteria on true values; None without a comparison or without persons.
    follows : bool
        The model makes the whole effect on the outcome follow the surrogate.
    """

    declared: Declared
    settings: SurrogacySettings
    level: float
    design: str
    verdicts: tuple[Verdict, ...] = ()
    criteria: pd.DataFrame = field(default_factory=pd.DataFrame)
    prentice: Prentice | None = None
    courses: Courses | None = None
    prior: Courses | None = None
    arms: Arms | None = None
    persons: Arms | None = None
    prior_persons: Arms | None = None
    effects: Arms | None = None
    trial: SingleTrial | None = None
    follows: bool = False

    def sentence(self) -> str:
        """The verdicts, one line per rung."""
        return "\n".join(verdict.line for verdict in self.verdicts)

    @property
    def guard(self) -> float:
        """Probability from which an effect counts as shown, and a ratio's denominator as separated from zero."""
        return self.settings.cut_offs.effect_probability

    @property
    def compared(self) -> str:
        """Why criteria that compare both effects cannot be judged; blank where they can."""
        return self.design or self.declared.not_randomised


def surrogate_evidence(
    tree: xr.DataTree,
    context: FitContext,
    observed: ObservedPersons,
    surrogate: str,
    outcome: str,
    settings: SurrogacySettings | None = None,
    *,
    level: float = 0.95,
    important_difference: float | None = None,
) -> SurrogateEvidence:
    """Evaluate a declared surrogate.

    Parameters
    ----------
    tree : xr.DataTree
        A posterior.
    context : FitContext
    observed : ObservedPersons
    surrogate, outcome : str
        Outcomes of the fit.
    settings : SurrogacySettings, optional
    level : float
        Probability of the intervals.
    important_difference : float, optional
        Difference in the outcome that would matter, in its modelling unit.

    Raises
    ------
    BadInput
        A declared week is no visit.
    """
    settings = settings or SurrogacySettings()
    d = declared(tree, context, observed, surrogate, outcome, settings, important_difference)
    none = SurrogateEvidence(d, settings, level, NOT_CONVERGED if context.unconverged else "")
    try:
        courses = read_courses(tree, context, observed)
    except MissingVariable:
        return _of_means(tree, context, none)
    prior = read_courses(tree, context, observed, "prior") if "prior" in tree.children else None
    if d.contrast is None:  # one start group: persons can be compared, groups cannot
        group = courses.groups[0]
        alone = (surrogate, outcome, d.surrogate_week, d.outcome_week, Contrast(group, group, group, group, group))
        persons, before = courses.arms(*alone), None if prior is None else prior.arms(*alone)
        verdicts = (_no_comparison(none), _single(persons, before, none).verdicts[1], SINGLE_TRIAL)
        return replace(none, verdicts=verdicts, courses=courses, prior=prior, persons=persons, prior_persons=before)
    pair = (surrogate, outcome, d.surrogate_week, d.outcome_week, d.contrast)
    arms = courses.arms(*pair)
    if (
        context.switch_week is None or not (d.weeks > context.switch_week).any()
    ):  # nobody is seen both before and after a late start: no bridge
        arms = replace(arms, cross=None)
    before = None if prior is None else prior.arms(*pair)
    single = _single(arms, before, none)
    measured = courses.arms(*pair, observed=True)
    share = proportion_explained(measured, level, none.guard, none.compared)
    of_measured = single_table(measured, None, level, relative_effect(measured, level, none.guard), share)
    criteria = [single.table.assign(scale="latent"), of_measured.assign(scale="observed")]
    return replace(
        none,
        verdicts=(*single.verdicts, SINGLE_TRIAL),
        criteria=pd.concat(criteria, ignore_index=True),
        prentice=single.prentice,
        courses=courses,
        prior=prior,
        arms=arms,
        persons=arms,
        prior_persons=before,
        effects=arms,
        trial=single,
        follows=_follows(context, d),
    )


def as_json(evidence: SurrogateEvidence, tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Content of `surrogacy` in ``summary.json``, with every table whose name begins with ``surrogacy_``.

    `trial` is that of a trial-level analysis, none here.
    """
    d, early = evidence.declared, tables.get("surrogacy_earliness")
    response, individual, _ = evidence.verdicts
    return {
        "surrogate": d.surrogate.name,
        "outcome": d.outcome.name,
        "contrast": None if d.contrast is None else d.contrast.label,
        "surrogate_week": d.surrogate_week,
        "outcome_week": d.outcome_week,
        "regions": asdict(d.regions),
        "cut_offs": evidence.settings.cut_offs.model_dump(),
        "earliest_week": None
        if early is None
        else earliest(early, d.switch_week, evidence.settings.cut_offs, evidence.verdicts),
        "response": {"verdict": response.as_json()},
        "individual": {"verdict": individual.as_json()},
        "tables": {
            name.removeprefix("surrogacy_"): table.to_dict("records")
            for name, table in tables.items()
            if name.startswith("surrogacy_")
        },
        "trial": None,
    }


def _single(arms: Arms, prior: Arms | None, e: SurrogateEvidence) -> SingleTrial:
    """The criteria on true values, with why each cannot be judged."""
    d = e.declared
    flat_effect = "" if np.ptp(arms.alpha) > 0 else "the model has no effect of the drug on the surrogate"
    varies = np.isfinite(arms.adjusted_association).all()
    return trial_criteria(
        arms, e.settings, regions=d.regions, level=e.level, prior=prior,
        labels={
            "surrogate": d.surrogate.label,
            "outcome": d.outcome.label,
            "unit": d.surrogate.unit,
            "where": d.where,
            "surrogate_where": d.surrogate_where,
            "persons_where": f"{d.where}, true values given the model's covariates",
        },
        designs=(
            e.design or d.surrogate_not_randomised or flat_effect,
            e.design or ("" if varies else "the model gives every person the same change of one of the two"),
            e.compared or flat_effect,
        ),
    )  # fmt: skip


def _of_means(tree: xr.DataTree, context: FitContext, e: SurrogateEvidence) -> SurrogateEvidence:
    """Means only, as of published ones: the response can be judged, persons cannot."""
    d, cut = e.declared, e.settings.cut_offs
    individual = individual_verdict(
        None, cut, surrogate=d.surrogate.label, outcome=d.outcome.label, where=d.where, level=e.level,
        design="the fit describes means, or persons whose courses it does not publish; it holds no covariance between "
        "persons",
    )  # fmt: skip
    arms = _mean_arms(tree, context, d)
    if arms is None:
        return replace(e, verdicts=(_no_comparison(e), individual, SINGLE_TRIAL))
    response = response_verdict(
        arms.favourable.alpha, d.regions.surrogate, cut, surrogate=d.surrogate.label, unit=d.surrogate.unit,
        where=d.surrogate_where, level=e.level, design=e.design or d.surrogate_not_randomised,
    )  # fmt: skip
    table = single_table(arms, None, e.level, relative_effect(arms, e.level, e.guard), None)
    return replace(
        e,
        verdicts=(response, individual, SINGLE_TRIAL),
        criteria=table[table["quantity"].isin(["alpha", "beta", "relative_effect"])].assign(scale="mean"),
        prentice=prentice(arms, d.regions, e.guard, e.compared),
        effects=arms,
    )


def _no_comparison(e: SurrogateEvidence) -> Verdict:
    """The response rung where there is nothing to compare."""
    d = e.declared
    return response_verdict(
        None, 0.0, e.settings.cut_offs, level=e.level, surrogate=d.surrogate.label, unit=d.surrogate.unit,
        where=d.where, design="there is one start group, or no visit in the randomised period",
    )  # fmt: skip


def _mean_arms(tree: xr.DataTree, context: FitContext, d: Declared) -> Arms | None:
    """Effects at the declared weeks from the published differences, without persons."""
    if d.contrast is None or "difference" not in tree["posterior"].data_vars:
        return None
    if np.isnan([d.surrogate_week, d.outcome_week]).any():
        return None
    draws = differences(tree, context)
    weeks = draws["week"].values.tolist()
    problems = [
        f"[report.surrogacy] {name}: expected a curve week ({', '.join(in_full(w) for w in weeks)}), got "
        f"{in_full(week)}"
        for name, week in (("surrogate_week", d.surrogate_week), ("outcome_week", d.outcome_week))
        if week not in weeks
    ]
    if problems:
        raise BadInput(problems)
    at = draws.sel(contrast=d.contrast.label)
    at = at.sel(stratum="all" if "all" in at["stratum"].values else at["stratum"].values[0])
    pairs = ((d.surrogate, d.surrogate_week), (d.outcome, d.outcome_week))
    raw = np.stack([flat(at.sel(outcome=k.name, week=week)) for k, week in pairs], axis=-1)
    raw = raw if d.contrast.early == d.contrast.group else -raw
    no_persons = np.full((len(raw), 2, 2, 2), np.nan)
    good = np.array([d.surrogate.sign, d.outcome.sign])
    return Arms(np.stack([np.zeros_like(raw), raw], axis=1), no_persons, np.array([0.5, 0.5]), good)


def _follows(context: FitContext, d: Declared) -> bool:
    for spec in context.model.get("outcomes") or ():
        effect = spec.get("effect") or {}
        if spec.get("name") == d.outcome.name and effect.get("type") == "follows":
            return effect.get("outcome") == d.surrogate.name
    return False
