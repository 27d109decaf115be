"""`LongitudinalModel`: correlated outcomes, hierarchical over persons, with the drug's effect by start group."""

from __future__ import annotations

from typing import Literal

import pymc as pm
from pydantic import field_validator

from bayesmodels.errors import BadInput
from bayesmodels.kernels.linear_mixed.variable import linear_mixed
from bayesmodels.models.description import Description
from bayesmodels.models.other_trials import checked_trial, trial_warnings
from bayesmodels.models.outcome import Outcome
from bayesmodels.models.possible_values import value_problems
from bayesmodels.models.visits.assembly import assemble, published_coords
from bayesmodels.models.visits.course_model import CourseModel
from bayesmodels.models.visits.description import course_description
from bayesmodels.models.visits.design import as_data, data_names, design_of
from bayesmodels.models.visits.external import borrow
from bayesmodels.models.visits.priors import borrowing_rows, course_rows, known_course_rows
from bayesmodels.models.visits.published import publish_longitudinal
from bayesmodels.models.visits.terms import longitudinal_parameters
from bayesmodels.parts.borrowing import BorrowingPart
from bayesmodels.parts.priors import PriorRow
from bayesmodels.study import Study
from bayesmodels.study.problem import Problem


class LongitudinalModel(CourseModel):
    """Hierarchical model of one or more outcomes over time, persons integrated out.

    ``y_ik(t) = trajectory_k(t; u_i) + effect_k(t, t - s_i; u_i) + path_ik(t) + error``, with one correlated vector u_i
    of random effects over all outcomes, the drug's start s_i of person i, and a random walk for outcomes that have one.
    An effect that removes a share of the course (`ProportionalSlowing`) acts on the trajectory's terms. Random effects
    are normal and integrated out exactly; a skewed rate (`Outcome.rate_skewness`) by an integral in one dimension for
    each person.

    Means of an outcome with limits are of true values held within them (`curve`, `curve_change`, `difference`,
    `period_rate`); those of courses that know no limits are `latent_curve` and so on.

    Parameters
    ----------
    type, outcomes, pooling, baseline, covariates, person_sd, residual_sd, correlation_shape, walk_correlation
        As of `CourseModel`.
    borrowing : Commensurate or RobustMixture, optional
        Untreated persons of other trials inform the untreated rate (`parts.borrowing`); the study is then that of one
        trial (``read_study(..., trial=...)``). Shape of the course, SDs, correlations and covariates' slopes are common
        to the trials; all that is published of persons is of our trial's.
    """

    type: Literal["longitudinal"] = "longitudinal"
    borrowing: BorrowingPart = None

    @field_validator("outcomes")
    @classmethod
    def _once_each(cls, outcomes: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
        names = [k.name for k in outcomes]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"outcome {', '.join(twice)} is listed more than once; give each its own name")
        return outcomes

    def build(self, data: Study) -> pm.Model:
        """The PyMC model of a study; its observed variable `visits` has a log-likelihood by person.

        Parameters
        ----------
        data : Study

        Returns
        -------
        pymc.Model
            Published variables over the vocabulary's dims; persons are the dim `person`.

        Raises
        ------
        BadInput
            The study lacks an outcome, a covariate, or a stratum that a prior names; or its external persons cannot be
            borrowed from.
        """
        borrows = self.borrowing is not None and isinstance(data, Study)
        if borrows:
            whole = checked_trial(self, data)
            impossible = value_problems(whole, self.outcomes)
            if impossible:
                raise BadInput(impossible)
            whole.covariates(self.covariates.names)
        design = design_of(data, self.outcomes, self.covariates.names)
        arrays = as_data(design, [k.name for k in self.outcomes])
        with pm.Model(coords=published_coords(self, data, design)) as model:
            values = {name: pm.Data(name, array) for name, array in arrays.items()}
            a = assemble(self, data, design)
            model.add_coords({"any_term": a.labels, "slot": range(arrays["visits_observed"].shape[1])})
            p = longitudinal_parameters(self, a)
            bases, layout, mean_and_fixed, slope_and_fixed = a.bases(
                design, values, p.mean, p.slope, p.person_shares(values), data_names
            )
            linear_mixed(
                "visits",
                layout,
                p.inputs(values, mean_and_fixed, slope_and_fixed),
                bases,
                values["visits_observed"],
                ("person", "slot"),
            )
            publish_longitudinal(self, a, data, design, p)
            if borrows:
                borrow(self, a, data, design, p)
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
        rows = course_rows(self, data)
        return rows if self.borrowing is None else rows + borrowing_rows(self, data)

    def _description(self) -> Description:
        return course_description(self, lambda: known_course_rows(self))

    def warnings(self, data: Study) -> list[Problem]:
        """What is doubtful in a study's trials for this model: several that are taken for one, or left out.

        Parameters
        ----------
        data : Study
        """
        return trial_warnings(self, data)
