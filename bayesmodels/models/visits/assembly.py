"""Terms and bases of a longitudinal model over all its outcomes, from its trajectories and drug effects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.graph.traversal import ancestors

from bayesmodels.errors import BadConfig
from bayesmodels.kernels.linear_mixed.op import Layout
from bayesmodels.kernels.spread import spread
from bayesmodels.models.outcome import Outcome
from bayesmodels.models.visits.course_model import CourseModel
from bayesmodels.models.visits.design import Design
from bayesmodels.parts.curve import Curve, Term, basis_and_removed
from bayesmodels.study import Study
from bayesmodels.vocabulary import ALL, PERIODS


@dataclass(frozen=True)
class Assembly:
    """Terms and curves of a model on a study.

    Parameters
    ----------
    terms : tuple of Term
        In the order of `labels`.
    outcomes : tuple of str
    strata, groups : tuple of str
    drugged : (start_group,) bool
        Whether anyone in the group starts the drug.
    labels : tuple of str
        `<outcome>:<term>` of every term; `terms` in the same order.
    effects, free_levels : tuple of int
        Terms of drug effects; levels that differ between start groups.
    pooling : str
        `complete` where fewer than two groups ever start the drug.
    trajectories, effect_curves : tuple of Curve, by outcome
    random_walks : tuple of int
        Outcomes with a Brownian path about each person's course.
    slowing : tuple, by outcome
        The effect that removes a share of the outcome's course, or None.
    skewed_term : int or None
        The rate whose distribution between persons is skewed.
    skewed_sign : int
        Direction of its long tail; 0 without one.
    correlated_walks : bool
        Whether the paths of a person's outcomes are correlated.
    """

    outcomes: tuple[str, ...]
    strata: tuple[str, ...]
    groups: tuple[str, ...]
    drugged: np.ndarray
    labels: tuple[str, ...]
    terms: tuple[Term, ...]
    effects: tuple[int, ...]
    free_levels: tuple[int, ...]
    pooling: str
    trajectories: tuple[Curve, ...]
    effect_curves: tuple[Curve, ...]
    random_walks: tuple[int, ...]
    slowing: tuple[Any, ...]
    skewed_term: int | None
    skewed_sign: int
    correlated_walks: bool

    @property
    def random_terms(self) -> tuple[int, ...]:
        """Terms that vary between persons, a skewed one first."""
        found = [p for p, term in enumerate(self.terms) if term.person_sd is not None]
        return tuple(sorted(found, key=lambda p: p != self.skewed_term))

    @property
    def random(self) -> tuple[Term, ...]:
        """Those terms."""
        return tuple(self.terms[p] for p in self.random_terms)

    @property
    def shifting_terms(self) -> tuple[int, ...]:
        """Terms whose mean differs between start groups."""
        return (() if self.pooling == "complete" else self.effects) + self.free_levels

    def basis(self, k: int, t: Any, x: Any, share: Any = None) -> dict[int, Any]:
        """Basis of outcome k by term, at months since randomisation `t` and since the drug's start `x`, same shape.

        `share`: what the drug removes of the course there, for an outcome with such an effect; broadcasts with t.
        """
        found, removed = self.basis_and_removed(k, t, x)
        return {p: value - share * removed[p] if p in removed else value for p, value in found.items()}

    def basis_and_removed(self, k: int, t: Any, x: Any) -> tuple[dict[int, Any], dict[int, Any]]:
        """Basis of outcome k by term as of `basis`, before a drug removes a share; and what a share of 1 removes."""
        found, removed = basis_and_removed(self.trajectories[k], self.effect_curves[k], t, x)
        return self._by_term(k, found), self._by_term(k, removed if self.drugged.any() else {})

    def _by_term(self, k: int, named: Mapping[str, Any]) -> dict[int, Any]:
        return {self.labels.index(_label(self.outcomes[k], name)): value for name, value in named.items()}

    def bases(
        self,
        design: Design,
        values: Mapping[str, Any],
        mean: Any,
        slope: Any,
        shares: Mapping[int, Any],
        data_names: Callable[[str], Mapping[str, str]],
        prefix: str = "",
        strata: int | None = None,
    ) -> tuple[list[Any], Layout, Any, Any]:
        """Bases of every visit (slot, person), layout of the likelihood, and the terms' means and covariate slopes.

        `shares`: by outcome, what the drug removes of each person's course, (person,). `prefix` begins the names of
        latent values; `strata`: columns of `mean`, where they are not the study's strata.

        A censored visit has y = 0 and a latent value that enters through a basis of its own,
        under a further term whose mean is 1, whatever the covariates.
        """
        bases, outcome_of, term_of = [], [], []
        for k, name in enumerate(self.outcomes):
            names = data_names(name)
            point = values[names["point"]]
            found, removed = self.basis_and_removed(k, values[names["months"]], values[names["on_drug"]])
            for p, basis in found.items():
                at_visits = spread(basis, point)
                if p in removed:
                    at_visits = at_visits - shares[k] * spread(removed[p], point)
                bases.append(at_visits)
                outcome_of.append(k)
                term_of.append(p)
            beyond = design.outcomes[k]
            if len(beyond.limit):
                excess = _flat_above_zero(f"{prefix}{name}_excess", len(beyond.limit))
                latent = beyond.limit + beyond.side * excess
                bases.append(
                    pt.set_subtensor(pt.zeros_like(point, dtype="float64")[beyond.row, beyond.column], -latent)
                )
                outcome_of.append(k)
                term_of.append(len(self.labels))
        n_terms = 1 + max(*term_of, len(self.labels) - 1)
        if n_terms > len(self.labels):
            mean = pt.concatenate([mean, pt.ones((1, len(self.strata) if strata is None else strata))], axis=0)
            slope = pt.concatenate([slope, pt.zeros((slope.shape[0], 1))], axis=1)
        random_variables = set(pm.modelcontext(None).free_RVs)
        layout = Layout(
            outcome_of=tuple(outcome_of),
            term_of=tuple(term_of),
            random_terms=self.random_terms,
            shifting_terms=self.shifting_terms,
            varying=tuple(not random_variables.isdisjoint(ancestors([basis])) for basis in bases),
            n_terms=n_terms,
            random_walks=self.random_walks,
            skewed=self.skewed_sign,
            correlated_walks=self.correlated_walks,
        )
        return bases, layout, mean, slope


@dataclass(frozen=True)
class CourseParts:
    """Terms and curves of a model, whatever the study.

    Parameters
    ----------
    trajectories, effects : mapping of str to Curve, by outcome
    terms : mapping of str to Term
        By label, `<outcome>:<term>`.
    effect_labels, level_labels : tuple of str
        Terms of drug effects that may differ between start groups; levels.
    random_walks : tuple of int
        Outcomes with a Brownian path.
    """

    trajectories: Mapping[str, Curve]
    effects: Mapping[str, Curve]
    terms: Mapping[str, Term]
    effect_labels: tuple[str, ...]
    level_labels: tuple[str, ...]
    random_walks: tuple[int, ...]

    def slowing(self, outcomes: Sequence[Outcome]) -> tuple[Any, ...]:
        """By outcome, the effect that removes a share of its course, or None."""
        return tuple(k.effect if self.effects[k.name].slowed is not None else None for k in outcomes)


def parts_of(model: CourseModel) -> CourseParts:
    """Make the curves of a model's parts, with their random variables, in the current PyMC model."""
    trajectories: dict[str, Curve] = {}
    effects: dict[str, Curve] = {}
    terms: dict[str, Term] = {}
    effect_labels: list[str] = []
    level_labels: list[str] = []
    for outcome in model.outcomes:
        trajectory = outcome.trajectory.curve(outcome)
        effect = outcome.effect.curve(outcome, trajectory, effects)
        if effect.rate_given is not None:
            raise BadConfig(
                f"outcome {outcome.name}: expected an effect that is linear in persons' terms, got "
                f'{type(outcome.effect).__name__}, which only published means can have; use "follows" for a link'
            )
        trajectories[outcome.name] = trajectory
        effects[outcome.name] = effect
        terms |= {_label(outcome.name, name): term for name, term in trajectory.terms.items()}
        own = {_label(outcome.name, name): term for name, term in effect.terms.items() if ":" not in name}
        terms |= own
        effect_labels += [label for label, term in own.items() if term.by_start_group]
        level_labels += [f"{outcome.name}:level"] if "level" in trajectory.terms else []
    random_walks = tuple(k for k, outcome in enumerate(model.outcomes) if outcome.random_walk_sd is not None)
    return CourseParts(trajectories, effects, terms, tuple(effect_labels), tuple(level_labels), random_walks)


def assemble(model: CourseModel, data: Study, design: Design) -> Assembly:
    """Make the curves of a model's parts, with their random variables, in the current PyMC model."""
    parts = parts_of(model)
    labels = tuple(parts.terms)
    drugged = np.isfinite(design.start_weeks)
    skewed = next((k for k in model.outcomes if k.rate_skewness is not None), None)
    return Assembly(
        outcomes=tuple(k.name for k in model.outcomes),
        strata=data.stratum_labels,
        groups=data.start_groups,
        drugged=drugged,
        labels=labels,
        terms=tuple(parts.terms.values()),
        effects=tuple(labels.index(name) for name in parts.effect_labels),
        free_levels=tuple(labels.index(name) for name in parts.level_labels)
        if model.baseline == "free" and len(data.start_groups) > 1
        else (),
        pooling=model.pooling if drugged.sum() > 1 else "complete",
        trajectories=tuple(parts.trajectories.values()),
        effect_curves=tuple(parts.effects.values()),
        slowing=parts.slowing(model.outcomes),
        skewed_term=None if skewed is None else labels.index(f"{skewed.name}:rate"),
        skewed_sign=0 if skewed is None else (-1 if skewed.good_direction == "up" else 1),
        random_walks=parts.random_walks,
        correlated_walks=model.walk_correlation != "independent" and len(parts.random_walks) > 1,
    )


def published_coords(model: CourseModel, data: Study, design: Design) -> dict[str, Sequence[Any]]:
    """Coordinates of the model's dims; persons are numbered, never named."""
    strata = data.stratum_labels
    return {
        **data.coords,
        "fitted_stratum": strata,
        "stratum": (*strata, ALL) if len(strata) > 1 else strata,
        "outcome": [k.name for k in model.outcomes],
        "outcome:unit": [k.modelling_unit for k in model.outcomes],
        "outcome:scale": [k.scale for k in model.outcomes],
        "outcome:good_direction": [k.good_direction for k in model.outcomes],
        "outcome:effect_type": [getattr(k.effect, "type", type(k.effect).__name__) for k in model.outcomes],
        "outcome:effect_unit": [
            getattr(k.effect, "effect_unit", "{unit}").format(unit=k.modelling_unit) for k in model.outcomes
        ],
        "start_group:drug_start_week": list(design.start_weeks),
        **_covariate_coords(model.covariates.names, design),
        "period": PERIODS,
    }


def _covariate_coords(names: Sequence[str], design: Design) -> dict[str, Sequence[Any]]:
    """Covariates with the mean and SD they were standardised by: what a prediction needs for new persons."""
    if not names:
        return {}
    return {"covariate": names, "covariate:center": list(design.center), "covariate:spread": list(design.spread)}


def _label(outcome: str, term: str) -> str:
    """A term with a colon in its name is another outcome's."""
    return term if ":" in term else f"{outcome}:{term}"


def _flat_above_zero(name: str, count: int) -> Any:
    """How far latent values lie beyond their limit: the likelihood is their density, so their own is flat.

    Its random draws only give the sampler a place to start from.
    """
    return pm.CustomDist(
        name,
        logp=lambda value: pt.switch(pt.gt(value, 0.0), 0.0, -np.inf),
        random=lambda rng=None, size=None: rng.exponential(0.1, size=size),
        support_point=lambda rv, size: pt.full((count,), 0.1),
        transform=pm.distributions.transforms.log,
        shape=(count,),
    )
