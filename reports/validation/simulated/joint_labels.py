"""Parameters of joint trials as labelled numbers, from a truth and from posterior draws, and a truth from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import reduce
from itertools import product
from operator import getitem
from typing import Any

import numpy as np

from bayesmodels.models.joint_event import JointEventModel
from bayesmodels.models.visits.event import Event
from bayesmodels.vocabulary import VARIABLES, months
from validation.simulated.joint_truth import Array, EventTruth, JointTruth, Link, OutcomeTruth, bases
from validation.simulated.layout import Layout

Place = tuple[str | int, ...]

KINDS = ("level", "rate")

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


def hazard_weeks(event: EventTruth, layout: Layout) -> list[float]:
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


def _places(truth: JointTruth, model: JointEventModel, layout: Layout) -> dict[str, list[Place]]:
    """Where every labelled quantity stands in a truth; the mean effect at every group's, a derived quantity nowhere."""
    found: dict[str, list[Place]] = {}
    names, drugged = [k.name for k in model.outcomes], np.flatnonzero(np.isfinite(layout.starts)).tolist()
    hierarchical = [k for k, outcome in enumerate(model.outcomes) if outcome.effect.type != "none"]
    for k, outcome in enumerate(model.outcomes):
        at, name = ("outcomes", k), outcome.name
        for f, stratum in enumerate(layout.strata):
            found[label("population_level", name, stratum)] = [(*at, "level", f)]
            found[label("population_rate", name, stratum)] = [(*at, "rate", f)]
            if k not in hierarchical:
                continue
            found[label("drug_effect", name, stratum)] = [(*at, "effect", f, g) for g in drugged]
            for g in drugged if len(drugged) > 1 and model.pooling != "complete" else ():
                found[label("group_drug_effect", name, stratum, layout.groups[g])] = [(*at, "effect", f, g)]
            for group in layout.groups[:-1]:
                found[_difference(name, group, stratum, layout)] = []
        for j, kind in enumerate(KINDS):
            for covariate in getattr(model.covariates, kind):
                found[label(f"covariate_{kind}", name, covariate)] = [(*at, "on_covariate", j)]
        found[label("residual_sd", name, layout.strata[0])] = [(*at, "residual_sd")]
        if k in hierarchical and model.pooling == "partial":
            found[label("group_effect_sd", name)] = [("effect_sd", hierarchical.index(k))]
        for field in ("lag", "time_constant"):
            if getattr(outcome.effect, field, None) is not None:
                found[label(f"effect_{field}", name)] = [(*at, field)]
    terms = [f"{name}:{kind}" for name in names for kind in KINDS]
    for i, name in enumerate(terms):
        found[label("person_sd", name, layout.strata[0])] = [("person_sd", i)]
        for j in range(i):
            found[label("person_correlation", terms[j], name)] = [("correlation", i, j), ("correlation", j, i)]
    for e, (event, spec) in enumerate(zip(truth.events, model.events, strict=True)):
        found |= _places_of_event(("events", e), event, spec, names, layout)
    return found


def _places_of_event(
    at: Place, event: EventTruth, spec: Event, names: list[str], layout: Layout
) -> dict[str, list[Place]]:
    found: dict[str, list[Place]] = {_baseline(event, week): [] for week in hazard_weeks(event, layout)}
    if event.log_shape is not None:
        found[label("baseline_shape", event.name)] = [(*at, "log_shape")]
    ratios: dict[str, Place] = dict.fromkeys(spec.covariates, ("covariate",))
    if spec.start_group:
        ratios |= {f"start_group: {group}": ("start_group", g) for g, group in enumerate(layout.groups[:-1])}
    if spec.stratum:
        ratios |= {f"stratum: {stratum}": ("stratum", f) for f, stratum in enumerate(layout.strata) if f > 0}
    if spec.on_drug:
        ratios["on_drug"] = ("on_drug",)
    found |= {label("hazard_effect", event.name, name): [(*at, *place)] for name, place in ratios.items()}
    for n, link in enumerate(event.links):
        found[label("association", event.name, names[link.outcome], link.form)] = [(*at, "links", n, "size")]
    for association in spec.associations:
        for j, kind in enumerate(KINDS if association.form == "terms" else ()):
            place = (*at, "terms", 2 * names.index(association.outcome) + j)
            found[label("association", event.name, association.outcome, f"terms:{kind}")] = [place]
    return found


def _difference(name: str, group: str, stratum: str, layout: Layout) -> str:
    week = f"week {layout.weeks[-1]:g}"
    return label("difference", name, f"{group} - {layout.groups[-1]}", stratum, week)


def _baseline(event: EventTruth, week: float) -> str:
    return label("baseline_hazard", event.name, f"week {week:g}")


def labelled_truth(truth: JointTruth, model: JointEventModel, layout: Layout) -> dict[str, float]:
    """Every free quantity once, and the difference of the start groups' mean courses at the last planned week."""
    derived: dict[str, float] = {}
    for k, outcome in zip(truth.outcomes, model.outcomes, strict=True):
        basis = bases(k, "value", np.array(months(layout.weeks[-1])), layout.starts)[2]
        for (f, stratum), (g, group) in product(enumerate(layout.strata), enumerate(layout.groups[:-1])):
            gap = k.effect[f, g] * basis[g] - k.effect[f, -1] * basis[-1]
            derived[_difference(outcome.name, group, stratum, layout)] = float(gap)
    for event in truth.events:
        hazards = {_baseline(event, week): baseline_at(event, week) for week in hazard_weeks(event, layout)}
        derived |= {name: float(np.exp(value)) for name, value in hazards.items()}
    tree = asdict(truth)
    found = {}
    for name, places in _places(truth, model, layout).items():
        value = float(np.mean([reduce(getitem, place, tree) for place in places])) if places else derived[name]
        found[name] = float(np.exp(value)) if name.startswith("baseline_shape") else value
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


def truth_from(numbers: Mapping[str, float], like: JointTruth, model: JointEventModel, layout: Layout) -> JointTruth:
    """The truth whose labelled numbers are given; shapes, knots and which parameters there are as in `like`."""
    tree = asdict(like)
    for name, places in _places(like, model, layout).items():
        for place in places:
            value = np.log(numbers[name]) if name.startswith("baseline_shape") else numbers[name]
            reduce(getitem, place[:-1], tree)[place[-1]] = value
    for event, own in zip(like.events, tree["events"], strict=True):
        weeks = hazard_weeks(event, layout)
        level = np.log([numbers[_baseline(event, week)] for week in weeks])
        bent = 0.0 if own["log_shape"] is None else np.expm1(own["log_shape"]) * np.log(months(weeks[0]) / 12)
        own |= {"log_hazard": level - bent, "links": tuple(Link(**link) for link in own["links"])}
    outcomes = tuple(OutcomeTruth(**own) for own in tree["outcomes"])
    return JointTruth(**tree | {"outcomes": outcomes, "events": tuple(EventTruth(**own) for own in tree["events"])})
