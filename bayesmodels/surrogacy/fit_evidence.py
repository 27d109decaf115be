"""Everything a fit says about its declared surrogate, on the rungs of response and individual."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr

from bayesmodels.errors import MissingVariable
from bayesmodels.posterior.context import Contrast, FitContext
from bayesmodels.posterior.estimand import OPEN_LABEL
from bayesmodels.posterior.intervals import named_limits
from bayesmodels.posterior.observed import ObservedPersons
from bayesmodels.reporting.settings import ReportSettings
from bayesmodels.surrogacy.arms import Arms
from bayesmodels.surrogacy.courses import Courses, in_months, read_courses
from bayesmodels.surrogacy.declared import Declared, declared
from bayesmodels.surrogacy.earliness import earliest_week, earliness_table
from bayesmodels.surrogacy.evidence import SurrogateEvidence, no_comparison
from bayesmodels.surrogacy.identifiability import SINGLE_TRIAL
from bayesmodels.surrogacy.individual import (
    VectorAssociation,
    correlation_table,
    prediction_table,
    slope_r2,
    term_association,
    visit_association,
)
from bayesmodels.surrogacy.means_evidence import means_evidence
from bayesmodels.surrogacy.mediation import exposure_arms, mediation_curve, sensitivity_table
from bayesmodels.surrogacy.proportion_explained import proportion_explained
from bayesmodels.surrogacy.relative_effect import relative_effect
from bayesmodels.surrogacy.single_trial import SingleTrial, single_table, trial_criteria
from bayesmodels.surrogacy.verdict import NOT_CONVERGED


def surrogate_evidence(
    tree: xr.DataTree, context: FitContext, settings: ReportSettings, observed: ObservedPersons
) -> SurrogateEvidence | None:
    """Evaluate the declared surrogate; None where none is declared.

    Raises
    ------
    BadInput
        A declared week is no visit.
    """
    d = declared(tree, context, settings, observed)
    if d is None:
        return None
    try:
        courses = read_courses(tree, context, observed)
    except MissingVariable:
        return means_evidence(tree, context, settings, d)
    prior = read_courses(tree, context, observed, "prior") if "prior" in tree.children else None
    design = NOT_CONVERGED if context.unconverged else ""
    tables = dict(_person_tables(courses, prior, d, observed, settings.interval))
    if d.contrast is None:
        return _one_group(courses, prior, d, settings, tables, design)
    names = (d.surrogate.name, d.outcome.name)
    pair = (*names, d.surrogate_week, d.outcome_week, d.contrast)
    arms, before = _bridged(courses.arms(*pair), d), prior.arms(*pair) if prior is not None else None
    single = _criteria(arms, before, d, settings, design)
    guard, compared = settings.surrogacy.cut_offs.effect_probability, design or d.not_randomised
    scaled = {
        "latent": single.table,
        "observed": _as_measured(courses.arms(*pair, observed=True), settings.interval, guard, compared),
    }
    criteria = pd.concat([table.assign(scale=scale) for scale, table in scaled.items()], ignore_index=True)
    early = _earliness(courses, d, settings, compared)
    follows = _follows(context, d)
    exposure = exposure_arms(courses, *names, d.outcome_week, d.contrast, settings.surrogacy.mediation_lag)
    gain = None if follows else exposure.gamma
    tables |= {
        "surrogacy_criteria": criteria,
        "surrogacy_prentice": single.prentice.table,
        "surrogacy_causal_association": single.causal_association.table,
        "surrogacy_principal_strata": single.principal_strata,
        "surrogacy_mediation": mediation_curve(
            courses,
            *names,
            d.contrast,
            gain,
            settings.surrogacy.mediation_lag,
            d.weeks,
            settings.interval,
            guard,
            design,
        ).assign(estimand=np.where(d.weeks > d.switch_week, OPEN_LABEL, "as randomised")),
        "surrogacy_earliness": early,
        "surrogacy_prediction": _predictions(arms, d, settings),
    }
    if not follows:
        tables["surrogacy_sensitivity"] = sensitivity_table(
            exposure, settings.surrogacy.confounding, settings.interval, guard, compared
        )
    cut = settings.surrogacy.cut_offs
    randomised = early[early["week"] <= d.switch_week]
    answers = [verdict.answer for verdict in single.verdicts]
    earliest = {
        name: earliest_week(randomised, column, threshold)
        for name, column, threshold, answer in (
            ("effect", "effect_favours", cut.effect_probability, answers[0]),
            ("individual", "r2_fair", cut.early_probability, answers[1]),
        )
        if answer != "not assessable"
    }
    verdicts = (*single.verdicts, SINGLE_TRIAL)
    return SurrogateEvidence(d, verdicts, tables, single.prentice, single, arms, earliest, follows)


def _bridged(arms: Arms, d: Declared) -> Arms:
    """Without the delayed-start bridge where nobody is seen both before and after a late start."""
    return arms if (d.weeks > d.switch_week).any() else replace(arms, cross=None)


def _as_measured(arms: Arms, level: float, guard: float, design: str) -> pd.DataFrame:
    """The criteria's table on the scale of the measurements, without prior."""
    ratio, share = relative_effect(arms, level, guard), proportion_explained(arms, level, guard, design)
    return single_table(arms, None, level, ratio, share)


def _criteria(arms: Arms, prior: Arms | None, d: Declared, settings: ReportSettings, design: str) -> SingleTrial:
    flat_effect = "" if np.ptp(arms.alpha) > 0 else "the model has no effect of the drug on the surrogate"
    varies = np.isfinite(arms.adjusted_association).all()
    return trial_criteria(
        arms, settings.surrogacy, regions=d.regions, level=settings.interval, labels=_words(d), prior=prior,
        designs=(
            design or d.surrogate_not_randomised or flat_effect,
            design or ("" if varies else "the model gives every person the same change of one of the two"),
            design or d.not_randomised or flat_effect,
        ),
    )  # fmt: skip


def _person_tables(
    courses: Courses, prior: Courses | None, d: Declared, observed: ObservedPersons, level: float
) -> Iterator[tuple[str, pd.DataFrame]]:
    """What needs no comparison of groups."""
    names = (d.surrogate.name, d.outcome.name)
    of_both = {term for term in courses.terms if term.partition(":")[0] in names}
    table = correlation_table(courses, level)
    yield "surrogacy_correlations", table[table["term"].isin(of_both) & table["term_other"].isin(of_both)]
    own = [{term.partition(":")[0] for term in courses.terms} & {name} for name in names]
    if not all(own):
        return
    rows = []
    if f"{d.outcome.name}:rate" in courses.terms:
        before = slope_r2(prior, *names) if prior is not None else {}
        for terms, draws in slope_r2(courses, *names).items():
            limits = _limits(draws, level)
            rows.append({"terms": terms, **limits, **named_limits("prior", before.get(terms, np.array([])), level)})
        yield "surrogacy_slope_r2", pd.DataFrame(rows)
    vectors: list[tuple[str, VectorAssociation]] = [("person terms, visit-free", term_association(courses, *names))]
    schedule = _schedule(courses, d, observed)
    if schedule:
        vectors.append(("true values at the visits", visit_association(courses, *names, schedule, observed=False)))
        vectors.append(("as measured at the visits", visit_association(courses, *names, schedule, observed=True)))
    yield (
        "surrogacy_vectors",
        pd.DataFrame(
            [
                {"scope": scope, "metric": metric, **_limits(getattr(found, metric), level)}
                for scope, found in vectors
                for metric in ("r2_lambda", "variance_reduction", "part")
                if np.isfinite(getattr(found, metric)).any()
            ]
        ),
    )


def _schedule(courses: Courses, d: Declared, observed: ObservedPersons) -> dict[str, np.ndarray]:
    """Visits of each start group at which half of it is still observed."""
    found = {}
    for group in courses.groups:
        last = min(observed.last_well_observed(k.name, (group,), "all") for k in (d.surrogate, d.outcome))
        if np.isfinite(last):
            found[group] = courses.weeks[courses.weeks <= last]
    return found


def _predictions(arms: Arms, d: Declared, settings: ReportSettings) -> pd.DataFrame:
    """New persons on the drug at seven surrogate changes over the central 95 % of persons."""
    mean, variance = (np.median(v) for v in (arms.mean[:, 1, 0], arms.covariance[:, 1, 0, 0]))
    changes = mean + np.sqrt(variance) * np.linspace(-1.96, 1.96, 7)
    months = float(in_months(np.array([d.outcome_week]))[0])
    return prediction_table(arms, changes, months, settings.interval, settings.surrogacy.seed)


def _earliness(courses: Courses, d: Declared, settings: ReportSettings, design: str) -> pd.DataFrame:
    assert d.contrast is not None  # asked for with a comparison only
    weeks = d.weeks[d.weeks <= d.outcome_week]
    return earliness_table(
        courses, d.surrogate.name, d.outcome.name, weeks, d.outcome_week, d.contrast, d.regions, settings.surrogacy,
        settings.interval, design,
    )  # fmt: skip


def _one_group(
    courses: Courses,
    prior: Courses | None,
    d: Declared,
    settings: ReportSettings,
    tables: dict[str, pd.DataFrame],
    design: str,
) -> SurrogateEvidence:
    """One start group: persons can be compared, groups cannot."""
    group = courses.groups[0]
    alone = Contrast(group, group, group, group, group)
    pair = (d.surrogate.name, d.outcome.name, d.surrogate_week, d.outcome_week, alone)
    single = _criteria(courses.arms(*pair), None if prior is None else prior.arms(*pair), d, settings, design)
    return SurrogateEvidence(d, (no_comparison(d, settings), single.verdicts[1], SINGLE_TRIAL), tables)


def _words(d: Declared) -> dict[str, str]:
    return {
        "surrogate": d.surrogate.label,
        "outcome": d.outcome.label,
        "unit": d.surrogate.unit,
        "where": d.where,
        "surrogate_where": d.surrogate_where,
        "persons_where": f"{d.where}, true values given the model's covariates",
    }


def _follows(context: FitContext, d: Declared) -> bool:
    for spec in context.model.get("outcomes") or ():
        effect = spec.get("effect") or {}
        if spec.get("name") == d.outcome.name and effect.get("type") == "follows":
            return effect.get("outcome") == d.surrogate.name
    return False


def _limits(draws: np.ndarray, level: float) -> dict[str, float]:
    return {name.removeprefix("x_"): value for name, value in named_limits("x", draws, level).items()}
