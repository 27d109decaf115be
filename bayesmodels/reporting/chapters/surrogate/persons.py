"""Individual level: how persons' surrogates go with their outcomes, and what is expected of new persons."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from bayesmodels.posterior.intervals import named_limits
from bayesmodels.posterior.observed import ObservedPersons
from bayesmodels.posterior.wording import chance, fixed
from bayesmodels.reporting.chapter import Chapter, Layouts, Makers, Needs, Reading, Tables
from bayesmodels.reporting.drawing import COLOURS, add_title, new_panel
from bayesmodels.reporting.layout import Layout, Statistic
from bayesmodels.reporting.page import Section, limits_cell
from bayesmodels.surrogacy.criteria.arms import Arms
from bayesmodels.surrogacy.criteria.courses import Courses, in_months
from bayesmodels.surrogacy.criteria.individual import (
    VectorAssociation,
    correlation_table,
    prediction_table,
    slope_r2,
    term_association,
    visit_association,
)
from bayesmodels.surrogacy.declared import Declared
from bayesmodels.surrogacy.evidence import SurrogateEvidence
from bayesmodels.surrogacy.single_trial import limits

_VECTORS = {
    "r2_lambda": "R2_Lambda",
    "variance_reduction": "variance reduction factor",
    "part": "PART, mean share of variance explained",
}


class Persons(Chapter):
    """Surrogate and outcome between persons."""

    name = "surrogate, between persons"
    needs = Needs(("person_basis",))

    def tables(self, reading: Reading) -> Tables:
        """`surrogacy_correlations`, `surrogacy_slope_r2`, `surrogacy_vectors`, `surrogacy_prediction`."""
        evidence = reading.surrogate
        if evidence is None or evidence.courses is None:
            return {}
        tables = dict(_person_tables(evidence.courses, evidence, reading.observed))
        if evidence.arms is not None:
            tables["surrogacy_prediction"] = _predictions(evidence.arms, evidence)
        return tables

    def layouts(self, reading: Reading) -> Layouts:
        """Of correlations and shares between persons, and of new persons."""
        predicted: Any = ("eti_predictive", reading.prob)
        new = {edge: Statistic(edge, of="new_person", interval=predicted) for edge in ("lower", "upper")}
        positive = {"positive": Statistic("prob", event="positive")}
        return {
            "surrogacy_correlations": Layout("person_correlation", columns=positive),
            "surrogacy_slope_r2": Layout("slope_r2"),
            "surrogacy_vectors": Layout(named_by="metric"),
            "surrogacy_prediction": Layout(keys=("surrogate_change",), columns=new),
        }

    def figures(self, reading: Reading) -> Makers:
        """``surrogacy_persons``."""
        evidence = reading.surrogate
        if evidence is None or evidence.arms is None:
            return {}
        return {"surrogacy_persons": partial(persons_figure, evidence.arms, evidence.declared, reading.context.arm)}

    def section(self, reading: Reading) -> Section | tuple[()]:
        """Measures of association, and prediction of new persons."""
        tables, label = reading.tables, reading.label
        if "surrogacy_slope_r2" not in tables:
            return ()
        d = reading.evidence.declared
        names = {"level": "level at randomisation", "rate": "drift off drug", "effect": "response to the drug"}
        slopes = [
            {
                f"{d.surrogate.label} terms": ", ".join(names.get(term, term) for term in row["terms"].split(" + ")),
                f"R2 ({label})": limits_cell(row),
                f"Prior ({label})": limits_cell(row, "prior_"),
            }
            for row in tables["surrogacy_slope_r2"].to_dict("records")
        ]
        vectors = [
            {
                "Scope": row["scope"],
                "Measure": _VECTORS[row["metric"]],
                f"Median ({label})": limits_cell(row),
                f"Prior ({label})": limits_cell(row, "prior_"),
            }
            for row in tables["surrogacy_vectors"].to_dict("records")
        ]
        pairs = [
            {
                "Terms": f"{row['term']} with {row['term_other']}",
                f"Correlation ({label})": limits_cell(row),
                **({f"Prior ({label})": limits_cell(row, "prior_")} if "prior_median" in row else {}),
                "P(positive)": chance(row["positive"]),
            }
            for row in tables["surrogacy_correlations"].to_dict("records")
        ]
        shown = {
            f"How much of persons' {d.outcome.label} slopes goes with {d.surrogate.label}": pd.DataFrame(slopes),
            "All of one with all of the other": pd.DataFrame(vectors),
            "Correlations of persons' terms": pd.DataFrame(pairs),
        }
        if "surrogacy_prediction" in tables:
            shown[
                f"{d.outcome.label} of a new person on the drug, mean change a month to week {d.outcome_week:g}, "
                f"{d.outcome.unit}"
            ] = pd.DataFrame(
                [
                    {
                        f"{d.surrogate.label} change, {d.surrogate.unit}": fixed(row["surrogate_change"], 2),
                        f"Mean of such persons ({label})": limits_cell(row, "expected_"),
                        "One new person, true course": f"{fixed(row['lower'], 2)} to {fixed(row['upper'], 2)}",
                    }
                    for row in tables["surrogacy_prediction"].to_dict("records")
                ]
            )
        return Section(
            "Surrogate: between persons",
            [
                "Individual level only: it says who fares how within an arm, not what moving the surrogate would do. "
                "True values, free of measurement error, unless marked as measured; R2_Lambda grows with the number of "
                "visits and the precision of the assay, the visit-free one does not depend on them.",
            ],
            shown,
            reading.pictures(
                "surrogacy_persons",
                f"Ellipses that hold 50 and 95 % of persons by {reading.context.arm}, with lines.",
                "From posterior medians of means and covariances; true values. No person is drawn.",
            ),
            "Variance reduction factor of person terms: each term scaled by its SD.",
        )


def persons_figure(arms: Arms, d: Declared, arm: str = "start group") -> Figure:
    """Where persons of each arm lie, as the model knows them, with each arm's line (at medians of the draws)."""
    assert d.contrast is not None
    figure, axes = new_panel()
    for k, label, colour in ((1, d.contrast.early, COLOURS[0]), (0, d.contrast.late, COLOURS[1])):
        mean = np.median(arms.mean[:, k], axis=0)
        covariance = np.median(arms.covariance[:, k], axis=0)
        for share, alpha in ((0.5, 0.22), (0.95, 0.10)):
            axes.add_patch(_ellipse(mean, covariance, share, facecolor=colour, alpha=alpha))
        slope = covariance[0, 1] / covariance[0, 0]
        across = mean[0] + np.array([-2, 2]) * np.sqrt(covariance[0, 0])
        axes.plot(across, mean[1] + slope * (across - mean[0]), color=colour, linewidth=1.8, label=label)
        axes.plot(*mean, "o", color=colour, markersize=5)
    axes.set_xlabel(f"{d.surrogate.label}: change to week {d.surrogate_week:g}, {d.surrogate.unit}")
    axes.set_ylabel(f"{d.outcome.label}: change\nto week {d.outcome_week:g}, {d.outcome.unit}")
    axes.autoscale_view()
    add_title(axes, f"Persons by {arm}")
    return figure


def _person_tables(
    courses: Courses, evidence: SurrogateEvidence, observed: ObservedPersons
) -> Iterator[tuple[str, pd.DataFrame]]:
    """What needs no comparison of groups."""
    d, prior, level = evidence.declared, evidence.prior, evidence.level
    names = (d.surrogate.name, d.outcome.name)
    of_both = {term for term in courses.terms if term.partition(":")[0] in names}
    table = correlation_table(courses, level)
    if prior is not None:
        before = correlation_table(prior, level).set_index(["term", "term_other"])[["median", "lower", "upper"]]
        table = table.join(before.add_prefix("prior_"), on=["term", "term_other"])
    yield "surrogacy_correlations", table[table["term"].isin(of_both) & table["term_other"].isin(of_both)]
    own = [{term.partition(":")[0] for term in courses.terms} & {name} for name in names]
    if not all(own):
        return
    rows = []
    if f"{d.outcome.name}:rate" in courses.terms:
        before = slope_r2(prior, *names) if prior is not None else {}
        for terms, draws in slope_r2(courses, *names).items():
            unfitted = named_limits("prior", before.get(terms, np.array([])), level)
            rows.append({"terms": terms, **limits(draws, level), **unfitted})
        yield "surrogacy_slope_r2", pd.DataFrame(rows)
    schedule = _schedule(courses, d, observed)
    vectors = _vectors(courses, names, schedule)
    before_data = {} if prior is None else _vectors(prior, names, schedule)
    yield (
        "surrogacy_vectors",
        pd.DataFrame(
            [
                {
                    **{"scope": scope, "metric": metric},
                    **limits(getattr(found, metric), level),
                    **named_limits(
                        "prior", getattr(before_data[scope], metric) if before_data else np.array([]), level
                    ),
                }
                for scope, found in vectors.items()
                for metric in ("r2_lambda", "variance_reduction", "part")
                if np.isfinite(getattr(found, metric)).any()
            ]
        ),
    )


def _vectors(courses: Courses, names: tuple[str, str], schedule: dict[str, np.ndarray]) -> dict[str, VectorAssociation]:
    """Associations of all of one with all of the other, by scope."""
    found = {"person terms, visit-free": term_association(courses, *names)}
    if schedule:
        found["true values at the visits"] = visit_association(courses, *names, schedule, observed=False)
        found["as measured at the visits"] = visit_association(courses, *names, schedule, observed=True)
    return found


def _schedule(courses: Courses, d: Declared, observed: ObservedPersons) -> dict[str, np.ndarray]:
    """Visits of each start group at which half of it is still observed."""
    found = {}
    for group in courses.groups:
        last = min(observed.last_well_observed(k.name, (group,), "all") for k in (d.surrogate, d.outcome))
        if np.isfinite(last):
            found[group] = courses.weeks[courses.weeks <= last]
    return found


def _predictions(arms: Arms, evidence: SurrogateEvidence) -> pd.DataFrame:
    """New persons on the drug at seven surrogate changes over the central 95 % of persons."""
    mean, variance = (np.median(v) for v in (arms.mean[:, 1, 0], arms.covariance[:, 1, 0, 0]))
    changes = mean + np.sqrt(variance) * np.linspace(-1.96, 1.96, 7)
    months = float(in_months(np.array([evidence.declared.outcome_week]))[0])
    return prediction_table(arms, changes, months, evidence.level, evidence.settings.seed)


def _ellipse(mean: np.ndarray, covariance: np.ndarray, share: float, **style: Any) -> Ellipse:
    """Region of a bivariate normal that holds a share of it."""
    values, vectors = np.linalg.eigh(covariance)
    size = 2 * np.sqrt(np.maximum(values, 0) * -2 * np.log(1 - share))
    angle = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
    return Ellipse((mean[0], mean[1]), size[1], size[0], angle=angle, **style)
