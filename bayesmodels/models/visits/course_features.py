"""Features of a person's error-free course that may act on a hazard: value, rate, area so far, random effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import grad

from bayesmodels.kernels.linear_mixed.op import Layout
from bayesmodels.models.visits.assembly import Assembly
from bayesmodels.models.visits.event import Event
from bayesmodels.parts.associations import Association
from bayesmodels.parts.priors import by_stratum

if TYPE_CHECKING:
    from bayesmodels.models.joint_event import JointEventModel

AREA_NODES = 12
"""Gauss-Legendre nodes of an area, before and after the drug's start each."""

TYPICAL_AREA_MONTHS = 12.0


@dataclass(frozen=True)
class Predictor:
    """One feature, which may act on several events' hazards.

    Parameters
    ----------
    outcome : int
    form : {"value", "rate", "area", "terms"}
    label : str
        The form, or `terms:<term>`.
    deviation : int
        Of `terms`: which random term.
    typical_sd : float
        Typical SD between persons, modelling scale.
    priors : dict of str to Association
        By event.
    stated_at : float
        Value at which the baseline hazard is stated: the typical level or rate, zero for areas (of the value less its
        typical level) and for deviations.
    sampled_at : float
        About its value when events happen: where the sampler sees the baseline.
    level : float
        Typical level, subtracted before an area is taken.
    """

    outcome: int
    form: str
    label: str
    deviation: int
    typical_sd: float
    priors: dict[str, Association]
    stated_at: float
    sampled_at: float
    level: float

    def prior_sd(self, event: Event) -> float:
        """Prior SD of the association with an event."""
        given = self.priors.get(event.name)
        return given.prior.sd if given is not None and given.prior is not None else 1.0 / self.typical_sd

    def prior_mean(self, event: Event) -> float:
        """Prior mean of the association with an event."""
        given = self.priors.get(event.name)
        return given.prior.mean if given is not None and given.prior is not None else 0.0

    def offset(self, t: np.ndarray) -> np.ndarray:
        """What is subtracted from the feature, (point,)."""
        return self.level * t if self.form == "area" else np.full(len(t), self.sampled_at)


def predictors_of(model: JointEventModel, a: Assembly, last_values: np.ndarray) -> tuple[list[Predictor], np.ndarray]:
    """The features that act on any event's hazard, and which act on which, (event, predictor) bool.

    `last_values` by outcome: about where courses are when events happen, NaN where it is not known.
    """
    found: dict[tuple[str, str], Predictor] = {}
    acts: list[list[tuple[str, str]]] = []
    for event in model.events:
        acts.append([])
        for association in event.associations:
            for predictor in _of_association(model, a, association, last_values):
                key = (association.outcome, predictor.label)
                first = found.setdefault(key, predictor)
                first.priors[event.name] = association
                acts[-1].append(key)
    keys = list(found)
    uses = np.array([[key in own for key in keys] for own in acts], bool).reshape(len(acts), len(keys))
    return list(found.values()), uses


def _of_association(
    model: JointEventModel, a: Assembly, association: Association, last_values: np.ndarray
) -> list[Predictor]:
    k = a.outcomes.index(association.outcome)
    outcome = model.outcomes[k]
    level = float(np.mean([prior.mean for prior in by_stratum(outcome.level_prior, a.strata)]))
    rate = float(np.mean([prior.mean for prior in by_stratum(outcome.rate_prior, a.strata)]))
    if association.form == "terms":
        own = [
            (j, a.labels[p].partition(":")[2], sd.sd)
            for j, p in enumerate(a.random_terms)
            if (sd := a.terms[p].person_sd) is not None and a.labels[p].startswith(f"{association.outcome}:")
        ]
        return [Predictor(k, "terms", f"terms:{name}", j, sd, {}, 0.0, 0.0, 0.0) for j, name, sd in own]
    last = float(last_values[k])
    typical_sd, stated, sampled = {
        "value": (outcome.level_sd_prior.sd, level, level if np.isnan(last) else last),
        "rate": (outcome.rate_sd_prior.sd, rate, rate),
        "area": (outcome.level_sd_prior.sd * TYPICAL_AREA_MONTHS, 0.0, 0.0),
    }[association.form]
    return [Predictor(k, association.form, association.form, -1, typical_sd, {}, stated, sampled, level)]


def features(predictor: Predictor, a: Assembly, layout: Layout, t: Any, x: Any, share: Any = None) -> dict[int, Any]:
    """Basis of a feature by column of the drawn terms, at months since randomisation t and on the drug x, (point,).

    `share`: what the drug removes of the outcome's course, (point,), where it removes one.
    """
    if predictor.form == "terms":
        return {layout.n_terms + predictor.deviation: pt.ones_like(t)}
    if predictor.form == "value":
        return a.basis(predictor.outcome, t, x, share)
    if predictor.form == "rate":
        return {p: _by_time(basis, t, x) for p, basis in a.basis(predictor.outcome, t, x, share).items()}
    return _areas(a, predictor.outcome, t, x, share)


def _by_time(basis: Any, t: Any, x: Any) -> Any:
    """Derivative by time of a basis that is a function of its own point's t and x only."""
    by_t, by_x = grad(basis.sum(), [t, x], disconnected_inputs="ignore", return_disconnected="zero")
    return by_t + by_x


def _areas(a: Assembly, k: int, t: Any, x: Any, share: Any) -> dict[int, Any]:
    """Integrals of the bases from randomisation to t, in two pieces that meet at the drug's start."""
    node, weight = np.polynomial.legendre.leggauss(AREA_NODES)
    node, weight = (node + 1) / 2, weight / 2
    switch = pt.clip(t - x, 0.0, t)
    areas: dict[int, Any] = {}
    for begin, end in ((pt.zeros_like(t), switch), (switch, t)):
        at = begin[None, :] + (end - begin)[None, :] * node[:, None]
        for p, basis in a.basis(k, at, at - (t - x)[None, :], share).items():
            piece = (end - begin) * (basis * weight[:, None]).sum(axis=0)
            areas[p] = areas[p] + piece if p in areas else piece
    return areas
