"""Levels of evidence of a fit or of a table of trials, as far as each has them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from bayesmodels.posterior.context import FitContext
from bayesmodels.posterior.intervals import flat
from bayesmodels.posterior.observed import ObservedPersons
from bayesmodels.study.measures import DEFAULT
from bayesmodels.surrogacy.criteria.arms import Arms
from bayesmodels.surrogacy.criteria.relative_effect import relative_effect
from bayesmodels.surrogacy.declared import Declared
from bayesmodels.surrogacy.evidence import SurrogateEvidence
from bayesmodels.surrogacy.magnitude.link import LinkDraws
from bayesmodels.surrogacy.magnitude.reported import ReportedEffects
from bayesmodels.surrogacy.magnitude.result import (
    Array,
    DrawnEffect,
    Implied,
    Level,
    Magnitude,
    NewTrial,
    Sufficient,
    beyond_observed,
    reduction_of,
    sufficient,
    why_none,
)
from bayesmodels.surrogacy.settings import REDUCTIONS
from bayesmodels.surrogacy.trial_level.draws import TrialDraws
from bayesmodels.surrogacy.trial_level.evidence import TrialEvidence
from bayesmodels.surrogacy.trial_level.threshold import SIGNS, limit_of, threshold
from bayesmodels.vocabulary import ALL, months

MOST_DRAWS = 4000
"""Draws of a trial-level posterior behind a prediction interval, evenly spaced."""

LINK_DRAWS = 2000
"""Draws of a link, evenly spaced."""

FROM_ORIGIN = (
    "Assumed, and not testable in one trial: effects of other drugs lie on one line through no effect on both. One "
    "trial yields no R2 of effects."
)

FEW = 3
"""Up to so many trials with both effects, each one's own line is shown beside the prediction from all."""

LINKS = ("ratio_power", "drop_gain", "follows")
"""Effects by which a model makes the whole effect on the outcome follow the surrogate."""

NORMAL_95 = 1.959963984540054


def magnitude_of_trials(
    evidence: TrialEvidence, prob: float = 0.95, reductions: tuple[float, ...] = REDUCTIONS
) -> Magnitude | None:
    """What reductions imply for a new trial of the kind in a table of trials.

    Parameters
    ----------
    evidence : TrialEvidence
    prob : float
        Of the intervals.
    reductions : tuple of float
        As fractions.

    Returns
    -------
    Magnitude or None
        None where a good direction is not stated, or effects on the surrogate are no log ratios of its values (unit
        "ln ...", not of hazards or odds) of which down is good.
    """
    outcome_good = evidence.good["outcome"]
    is_ln = _is_ln(evidence.units["surrogate"]) and evidence.measures["surrogate"] in (DEFAULT, "log_ratio")
    if outcome_good is None or not is_ln or evidence.good["surrogate"] != "down":
        return None
    seen = evidence.rows.loc[evidence.rows["surrogate_kind"] == 0, "surrogate_estimate"].astype(float)
    lowest, highest = (reduction_of(v) for v in (seen.max(), seen.min())) if len(seen) else (math.nan, math.nan)
    n = len(seen)
    said = {
        "not assessable": "The trial level is not assessable from these trials: the interval is mostly the prior's.",
        "supported": "",
    }.get(evidence.verdict.verdict, f"The trial level is {evidence.verdict.verdict}.")
    spread = "normal" if np.isinf(evidence.draws.degrees_of_freedom) else "t"
    level = Level(
        name="trials",
        title="Trial level",
        endpoint=evidence.labels["outcome"],
        unit=evidence.units["outcome"],
        good=SIGNS[outcome_good],
        interval=f"{100 * prob:g} % prediction interval",
        interval_kind="eti_predictive",
        says="True effect in a new randomised trial whose effect on the surrogate is known to be that reduction.",
        assumes=f"The new drug and its trial are of the kind in the table; true effects are {spread} over trials. "
        f"{said}",
        important=evidence.margin,
        effect=NewTrial(evidence.draws.thinned(MOST_DRAWS)),
        observed=(lowest, highest),
        observed_words=f"effects on {evidence.labels['surrogate']} in {n} trial{'s' * (n != 1)}",
        line=_line(evidence.draws),
        prior=NewTrial(evidence.prior.thinned(MOST_DRAWS)),
        ratio=_is_ln(evidence.units["outcome"]),
    )
    level = replace(level, sufficient=tuple(_thresholds(level, evidence, prob)))
    alone = tuple(_each_trial(evidence, prob))
    return Magnitude(evidence.labels["surrogate"], evidence.labels["outcome"], reductions, prob, (level, *alone))


def magnitude_of_fit(
    tree: xr.DataTree,
    context: FitContext,
    observed: ObservedPersons,
    evidence: SurrogateEvidence,
    reductions: tuple[float, ...] = REDUCTIONS,
    important_difference: float | None = None,
) -> Magnitude | None:
    """What reductions of the declared surrogate imply by a fit of one trial, of its persons or of its means.

    Parameters
    ----------
    tree : xr.DataTree
        A posterior.
    context : FitContext
    observed : ObservedPersons
        For the shares of the strata.
    evidence : SurrogateEvidence
        Of the declared surrogate.
    reductions : tuple of float
        As fractions.
    important_difference : float, optional
        Of the outcome, in its modelling unit.

    Returns
    -------
    Magnitude or None
        None where the outcome's good direction is not stated, or the surrogate is not on the log scale with down good.
    """
    d = evidence.declared
    if math.isnan(d.outcome.sign) or d.surrogate.scale != "log" or d.surrogate.good_direction != "down":
        return None
    prob = evidence.level
    link = _link(context, d)
    levels = [
        *_of_effects(tree, context, observed, evidence, link),
        *_between_persons(evidence),
        *_hazards(tree, d, evidence),
    ]
    important = important_difference or None
    judged = [level if level.name == "persons" else replace(level, important=important) for level in levels]
    done = [level if level.effect is None else replace(level, sufficient=sufficient(level, prob)) for level in judged]
    return Magnitude(d.surrogate.label, d.outcome.label, reductions, prob, tuple(done))


def _is_ln(unit: str) -> bool:
    """Whether a unit says that effects are natural logarithms of ratios."""
    return unit.split()[:1] == ["ln"]


def _line(draws: TrialDraws) -> Implied:
    return DrawnEffect(lambda effect: draws.intercept + draws.slope * effect)


def _each_trial(evidence: TrialEvidence, prob: float) -> Iterator[Level]:
    """Of up to `FEW` trials with both effects: each one's own line from the origin, from its reported effects."""
    rows = evidence.rows[(evidence.rows["surrogate_kind"] == 0) & (evidence.rows["outcome_kind"] == 0)]
    if len(rows) > FEW:
        return
    for row in rows.to_dict("records"):
        level = Level(
            name="one trial",
            title=f"One trial: {row['trial']}",
            endpoint=evidence.labels["outcome"],
            unit=evidence.units["outcome"],
            good=SIGNS[str(evidence.good["outcome"])],
            interval=f"{100 * prob:g} % confidence interval (Fieller's)",
            interval_kind="ci",
            says=f"This trial's reported effect on {evidence.labels['outcome']} for every ln of its effect on "
            f"{evidence.labels['surrogate']}, times the reduction; ratio of the estimates, normal errors.",
            assumes=FROM_ORIGIN,
            important=evidence.margin,
            observed_words=f"the effect on {evidence.labels['surrogate']} in this trial",
            ratio=_is_ln(evidence.units["outcome"]),
        )
        effects = ReportedEffects.of(row)
        ratios = effects.fieller(prob)
        if not ratios.bounded:
            why = "the effect on the surrogate is not separated from zero: no bounded interval of the ratio of effects"
            yield replace(level, why_not=f"{why} (Fieller's {100 * prob:g} % set is {ratios.sentence()})")
            continue
        level = replace(level, effect=effects, observed=_from_nothing(effects.surrogate))
        yield replace(level, sufficient=sufficient(level, prob))


def _by_ratio(level: Level, arms: Arms, prob: float, guard: float) -> Level:
    """The line from the origin through one trial's two effects; why not, where that on the surrogate may be 0."""
    ratio = relative_effect(arms, prob, guard)
    if not ratio.set.bounded:
        seen = f"its likelier sign has probability {ratio.probability_alpha_sign:.2f}, {guard:g} is asked for"
        return replace(level, why_not=f"the effect on the surrogate is not separated from zero ({seen})")
    return replace(level, effect=_proportional(ratio.draws), observed=_own(arms))


def _thresholds(level: Level, evidence: TrialEvidence, prob: float) -> Iterator[Sufficient]:
    """The surrogate threshold effect as a reduction: it, and every larger one, has the probability of benefit."""
    probability, outcome = (1 + prob) / 2, "up" if level.good > 0 else "down"
    for margin in (0.0, level.important) if level.important else (0.0,):
        found = threshold(evidence.draws, probability, "down", outcome, margin=margin)
        if found.surrogate_effect is not None:
            x = reduction_of(found.surrogate_effect)
            yield Sufficient(margin, probability, x, beyond_observed(level, x))
            continue
        share = limit_of(evidence.draws, -level.good)
        never = "" if share >= probability else f"; however large the reduction, it approaches {share:.3f}"
        yield Sufficient(margin, probability, None, reason=why_none(level, margin, probability) + never)


def _of_effects(
    tree: xr.DataTree,
    context: FitContext,
    observed: ObservedPersons,
    evidence: SurrogateEvidence,
    link: dict[str, Any] | None,
) -> Iterator[Level]:
    """One trial's two effects, or the link that its model makes between them."""
    d, arms = evidence.declared, evidence.effects
    if link is not None:
        yield _linked(tree, context, observed, evidence, link)
        return
    level = Level(
        name="one trial",
        title="One trial",
        endpoint=_change(d),
        unit=d.outcome.unit,
        good=d.outcome.sign,
        interval=f"{100 * evidence.level:g} % credible interval",
        says=f"This trial's effect on {d.outcome.label} for every ln of its effect on {d.surrogate.label}, times the "
        "reduction.",
        assumes=FROM_ORIGIN,
        observed_words=f"the effect on {d.surrogate.label} in this trial",
    )
    if arms is None:
        yield replace(level, why_not="there is one start group, or no visit in the randomised period")
    elif evidence.compared:
        yield replace(level, why_not=evidence.compared)
    else:
        yield _by_ratio(level, arms, evidence.level, evidence.guard)


def _linked(
    tree: xr.DataTree,
    context: FitContext,
    observed: ObservedPersons,
    evidence: SurrogateEvidence,
    link: dict[str, Any],
) -> Level:
    """A link that the model assumes: exact per draw, from what it publishes."""
    d, arms = evidence.declared, evidence.effects
    week = d.outcome_week
    level = Level(
        name="link",
        title="Link in the model",
        endpoint=_change(d),
        unit=d.outcome.unit,
        good=d.outcome.sign,
        interval=f"{100 * evidence.level:g} % credible interval",
        says=f"Effect on {d.outcome.label} of a drug given from randomisation whose effect on {d.surrogate.label} has "
        f"this drug's course in time and that reduction{' at its plateau' if link['type'] != 'follows' else ''}.",
        assumes=f"Assumed by the model: all of the effect goes through {d.surrogate.label}, by this link "
        f"({link['type']}), for every drug alike. The fit cannot tell it from a common cause.",
        observed_words=f"the effect on {d.surrogate.label} in this trial",
    )
    if math.isnan(week):
        return replace(level, why_not="there is no visit to read the outcome at")
    if link["type"] == "follows":
        if arms is None:
            return replace(level, why_not="there is one start group")
        with np.errstate(divide="ignore", invalid="ignore"):
            return replace(level, effect=_proportional(arms.beta / arms.alpha), observed=_own(arms))
    shares = _shares(tree, observed, d, context.start_groups)
    if shares is None:
        return replace(level, why_not="the archive does not count the persons of the strata")
    t = float(months(np.array([week]))[0])
    draws = {
        group: link_draws(tree, d, link["type"], shares, group)
        for group in ("posterior", "prior")
        if group in tree.children
    }
    prior = draws.get("prior")
    plateau = tree["posterior"]["drug_effect"].sel(outcome=d.surrogate.name, stratum=list(shares))
    medians = [reduction_of(float(v)) for v in np.median(flat(plateau), axis=-1)]
    return replace(
        level,
        effect=DrawnEffect(lambda effect: draws["posterior"].effect(effect, t)),
        prior=None if prior is None else DrawnEffect(lambda effect: prior.effect(effect, t)),
        observed=(min(0.0, *medians), max(0.0, *medians)),
        observed_words=f"the effect on {d.surrogate.label} in the strata of this trial",
    )


def link_draws(
    tree: xr.DataTree, d: Declared, kind: Any, shares: dict[str, float], group: str = "posterior"
) -> LinkDraws:
    """Draws of a link in published means, at most `LINK_DRAWS`.

    Parameters
    ----------
    tree : xr.DataTree
        With `drug_effect`, `population_rate`, `effect_lag`, `effect_time_constant`, and `deceleration` where the course
        has one.
    d : Declared
    kind : {"ratio_power", "drop_gain"}
    shares : dict of str to float
        Of the strata in the trial.
    group : {"posterior", "prior"}
    """
    found = tree[group].to_dataset().reset_coords(drop=True)
    total = found.sizes["chain"] * found.sizes["draw"]
    found = found.isel(draw=slice(None, None, max(1, -(-total // LINK_DRAWS))))
    strata, s, o = list(shares), {"outcome": d.surrogate.name}, {"outcome": d.outcome.name}

    def drawn(name: str, where: dict[str, str]) -> Array:
        """Draws of one outcome's entry; 0 where it has none, as a straight course has no deceleration."""
        size = found.sizes["chain"] * found.sizes["draw"]
        return np.nan_to_num(flat(found[name].sel(where))) if name in found else np.zeros(size)

    rate = flat(found["population_rate"].sel(o | {"stratum": strata})).T
    strength = flat(found["drug_effect"].sel(o | {"stratum": strata[0]}))
    return LinkDraws(
        kind=kind,
        strength=strength,
        rate=rate,
        deceleration=drawn("deceleration", o),
        surrogate_lag=drawn("effect_lag", s),
        time_constant=flat(found["effect_time_constant"].sel(s)),
        lag=drawn("effect_lag", o),
        shares=np.array(list(shares.values())),
    )


def _shares(
    tree: xr.DataTree, observed: ObservedPersons, d: Declared, groups: tuple[str, ...]
) -> dict[str, float] | None:
    """Shares of the strata in the trial; None where persons are not counted."""
    labels = [str(label) for label in tree["posterior"]["stratum"].values]
    strata = [label for label in labels if label != ALL] or labels
    if len(strata) == 1:
        return {strata[0]: 1.0}
    counted = [sum(observed.at_start(d.outcome.name, group, stratum) for group in groups) for stratum in strata]
    total = float(np.sum(counted))
    if not total > 0:
        return None
    return {stratum: float(n) / total for stratum, n in zip(strata, counted, strict=True)}


def _between_persons(evidence: SurrogateEvidence) -> Iterator[Level]:
    """Persons of an arm: difference in the outcome between two whose surrogate changed differently."""
    d, arms, prior = evidence.declared, evidence.persons, evidence.prior_persons
    level = Level(
        name="persons",
        title="Individual level",
        endpoint=_change(d),
        unit=d.outcome.unit,
        good=d.outcome.sign,
        interval=f"{100 * evidence.level:g} % credible interval",
        says=f"Mean difference in {d.outcome.label} between two persons of an arm, the change of {d.surrogate.label} "
        "in one lower by that reduction than in the other; true values, of the course without limits.",
        assumes="An association, no effect: it is what a drug would do only if the association were causal. Never a "
        "prediction for a trial.",
        observed_words="differences between the 2.5th and the 97.5th percentile of persons of an arm",
    )
    if arms is None:
        yield replace(level, why_not="the fit holds no covariance between persons")
        return
    slope = arms.gamma
    if not np.isfinite(slope).all():
        yield replace(level, why_not="the model gives every person the same change of one of the two")
        return
    sd = float(np.median(np.sqrt(arms.pooled[:, 0, 0])))
    yield replace(
        level,
        effect=_proportional(slope),
        observed=(0.0, reduction_of(-2 * NORMAL_95 * sd)),
        prior=None if prior is None or not np.isfinite(prior.gamma).all() else _proportional(prior.gamma),
    )


def _hazards(tree: xr.DataTree, d: Declared, evidence: SurrogateEvidence) -> Iterator[Level]:
    """Hazards by the surrogate's current value, of a joint model that has such an association."""
    found = tree["posterior"].to_dataset()
    if "association" not in found or d.surrogate.name not in found["association"]["outcome"].values:
        return
    if "value" not in found["association"]["form"].values:
        return
    where = {"outcome": d.surrogate.name, "form": "value"}
    own = found["association"].reset_coords(drop=True).sel(where)
    before = None
    if "prior" in tree.children and "association" in tree["prior"].data_vars:
        before = tree["prior"]["association"].reset_coords(drop=True).sel(where)
    for event in own["event"].values.tolist():
        draws = flat(own.sel(event=event))
        if not np.isfinite(draws).all():
            continue
        prior = None if before is None else flat(before.sel(event=event))
        yield Level(
            name="persons",
            title="Individual level",
            endpoint=f"hazard of {event}",
            unit="ln hazard ratio",
            good=-1.0,
            interval=f"{100 * evidence.level:g} % credible interval",
            says=f"Ratio of the hazards of {event} of two persons alike in the rest of the model, the current true "
            f"{d.surrogate.label} of one lower by that reduction.",
            assumes="An association, no effect: it is what a drug would do only if the association were causal. Never "
            "a prediction for a trial.",
            effect=_proportional(draws),
            prior=None if prior is None else _proportional(prior),
            observed=_levels_seen(evidence),
            observed_words="differences between the 2.5th and the 97.5th percentile of persons at randomisation",
            ratio=True,
        )


def _levels_seen(evidence: SurrogateEvidence) -> tuple[float, float]:
    """Reductions by which the surrogate's levels of persons differ at randomisation."""
    courses = evidence.courses
    if courses is None:
        return (math.nan, math.nan)
    level = courses.level(evidence.declared.surrogate.name)
    sd = float(np.median(np.sqrt(courses.between(level, level)[:, 0])))
    return (0.0, reduction_of(-2 * NORMAL_95 * sd))


def _link(context: FitContext, d: Declared) -> dict[str, Any] | None:
    """The link of the outcome's effect to the surrogate in the model's specification; None where it has none."""
    for spec in context.model.get("outcomes") or ():
        effect = spec.get("effect") or {}
        if spec.get("name") == d.outcome.name and effect.get("type") in LINKS:
            return effect if effect.get("outcome") == d.surrogate.name else None
    return None


def _proportional(slope: Array) -> DrawnEffect:
    """An effect in proportion to that on the surrogate; draws that are not defined (0 / 0) left out."""
    known = slope[~np.isnan(slope)]
    return DrawnEffect(lambda effect: known * effect)


def _own(arms: Arms) -> tuple[float, float]:
    """The trial's own reduction, as the whole of what was observed: from nothing to its median."""
    return _from_nothing(float(np.median(arms.alpha)))


def _from_nothing(effect: float) -> tuple[float, float]:
    """Reductions from none to that of an effect on the surrogate."""
    found = reduction_of(effect)
    return (min(0.0, found), max(0.0, found))


def _change(d: Declared) -> str:
    return (
        f"{d.outcome.label}, change to week {d.outcome_week:g}" if not math.isnan(d.outcome_week) else d.outcome.label
    )
