"""Terms and time-dependent basis of a trajectory or a drug effect.

A part contributes ``sum over terms of (a person's term) x (the term's basis at time t)`` to an outcome's mean. It
states the terms (their priors, and whether they vary between persons) and gives the basis as functions of time in
months: since randomisation for a trajectory; since randomisation and since the drug's start for an effect. Times are
tensors of any shape, and so is what comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bayesmodels.parts.priors import HalfNormal, MeanPrior

Basis = Callable[..., Mapping[str, Any]]
"""Time in months (t, or t and x for an effect), any shape, to the basis of every term, the same shape."""


@dataclass(frozen=True)
class Term:
    """A coefficient of a person's course.

    Parameters
    ----------
    mean : Normal, or a dict of Normal by stratum
        Prior of its mean over persons.
    person_sd : HalfNormal or None
        Prior of its SD between persons; None: the same for everyone.
    unit : str
        Template: `{unit}` is the outcome's unit on its modelling scale.
    by_start_group : bool
        Of a drug effect's term: it may differ between start groups, under the model's pooling.
    """

    mean: MeanPrior
    person_sd: HalfNormal | None
    unit: str
    by_start_group: bool = True


@dataclass(frozen=True)
class Curve:
    """Terms by name, the value of each term's basis at given times, and what else is published.

    Parameters
    ----------
    terms : mapping of str to Term
        A name with a colon (`nfl_plasma:effect`) is another outcome's term, used here too; its Term is ignored.
    value : Basis
    area : Basis or None
        Of an effect: integral of the basis from the drug's start to the given time; None where nothing asks for it.
    published : mapping of str to scalar tensor
        By vocabulary name, for example `effect_lag`.
    rate_jumps : tuple of float
        Months, as the basis's own time, at which its derivative jumps or may jump: where the rate acts on a hazard,
        time is cut there for the integral.
    slowed : callable or None
        Of an effect that removes a share of the untreated course: months x since the drug's start to the months for
        which the course has been slowed, x_+ (`ProportionalSlowing`).
    own_time : callable or None
        Of an effect under which the untreated drift stops: months t and x to the untreated course's own time.
    rate_given : (str, callable) or None
        Of an effect that changes the rate by a factor which depends on another outcome's effect (`RatioPower`): that
        outcome's name, and months t and x and the size of its effect to the basis of the rate. It is not linear in
        persons' terms: models of persons refuse it.
    """

    terms: Mapping[str, Term]
    value: Basis
    area: Basis | None = None
    published: Mapping[str, Any] = field(default_factory=dict)
    rate_jumps: tuple[float, ...] = ()
    slowed: Callable[[Any], Any] | None = None
    own_time: Callable[[Any, Any], Any] | None = None
    rate_given: tuple[str, Callable[[Any, Any, Any], Any]] | None = None


def basis_and_removed(trajectory: Curve, effect: Curve, t: Any, x: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Basis of an outcome's course by term, before a drug removes a share; and what a share of 1 removes of it.

    `t`, `x`: months since randomisation and since the drug's start, same shape.
    """
    untreated = trajectory.value(t if effect.own_time is None else effect.own_time(t, x))
    found = {**untreated, **effect.value(t, x)}
    if effect.slowed is None:
        return found, {}
    earlier = trajectory.value(t - effect.slowed(x))
    return found, {name: value - earlier[name] for name, value in untreated.items() if name != "level"}
