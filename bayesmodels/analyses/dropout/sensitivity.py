"""Sensitivity of means to assumptions about persons who left: reference-based and delta-adjusted means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmodels.analyses.dropout.request import (
    NEVER_TREATED,
    DeltaUnit,
    DropoutRequest,
    dropout_request,
    exits_follow_course,
    has_free_baseline,
)
from bayesmodels.analyses.dropout.tables import Cells, Totals, sensitivity_dataset
from bayesmodels.analyses.dropout.visit_sensitivity import visit_dropout_sensitivity
from bayesmodels.errors import BadInput, expect, expect_whole
from bayesmodels.fitting.evaluate import evaluate
from bayesmodels.fitting.progress import counted
from bayesmodels.models.visit_means.model import VisitModel
from bayesmodels.persons.collapsed import Collapsed, Draw, collapsed_or_error, thinned
from bayesmodels.persons.gaussian import given_z, rows_of, spread_of
from bayesmodels.persons.prepared import Persons, every_visit, persons_of, without_events
from bayesmodels.persons.reference_based import (
    AS_MODELLED,
    IN_WORDS,
    MISSING_AT_RANDOM,
    STRATEGIES,
    Later,
    later_values,
)
from bayesmodels.posterior.archive import FROM_FIT, require
from bayesmodels.study import Study
from bayesmodels.study.leaving import Leaving, LeavingRule
from bayesmodels.vocabulary import months

if TYPE_CHECKING:
    import pymc as pm


@dataclass(frozen=True)
class _Likelihoods:
    """Collapsed likelihoods of the visits as they were, of the same visits under the reference, and of what is asked.

    `later` holds those asked about twice, on their own start and on the reference's, at their exit and at the week;
    then one average person a start group and stratum, stratum running fastest. `curves` is the built model of the
    visits as they were, with its own means at week 0 and at the week.
    """

    own: Collapsed
    reference: Collapsed
    later: Collapsed
    curves: pm.Model


def dropout_sensitivity(
    model: Any,
    posterior: xr.DataTree,
    study: Study,
    outcome: str,
    week: float,
    *,
    seed: int,
    reference: str | None = None,
    deltas: Sequence[float] | None = None,
    delta_unit: DeltaUnit = "per_month",
    rule: LeavingRule | None = None,
    interval: float = 0.95,
    draws: int = 1000,
) -> xr.Dataset:
    """Means and differences at a week under different assumptions about those who left before it.

    A start group's mean is the model's own (missing at random, as if all were followed), plus the average over its
    persons of what a strategy changes for those who left. That change is exact given a posterior draw: conditional
    means of the model's normal distribution (`reference_based`); persons are weighted by a Bayesian bootstrap within
    start group and stratum, so that chance in who left, and when, is in the intervals.

    Of an outcome with limits means are of true scores held within them: the model's own is `curve`, and a person's is
    that of the conditional normal cut at the limits. Strategies and deltas act on the latent course, which knows no
    limits; what they say of it has the prefix ``latent_``. A `VisitModel` has means of scores as recorded only.

    Parameters
    ----------
    model : LongitudinalModel, JointEventModel, VisitModel, or another whose likelihood is collapsed
        The model that was fitted. Of a joint model the parameters are used, and persons' visits, not their exits.
    posterior : DataTree
        From `fit`.
    study : Study
        What the model was fitted to.
    outcome : str
    week : float
        Weeks since randomisation.
    seed : int
    reference : str, optional
        A start group that has not started the drug by the week, by default the study's reference group: "as if the
        early starter had been in the delayed-start group". Or `NEVER_TREATED`: as if the drug were never started, for
        those who left in every group; the default where the reference group has started the drug by then.
    deltas : sequence of float, optional
        Rising from 0: how much worse, on the modelling scale, those who left are than as the model has it. Default:
        ten steps up to the outcome's prior mean rate (its SD where larger), or the prior scale of the persons' SD where
        `delta_unit` is "once".
    delta_unit : {"per_month", "once"}
        For every month from the last visit to the week, or as one shift.
    rule : LeavingRule, optional
        Who counts as having left; what becomes of the dead.
    interval : float
        Level of the equal-tailed interval that defines the tipping point.
    draws : int
        About how many posterior draws to use, evenly spaced.

    Returns
    -------
    xr.Dataset
        `mean` [strategy, start_group, stratum] and `difference` [strategy, contrast, stratum] with (chain, draw), on
        the modelling scale, within an outcome's limits; `delta_difference` [delta_group, delta_reference, contrast,
        stratum] with (chain, draw): delta in the contrast's first group and in its reference group; `tipping_point` and
        `tipping_status` [delta_path, contrast, stratum]: smallest delta at which the interval has come to no
        difference, delta in the first group only, in the reference group only, or in both. Of an outcome with limits
        the same five of latent courses, with the prefix ``latent_``. With a free baseline means and differences are of
        changes since randomisation. `share_missing`, `share_dead`, `share_ended` [start_group, stratum]. Where there
        are strata, "all" is the trial's mixture for means and differences, and plainly all persons for the shares.
        Of a `VisitModel` also `pooled_difference`, `pooled_se`, `pooled_lower`, `pooled_upper` [strategy, contrast]:
        the information-anchored answer of multiple imputation with Rubin's rules, all persons together.
        Attributes say all this in words; `direction` is a coordinate of `contrast`.

    Raises
    ------
    BadInput
        An outcome that the model has not, a study of one start group, a start group without anyone in a stratum, a week
        at which nobody is observed, a reference that is no start group or has itself started the drug by the week,
        unusable deltas, the dead left out where the model lets death depend on the course, or start groups other than
        the fit's or in another order.

    Notes
    -----
    The spread is that of the posterior of the estimand with the assumption taken as true. A reference-based difference
    then varies less than one under missing at random, since part of it is known to be nothing. Multiple imputation
    with Rubin's rules gives a wider, information-anchored interval (Cro, Carpenter and Kenward 2019, doi:10.1111/
    rssa.12423), about as wide as the one under missing at random.
    """
    expect(posterior, xr.DataTree, "posterior", FROM_FIT)
    require(posterior, groups=["posterior"])
    expect_whole(seed, "seed")
    expect_whole(draws, "draws", 1)
    request = dropout_request(
        model, study, outcome, week, reference=reference, deltas=deltas, delta_unit=delta_unit, rule=rule,
        interval=interval,
    )  # fmt: skip
    if isinstance(model, VisitModel):
        expect_groups(posterior, study)
        return visit_dropout_sensitivity(model, posterior, study, request, interval, seed, draws)
    attributes, rule, left, cells = request.attributes(model), request.rule, request.left, request.cells
    in_words = IN_WORDS | ({MISSING_AT_RANDOM: AS_MODELLED} if exits_follow_course(model) else {})
    model = without_events(model)
    expect_groups(posterior, study)
    chosen = thinned(posterior["posterior"].to_dataset(), draws)
    asked = left.missing | (left.dead if rule.deaths == "left_out" else False)
    built = _build(model, persons_of(model, chosen, study), request.reference, left, asked, week)

    shape = (chosen.sizes["chain"], chosen.sizes["draw"])
    limits = request.outcome.modelling_limits
    kinds: dict[str, tuple[float, float] | None] = {"": limits} if limits is None else {"": limits, "latent_": None}
    bounded = None if limits is None else _bounded_means(built, chosen, request)
    totals = {prefix: Totals.empty(shape, len(request.deltas), cells) for prefix in kinds}
    alive = np.empty((*shape, *cells.shape))
    since_exit = months(week - left.exit_week) if delta_unit == "per_month" else np.ones(len(left.missing))
    moved = -request.worse[:, None] * since_exit[asked]
    changes = has_free_baseline(model)
    gone = left.dead if rule.deaths == "left_out" else np.zeros(len(left.dead), bool)
    rng = np.random.default_rng(seed)
    triples = zip(built.own.at(chosen), built.reference.at(chosen), built.later.at(chosen), strict=True)
    for own, other, later in counted(triples, shape[0] * shape[1], "dropout sensitivity, draws"):
        values, latent = _at_draw(built, own, other, later, request.position, asked, months(left.exit_week), rng)
        at = (own.chain, own.draw)
        weights = cells.bootstrap(rng)
        of_missing = (weights * left.missing)[asked]
        alive[at] = 1.0 - cells.total(weights * gone)
        for prefix, held in kinds.items():
            first, average = latent.reshape(2, *cells.shape) if bounded is None or held is None else bounded[at]
            at_random = values.means(MISSING_AT_RANDOM, held)
            base = average - _in_cells(cells, asked, (weights * gone)[asked] * at_random[None])[0]
            if changes:
                base = base - first * alive[at]
            supposed = np.stack([values.means(name, held) for name in STRATEGIES])
            worse = values.means(MISSING_AT_RANDOM, held, moved)
            totals[prefix].by_strategy[at] = base + _in_cells(cells, asked, of_missing * (supposed - at_random))
            totals[prefix].by_delta[at] = base + _in_cells(cells, asked, of_missing * (worse - at_random))
    return sensitivity_dataset(
        cells,
        (chosen["chain"].to_numpy(), chosen["draw"].to_numpy()),
        totals,
        alive,
        left,
        request.deltas,
        interval,
        attributes,
        in_words,
    )


def expect_groups(posterior: xr.DataTree, study: Study) -> None:
    """Refuse a study whose start groups are not the fit's, in its order."""
    groups = tuple(str(label) for label in posterior["posterior"]["start_group"].to_numpy())
    if groups != study.start_groups:
        raise BadInput(
            f"study: expected the start groups of the fit in its order, {', '.join(groups)}, found "
            f"{', '.join(study.start_groups)}; give the study with the fit's reference group, or fit again"
        )


def _build(model: Any, people: Persons, reference: str, left: Leaving, asked: np.ndarray, week: float) -> _Likelihoods:
    """The three likelihoods; see `_Likelihoods`."""
    other = _under_reference(people, reference)
    average = _average_persons(people)
    blocks = [people.persons[asked], other.persons[asked], average]
    table = pd.concat([block for block in blocks if len(block)], ignore_index=True)
    table["person"] = np.arange(len(table))
    visits = every_visit(model, table, (0.0, week))
    first = np.concatenate([left.exit_week[asked], left.exit_week[asked], np.zeros(len(average))])
    visits["week"] = np.where(visits["week"] == week, week, first[visits["person"].to_numpy()])
    later = replace(people, persons=table, visits=visits)
    curves = model.build(replace(people, curve_weeks=(0.0, week)))
    return _Likelihoods(
        collapsed_or_error(curves),
        collapsed_or_error(model.build(other)),
        collapsed_or_error(model.build(later)),
        curves,
    )


def _bounded_means(built: _Likelihoods, draws: xr.Dataset, request: DropoutRequest) -> np.ndarray:
    """The model's own means of true scores within their limits, (chain, draw, week 0 and the week, group, stratum)."""
    found = evaluate(built.curves, {"curve": built.curves["curve"]}, draws)["curve"]
    return np.moveaxis(found[:, :, request.position, :, : len(request.cells.strata)], -1, 2)


def _under_reference(people: Persons, reference: str) -> Persons:
    """The same persons and visits, had they been in the reference group; its own members as they are."""
    persons = people.persons.copy()
    if reference == NEVER_TREATED:
        persons["drug_start_week"] = np.inf
    else:
        moved = (persons["start_group"] != reference).to_numpy()
        persons.loc[moved, "drug_start_week"] = people.start_weeks[people.start_groups.index(reference)]
        persons.loc[moved, "start_group"] = reference
    return replace(people, persons=persons)


def _average_persons(people: Persons) -> pd.DataFrame:
    """One person per start group and stratum, with the group's drug start and every covariate at its mean."""
    rows = [
        {"start_group": group, "drug_start_week": start, "stratum": stratum, **people.covariate_scale["center"]}
        for group, start in zip(people.start_groups, people.start_weeks, strict=True)
        for stratum in people.stratum_labels
    ]
    return pd.DataFrame(rows)


def _at_draw(
    built: _Likelihoods,
    own: Draw,
    other: Draw,
    later: Draw,
    k: int,
    asked: np.ndarray,
    exits: np.ndarray,
    rng: np.random.Generator,
) -> tuple[Later, np.ndarray]:
    """Distributions of those asked about by strategy; latent means of the average persons at week 0 and the week.

    Where a random effect is skewed, distributions are given one draw of its z given the visits, under the person's own
    start of the drug; copy reference has a draw under the reference's.
    """
    given = partial(_given, built, own, other, later, k, asked, exits)
    values = given(given_z(built.own.layout, own, rng))
    if built.own.layout.skewed:
        copied = given(given_z(built.reference.layout, other, rng)).mean["copy_reference"]
        values = replace(values, mean=values.mean | {"copy_reference": copied})
    average = rows_of(built.later.layout, later)
    return values, average.at(average.outcome == k).mean[2 * int(asked.sum()) :].T


def _given(
    built: _Likelihoods,
    own: Draw,
    other: Draw,
    later: Draw,
    k: int,
    asked: np.ndarray,
    exits: np.ndarray,
    effects: np.ndarray | None,
) -> Later:
    """Distributions of those asked about, given what is known of every person's random effects."""
    visits, n = rows_of(built.own.layout, own, effects), int(asked.sum())
    present = own.present(built.own.layout) & (visits.months <= exits[:, None] + 1e-9)
    spread = spread_of(built.own.layout, own).of(asked)
    later_effects = None
    if effects is not None:
        average = np.zeros((len(later.inputs.stratum) - 2 * n, effects.shape[1]))
        later_effects = np.concatenate([effects[asked], effects[asked], average])
    targets = rows_of(built.later.layout, later, later_effects)
    targets = targets.at(targets.outcome == k)
    return later_values(
        spread,
        visits.of(asked),
        rows_of(built.reference.layout, other, effects).of(asked),
        targets.of(np.arange(n)),
        targets.of(np.arange(n, 2 * n)),
        present[asked],
        own.y[asked],
    )


def _in_cells(cells: Cells, asked: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sums of rows (row, person asked about) in every start group and stratum, (row, start group, stratum)."""
    out = np.zeros((len(values), len(asked)))
    out[:, asked] = values
    return np.stack([cells.total(row) for row in out])
