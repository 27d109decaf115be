"""`JointEventModel`: correlated outcomes and competing events whose hazards depend on the outcomes' courses."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pymc as pm
from pydantic import Field, model_validator

from bayesmodels.kernels.hazards.follow_up import follow_up
from bayesmodels.models.description import Description
from bayesmodels.models.visits.assembly import assemble, published_coords
from bayesmodels.models.visits.course_model import CourseModel
from bayesmodels.models.visits.description import course_description
from bayesmodels.models.visits.design import as_data, data_names, design_of
from bayesmodels.models.visits.event import Event
from bayesmodels.models.visits.exposure import exits_of
from bayesmodels.models.visits.hazard_terms import hazards
from bayesmodels.models.visits.priors import course_rows, event_rows, known_course_rows, known_event_rows
from bayesmodels.models.visits.published import publish_longitudinal
from bayesmodels.models.visits.terms import longitudinal_parameters
from bayesmodels.parts.priors import PriorRow
from bayesmodels.study import Study

PERSON_DRAWS = "_person_z"
"""Standard normal numbers that draw the random effects: a free variable that no posterior holds."""


class JointEventModel(CourseModel):
    """Longitudinal outcomes and competing events: those who decline faster may leave sooner.

    ``h_ie(t) = h0_e(t) exp(gamma_e' w_i + sum of alpha_e A(t; i))``, with cause-specific hazards of the event types e
    and A the current value, rate or area so far of an outcome's error-free course, or the person's own terms. The
    outcomes are those of `LongitudinalModel`. Random effects are drawn within the likelihood from their exact
    distribution given the visits, so that only what the events say of them is left to the sampler; a skewed rate by the
    mean and SD of its z given the visits.

    Delayed entry: the likelihood is given survival to the entry at the person's random effects, and those of persons
    who entered late are taken to follow the population's distribution, as everyone's. Where associations are strong
    and many entered late, the random effects of survivors thus pass for the population's.

    Parameters
    ----------
    type, outcomes, pooling, baseline, covariates, person_sd, residual_sd, correlation_shape, walk_correlation
        As of `CourseModel`.
    events : sequence of Event
        At least one; an exit that is none of them ends follow-up without information.
    """

    type: Literal["joint_event"] = "joint_event"
    events: tuple[Event, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_fit(self) -> JointEventModel:
        outcomes = [k.name for k in self.outcomes]
        labels = [label for event in self.events for label in event.labels]
        for kind, names in (("outcome", outcomes), ("event", [e.name for e in self.events]), ("event label", labels)):
            plain = [name.strip().casefold() for name in names]
            twice = sorted({name for name, key in zip(names, plain, strict=True) if plain.count(key) > 1})
            if twice:
                raise ValueError(f"{kind} {', '.join(twice)} is listed more than once; list it once")
        if "none" in {name.strip().casefold() for name in (*labels, *(event.name for event in self.events))}:
            raise ValueError("event none: rows without an event are no event type; leave it out or rename it")
        for event in self.events:
            acts = [(association.outcome, association.form) for association in event.associations]
            if len(set(acts)) < len(acts):
                raise ValueError(f"event {event.name}: an outcome and form is listed more than once; list it once")
            for association in event.associations:
                if association.outcome not in outcomes:
                    raise ValueError(
                        f"event {event.name}: association with {association.outcome!r}, which is not an outcome of the "
                        f"model; outcomes: {', '.join(outcomes)}"
                    )
        return self

    def build(self, data: Study) -> pm.Model:
        """The PyMC model of a study; its observed variable `follow_up` holds visits, exit and months watched.

        Parameters
        ----------
        data : Study
            With an events table.

        Returns
        -------
        pymc.Model
            Published variables over the vocabulary's dims; persons are the dim `person`.

        Raises
        ------
        BadInput
            The study lacks an events table, an event, an outcome, a covariate, or a stratum that a prior names.
        """
        design = design_of(data, self.outcomes, self.covariates.names)
        exits = exits_of(data, [event.labels for event in self.events])
        arrays = as_data(design, [k.name for k in self.outcomes])
        left = np.stack([exits.code.astype(float), exits.exit - exits.entry], axis=1)
        seen = np.concatenate([arrays.pop("visits_observed"), left], axis=1)
        with pm.Model(coords=published_coords(self, data, design)) as model:
            values = {name: pm.Data(name, array) for name, array in arrays.items()}
            a = assemble(self, data, design)
            model.add_coords({"any_term": a.labels, "slot": range(seen.shape[1])})
            p = longitudinal_parameters(self, a)
            shares = p.person_shares(values)
            bases, layout, mean, slope = a.bases(design, values, p.mean, p.slope, shares, data_names)
            z = pm.Normal(PERSON_DRAWS, 0.0, 1.0, shape=(len(seen), len(a.random_terms)))
            found = hazards(self, a, shares, layout, design, exits, data)
            follow_up(
                "follow_up",
                layout,
                p.inputs(values, mean, slope),
                bases,
                z,
                found.layout,
                found.inputs,
                found.bases,
                pm.Data("follow_up_observed", seen),
                ("person", "slot"),
            )
            publish_longitudinal(self, a, data, design, p)
            found.publish(self, a, data)
        return model

    def prior_rows(self, data: Study) -> list[PriorRow]:
        """Every prior (`prior_table`); the study gives strata and start groups only.

        Parameters
        ----------
        data : Study
            For labels and units; its values are not read.

        Returns
        -------
        list of dict
            parameter, prior, unit, source, and what the parameter is of.
        """
        return [*course_rows(self, data), *event_rows(self, data)]

    def _description(self) -> Description:
        return course_description(self, lambda: [*known_course_rows(self), *known_event_rows(self)], self.events)
