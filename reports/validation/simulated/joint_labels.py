"""Parameters of joint trials as labelled numbers, from a truth and from posterior draws, and a truth from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from bayesmodels.models.joint_event import JointEventModel
from bayesmodels.vocabulary import VARIABLES, months
from validation.simulated.joint_trials import JointLayout
from validation.simulated.joint_truth import Array, EventTruth, JointTruth, OutcomeTruth, bases

PUBLISHED = (
    "population_level", "population_rate", "drug_effect", "group_drug_effect", "person_sd", "residual_sd",
    "person_correlation", "difference", "association", "baseline_hazard",
)  # fmt: skip
"""Published by every joint model here; `joint_published` adds those of its parts."""


def joint_published(model: JointEventModel) -> tuple[str, ...]:
    """Names of the published variables whose truths have labels."""
    found = [*PUBLISHED]
    kinds = [kind for kind in ("level", "rate") if getattr(model.covariates, kind)]
    found += [f"covariate_{kind}" for kind in kinds]
    if model.pooling == "partial":
        found.append("group_effect_sd")
    for field in ("lag", "time_constant"):
        if any(getattr(k.effect, field, None) is not None for k in model.outcomes):
            found.append(f"effect_{field}")
    if any(e.covariates or e.start_group or e.stratum or e.on_drug for e in model.events):
        found.append("hazard_effect")
    if any(e.baseline.type == "weibull" for e in model.events):
        found.append("baseline_shape")
    return tuple(found)


def label(name: str, *index: Any) -> str:
    """``name[a, b]``; the stratum of an unstratified trial is left out."""
    kept = [str(part) for part in index if part != "all"]
    return f"{name}[{', '.join(kept)}]" if kept else name


def hazard_weeks(event: EventTruth, layout: JointLayout) -> list[float]:
    """A planned week within each piece of a constant hazard; one late week for Weibull."""
    if event.log_shape is not None:
        return [layout.weeks[-2]]
    piece = np.searchsorted(np.array(event.knots), months(np.array(layout.weeks)), side="left")
    return [layout.weeks[int(np.flatnonzero(piece == j)[0])] for j in range(len(event.log_hazard))]


def baseline_at(event: EventTruth, week: float) -> float:
    """Log baseline hazard a month."""
    t = months(week)
    if event.log_shape is None:
        return float(event.log_hazard[np.searchsorted(np.array(event.knots), t, side="left")])
    return float(event.log_hazard[0] + np.expm1(event.log_shape) * np.log(t / 12))


def labelled_truth(truth: JointTruth, model: JointEventModel, layout: JointLayout) -> dict[str, float]:
    """Every free quantity once, and the difference of the start groups' mean courses at the last planned week."""
    found: dict[str, float] = {}
    terms = [f"{k.name}:{kind}" for k in model.outcomes for kind in ("level", "rate")]
    sds = iter(truth.effect_sd)
    for k, outcome in zip(truth.outcomes, model.outcomes, strict=True):
        found |= _labelled_outcome(k, outcome.name, model, layout)
        if outcome.effect.type != "none" and model.pooling == "partial":
            found[label("group_effect_sd", outcome.name)] = float(next(sds))
        for field in ("lag", "time_constant"):
            if getattr(outcome.effect, field, None) is not None:
                found[label(f"effect_{field}", outcome.name)] = getattr(k, field)
    for i, name in enumerate(terms):
        found[label("person_sd", name, layout.strata[0])] = float(truth.person_sd[i])
        for j in range(i):
            found[label("person_correlation", terms[j], name)] = float(truth.correlation[i, j])
    for event, spec in zip(truth.events, model.events, strict=True):
        found |= _labelled_event(event, spec, model, layout)
    return found


def _labelled_outcome(k: OutcomeTruth, name: str, model: JointEventModel, layout: JointLayout) -> dict[str, float]:
    found: dict[str, float] = {}
    drugged = [g for g, start in enumerate(layout.start_weeks) if np.isfinite(start)]
    for f, stratum in enumerate(layout.strata):
        found[label("population_level", name, stratum)] = float(k.level[f])
        found[label("population_rate", name, stratum)] = float(k.rate[f])
        if k.shape == "none":
            continue
        found[label("drug_effect", name, stratum)] = float(k.effect[f, drugged].mean())
        for g in drugged if len(drugged) > 1 and model.pooling != "complete" else ():
            found[label("group_drug_effect", name, stratum, layout.groups[g])] = float(k.effect[f, g])
        week = layout.weeks[-1]
        basis = bases(k, "value", np.array(months(week)), layout.starts)[2]
        for g in range(len(layout.groups) - 1):
            contrast = f"{layout.groups[g]} - {layout.groups[-1]}"
            gap = k.effect[f, g] * basis[g] - k.effect[f, -1] * basis[-1]
            found[label("difference", name, contrast, stratum, f"week {week:g}")] = float(gap)
    for j, kind in enumerate(("level", "rate")):
        for covariate in getattr(model.covariates, kind):
            found[label(f"covariate_{kind}", name, covariate)] = float(k.on_covariate[j])
    found[label("residual_sd", name, layout.strata[0])] = k.residual_sd
    return found


def _labelled_event(event: EventTruth, spec: Any, model: JointEventModel, layout: JointLayout) -> dict[str, float]:
    found = {
        label("baseline_hazard", event.name, f"week {week:g}"): float(np.exp(baseline_at(event, week)))
        for week in hazard_weeks(event, layout)
    }
    if event.log_shape is not None:
        found[label("baseline_shape", event.name)] = float(np.exp(event.log_shape))
    ratios = dict.fromkeys(spec.covariates, event.covariate)
    if spec.start_group:
        ratios |= {f"start_group: {layout.groups[g]}": event.start_group[g] for g in range(len(layout.groups) - 1)}
    if spec.stratum:
        ratios |= {f"stratum: {layout.strata[f]}": event.stratum[f] for f in range(1, len(layout.strata))}
    if spec.on_drug:
        ratios["on_drug"] = event.on_drug
    found |= {label("hazard_effect", event.name, name): float(value) for name, value in ratios.items()}
    names = [k.name for k in model.outcomes]
    for link in event.links:
        found[label("association", event.name, names[link.outcome], link.form)] = float(link.size)
    for association in spec.associations:
        if association.form == "terms":
            k = names.index(association.outcome)
            for j, kind in enumerate(("level", "rate")):
                found[label("association", event.name, names[k], f"terms:{kind}")] = float(event.terms[2 * k + j])
    return found


def labelled_draws(
    published: Mapping[str, Array], coords: Mapping[str, Sequence[Any]], wanted: Iterable[str]
) -> dict[str, Array]:
    """Draws (draw,) by label, of published arrays (draw, ...) whose coordinates are those of the PyMC model."""
    found = {}
    for name, values in published.items():
        axes = [[f"week {v:g}" if dim == "week" else v for v in coords[dim]] for dim in VARIABLES[name].dims]
        for place in product(*(range(len(axis)) for axis in axes)):
            parts = [axis[j] for axis, j in zip(axes, place, strict=True)]
            found[label(name, *parts)] = values[(slice(None), *place)]
    return {name: found[name] for name in wanted}


def truth_from(
    numbers: Mapping[str, float], like: JointTruth, model: JointEventModel, layout: JointLayout
) -> JointTruth:
    """The truth whose labelled numbers are given; shapes, knots and which parameters there are as in `like`."""
    terms = [f"{k.name}:{kind}" for k in model.outcomes for kind in ("level", "rate")]
    strata = layout.strata
    outcomes = []
    for k, spec in zip(like.outcomes, model.outcomes, strict=True):
        name, effect = spec.name, k.effect.copy()
        for (f, stratum), (g, group) in product(enumerate(strata), enumerate(layout.groups)):
            mean = numbers.get(label("drug_effect", name, stratum), 0.0)
            effect[f, g] = numbers.get(label("group_drug_effect", name, stratum, group), mean)
        outcomes.append(
            replace(
                k,
                level=np.array([numbers[label("population_level", name, stratum)] for stratum in strata]),
                rate=np.array([numbers[label("population_rate", name, stratum)] for stratum in strata]),
                on_covariate=np.array(
                    [numbers.get(label(f"covariate_{kind}", name, layout.covariate), 0.0) for kind in ("level", "rate")]
                ),
                effect=effect,
                lag=numbers.get(label("effect_lag", name), k.lag),
                time_constant=numbers.get(label("effect_time_constant", name), k.time_constant),
                residual_sd=numbers[label("residual_sd", name, strata[0])],
            )
        )
    correlation = np.eye(len(terms))
    for i, name in enumerate(terms):
        for j in range(i):
            correlation[i, j] = correlation[j, i] = numbers[label("person_correlation", terms[j], name)]
    return replace(
        like,
        outcomes=tuple(outcomes),
        events=tuple(_event_from(numbers, event, model, layout) for event in like.events),
        person_sd=np.array([numbers[label("person_sd", name, strata[0])] for name in terms]),
        correlation=correlation,
    )


def _event_from(
    numbers: Mapping[str, float], event: EventTruth, model: JointEventModel, layout: JointLayout
) -> EventTruth:
    names = [k.name for k in model.outcomes]

    def ratio(name: str) -> float:
        return numbers.get(label("hazard_effect", event.name, name), 0.0)

    weeks = hazard_weeks(event, layout)
    level = np.log([numbers[label("baseline_hazard", event.name, f"week {week:g}")] for week in weeks])
    shape = None
    if event.log_shape is not None:
        shape = float(np.log(numbers[label("baseline_shape", event.name)]))
        level = level - np.expm1(shape) * np.log(months(weeks[0]) / 12)
    by_term = [label("association", event.name, k, f"terms:{kind}") for k in names for kind in ("level", "rate")]
    return replace(
        event,
        log_hazard=level,
        log_shape=shape,
        covariate=ratio(layout.covariate),
        on_drug=ratio("on_drug"),
        start_group=np.array([ratio(f"start_group: {group}") for group in layout.groups]),
        stratum=np.array([ratio(f"stratum: {stratum}") for stratum in layout.strata]),
        links=tuple(
            replace(link, size=numbers[label("association", event.name, names[link.outcome], link.form)])
            for link in event.links
        ),
        terms=np.array([numbers.get(name, 0.0) for name in by_term]),
    )
