"""Model of published arm-by-visit means, for any trial with start groups, strata and outcomes.

Means of one outcome are multivariate normal about the model's mean courses with a constant plug-in covariance (see
`bayesmodels.models.published_means.covariance`): the observed variable of outcome k is `means_<k>`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import pymc as pm
import pytensor.tensor as pt
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from bayesmodels.errors import BadInput, expect
from bayesmodels.models.description import Described, Description, options_of
from bayesmodels.models.published_means.courses import Courses, courses_of
from bayesmodels.models.published_means.covariance import row_covariance
from bayesmodels.models.published_means.layout import Arms, Mixture, arms_of, cells_of, rows_of
from bayesmodels.models.published_means.outcome import MeansOutcome
from bayesmodels.models.published_means.presets import means_outcome_from
from bayesmodels.models.published_means.published import publish_means
from bayesmodels.parts.formulas import WHERE, course_formula
from bayesmodels.parts.priors import PriorRow, labelled_rows
from bayesmodels.study.checks.labels import spelt
from bayesmodels.study.means import MeansTable


class PublishedMeansModel(Described, BaseModel):
    """Visit-level means of one or more outcomes per start group and stratum.

    Parameters
    ----------
    type : str
        Name in a configuration.
    outcomes : sequence of MeansOutcome
        Or preset names (`valor_nfl_plasma`, `valor_alsfrs_r`, `cnm_au8_alsfrs_r`), or tables of fields.
    mixture : {"common", "own"}
        Weights of the strata in rows of all randomised: the trial's, or the start group's own.
    curve_weeks : tuple of float
        Weeks of the published curves; empty for 25 whole weeks from 0 to the last visit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["published_means"] = "published_means"
    outcomes: tuple[Annotated[MeansOutcome, BeforeValidator(means_outcome_from)], ...] = Field(min_length=1)
    mixture: Mixture = "common"
    curve_weeks: tuple[float, ...] = ()

    def build(self, data: MeansTable) -> pm.Model:
        """PyMC model of the table's rows.

        The data containers `estimate_<outcome>` and `drug_start_month` may be replaced without compiling again;
        the covariance stays that of `data`.

        Parameters
        ----------
        data : MeansTable

        Returns
        -------
        pymc.Model
            Published variables over the vocabulary's dims.

        Raises
        ------
        BadInput
            An outcome of the table is not in the model, or the other way round, or a stratum has no prior.
        """
        expect(data, MeansTable, "data", "make one with read_means or MeansTable.from_frame")
        arms, courses = arms_of(data), courses_of(self.outcomes)
        self._check(data, arms, courses)
        with pm.Model(coords={"start_group": arms.start_groups, "own_stratum": arms.strata}) as model:
            started = pm.Data("drug_start_month", arms.started, dims=("start_group",))
            values = {p.name: p.variable(arms.strata, "own_stratum") for p in courses}
            for outcome in self.outcomes:
                frame = data.frame[data.frame["outcome"] == outcome.name]
                rows = rows_of(frame, arms, self.mixture)
                covariance, _ = row_covariance(outcome.spread, rows)
                mean = courses.given(courses.change(outcome.name, cells_of(rows, arms, started)), values)
                if not np.array_equal(rows.weights, np.eye(len(frame))):
                    mean = (rows.weights * mean).sum(axis=-1)
                row = (f"row_{outcome.name}",)
                model.add_coord(row[0], np.arange(len(frame)))
                estimate = pm.Data(f"estimate_{outcome.name}", frame["estimate"].to_numpy(dtype=float), dims=row)
                _constant_normal(f"means_{outcome.name}", mean, covariance, estimate, row)
            publish_means(self.outcomes, courses, arms, started, values, self._weeks(data))
        return model

    def prior_rows(self, data: MeansTable | None = None) -> list[PriorRow]:
        """Every prior (`prior_table`), whatever the table: parameter, stratum, prior, unit, source.

        Parameters
        ----------
        data : MeansTable, optional
            For labels and units; its values are not read.

        Returns
        -------
        list of dict
            parameter, prior, unit, source, and what the parameter is of.
        """
        parameters = courses_of(self.outcomes).parameters
        rows = [row for outcome in self.outcomes for p in parameters[outcome.name] for row in p.rows(outcome.unit)]
        return labelled_rows(("parameter", "stratum", "prior", "unit", "source"), rows)

    def _description(self) -> Description:
        options = options_of(self, ("mixture",))
        lines, formulas = [], []
        for k in self.outcomes:
            of = f"ln {k.name}" if k.scale == "log" else k.name
            lines.append(f"{of}: {type(k.course).__name__}, {type(k.effect).__name__}")
            names = ("rate", "effect", "late_slope", *(f"rate_change_{j}" for j in range(1, 20)))
            body, where, about = course_formula(k.course, k.effect, dict.fromkeys(names, "s")).partition(WHERE)
            shift = " + extension_shift [in the extension]" if k.extension_shift_sd > 0 else ""
            formulas.append((f"mean change of {of}", f"[{body}] − its value at t = 0{shift}{where}{about}"))
        return Description(
            f"PublishedMeansModel of {', '.join(k.name for k in self.outcomes)}",
            [*lines, *([f"options: {', '.join(options)}"] if options else [])],
            formulas,
            [
                "Means of an arm vary together as the spread stated with the outcome says.",
                *([f"Options: {', '.join(options)}."] if options else []),
            ],
            self.prior_rows,
            "prior_table(model) says where each comes from.",
        )

    def _weeks(self, data: MeansTable) -> tuple[float, ...]:
        if self.curve_weeks:
            return self.curve_weeks
        return tuple(np.unique(np.round(np.linspace(0, float(data.frame["week"].max()), 25))).tolist())

    def _check(self, data: MeansTable, arms: Arms, courses: Courses) -> None:
        problems = []
        came, expected = set(data.frame["outcome"]), [outcome.name for outcome in self.outcomes]
        for name in sorted(came.symmetric_difference(expected)):
            where = "the table but not in the model" if name in came else "the model but not in the table"
            other = spelt(name, came) if name in expected else ""
            problems.append(f"outcome {name!r} is in {where}{other or '; select outcomes so that both have the same.'}")
        for parameter in courses:
            missing = parameter.strata_without_prior(arms.strata)
            problems += [f"{parameter.name} has no prior for stratum {f!r}; add one." for f in missing]
        if problems:
            raise BadInput(problems)


def _constant_normal(
    name: str, mean: Any, covariance: npt.NDArray[np.float64], observed: Any, dims: tuple[str, ...]
) -> Any:
    """Observed random variable `Normal(mean, covariance)` over rows; its log density is one number.

    The Cholesky factor's inverse is computed once with NumPy, so the log density is one elementwise product and a sum:
    it compiles in a fraction of the time of a triangular solve.

    Parameters
    ----------
    name : str
    mean : tensor (row,)
    covariance : array (row, row)
        Constant and positive definite.
    observed : array or tensor (row,)
    dims : tuple of str
        Name of the row dim.
    """
    factor = np.linalg.cholesky(covariance)
    whitener = np.linalg.inv(factor)
    constant = -0.5 * len(factor) * np.log(2 * np.pi) - np.log(np.diag(factor)).sum()

    def logp(value: Any, mean: Any) -> Any:
        white = (whitener * (value - mean)[None, :]).sum(axis=-1)
        return constant - 0.5 * pt.sqr(white).sum()

    def random(
        mean: npt.NDArray[np.float64], rng: np.random.Generator, size: tuple[int, ...] | None
    ) -> npt.NDArray[np.float64]:
        shape = mean.shape if size is None else (*size, mean.shape[-1])
        return mean + rng.standard_normal(shape) @ factor.T

    return pm.CustomDist(name, mean, logp=logp, random=random, signature="(n)->(n)", observed=observed, dims=dims)
