"""Hazards of a joint model in PyMC: baselines, hazard ratios, and what of persons' courses acts on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pytensor.graph.traversal import ancestors

from bayesmodels.kernels.hazards.op import Exits as ExitInputs
from bayesmodels.kernels.hazards.op import HazardLayout
from bayesmodels.kernels.linear_mixed.op import Layout
from bayesmodels.kernels.spread import spread
from bayesmodels.models.publish import publish
from bayesmodels.models.visits.assembly import Assembly
from bayesmodels.models.visits.course_features import Predictor, features, predictors_of
from bayesmodels.models.visits.design import Design, design_of
from bayesmodels.models.visits.exposure import Exits, exits_of, points_of
from bayesmodels.models.visits.hazard_scale import HazardScale, scale_of
from bayesmodels.parts.hazards import Baseline
from bayesmodels.study import Study
from bayesmodels.vocabulary import months

if TYPE_CHECKING:
    from bayesmodels.models.joint_event import JointEventModel


@dataclass(frozen=True)
class HazardCovariates:
    """Columns of the hazards besides courses, (person, column), with the mean and SD they were standardised by."""

    labels: tuple[str, ...]
    units: tuple[str, ...]
    columns: np.ndarray
    center: np.ndarray
    spread: np.ndarray
    of_event: np.ndarray


@dataclass(frozen=True)
class Hazards:
    """Hazards of a model's events in the current PyMC model, for `kernels.hazards.follow_up.follow_up`."""

    layout: HazardLayout
    inputs: ExitInputs
    bases: list[Any]
    baselines: list[Baseline]
    predictors: list[Predictor]
    covariates: HazardCovariates
    shift: Any
    on_drug: Any

    def publish(self, model: JointEventModel, a: Assembly, data: Study) -> None:
        """Publish `hazard_effect`, `association`, `baseline_hazard` and `baseline_shape`."""
        width, gamma, alpha = len(self.covariates.labels), self.inputs.gamma, self.inputs.alpha
        any_on_drug = any(event.on_drug for event in model.events)
        if width or any_on_drug:
            effects = gamma + np.where(self.covariates.of_event, 0.0, np.nan)
            if any_on_drug:
                effects = pt.concatenate([effects, self.on_drug[:, None]], axis=1) if width else self.on_drug[:, None]
            publish("hazard_effect", effects)
        if self.predictors:
            forms = list(dict.fromkeys(p.label for p in self.predictors))
            place = np.zeros((len(self.predictors), len(a.outcomes), len(forms)))
            for j, predictor in enumerate(self.predictors):
                place[j, predictor.outcome, forms.index(predictor.label)] = 1.0
            used = np.einsum("ej,jkf->ekf", np.array(self.layout.uses, float), place) > 0
            spread = (alpha[:, :, None, None] * place).sum(axis=1)
            publish("association", spread + np.where(used, 0.0, np.nan))
        t = months(np.maximum(np.asarray(data.curve_weeks, float), 0.0))
        blocks = [baseline.columns(np.maximum(t, 1e-3)) for baseline in self.baselines]
        columns = pm.Data("curve_design", np.concatenate(blocks))
        first, rates, shapes = 0, [], []
        for e, (baseline, block) in enumerate(zip(self.baselines, blocks, strict=True)):
            here = slice(first, first + len(block))
            own = self.inputs.coefficient[e, here]
            rates.append(pt.exp((own[:, None] * columns[here]).sum(axis=0) - self.shift[e]))
            shape = baseline.published.get("baseline_shape")
            shapes.append(pt.constant(np.nan) if shape is None else shape(own))
            first += len(block)
        publish("baseline_hazard", pt.stack(rates))
        if any(baseline.published for baseline in self.baselines):
            publish("baseline_shape", pt.stack(shapes))


def hazards(
    model: JointEventModel,
    a: Assembly,
    shares: Mapping[int, Any],
    layout: Layout,
    design: Design,
    exits: Exits,
    data: Study,
) -> Hazards:
    """Random variables and data of the hazards, in the current PyMC model; `shares` as of `Assembly.bases`."""
    events = model.events
    covariates = hazard_covariates(model, data)
    scale = scale_of(model, data, design, exits, covariates.columns)
    baselines = [event.baseline.baseline(of) for event, of in zip(events, scale.exposures, strict=True)]
    cuts = sorted({*scale.cuts, *(cut for baseline in baselines for cut in baseline.cuts)})
    predictors, uses = predictors_of(model, a, scale.last_values)
    unbounded = any(baseline.unbounded for baseline in baselines)
    rates = {p.outcome for p in predictors if p.form == "rate"}
    knots = {month for k in rates for month in a.trajectories[k].rate_jumps}
    lags = sorted({month for k in rates for month in a.effect_curves[k].rate_jumps})
    points = points_of(exits, sorted({*cuts, *knots}), unbounded, lags)
    pm.modelcontext(None).add_coords(_coords(model, predictors, covariates))

    blocks = [baseline.columns(points.t) for baseline in baselines]
    if any(event.on_drug for event in events):
        blocks.append((points.on_drug > 0)[None].astype(float))
    owner = np.repeat(np.arange(len(blocks)), [len(block) for block in blocks])
    columns = [
        tuple(bool(b == e or (b == len(events) and event.on_drug)) for b in owner) for e, event in enumerate(events)
    ]
    t, on_drug = pm.Data("exit_months", points.t), pm.Data("exit_on_drug", points.on_drug)
    bases, predictor_of, term_of = [], [], []
    person = pm.Data("exit_person", np.repeat(np.arange(len(design.cell)), np.diff(points.first)))
    at_points = {k: spread(share, person[None, :])[0] for k, share in shares.items()}
    for j, predictor in enumerate(predictors):
        for term, basis in features(predictor, a, layout, t, on_drug, at_points.get(predictor.outcome)).items():
            bases.append(basis)
            predictor_of.append(j)
            term_of.append(term)
    bases, varying = _fixed_as_data(bases)

    alpha = _of_pairs(
        "hazard_association",
        uses,
        np.array([[p.prior_sd(e) for p in predictors] for e in events]).reshape(uses.shape),
        np.array([[p.prior_mean(e) for p in predictors] for e in events]).reshape(uses.shape),
    )
    gamma = _of_pairs(
        "hazard_ratio",
        covariates.of_event,
        np.array([[e.effect_prior.sd] * len(covariates.labels) for e in events]).reshape(covariates.of_event.shape),
        np.array([[e.effect_prior.mean] * len(covariates.labels) for e in events]).reshape(covariates.of_event.shape),
    )
    middle = scale.middle
    lift = pm.Data("exit_lift", np.array([p.sampled_at - p.stated_at for p in predictors]))
    shift = (alpha * lift).sum(axis=1) + (gamma * pm.Data("exit_middle", middle)).sum(axis=1)
    coefficient, treated = _coefficients(events, baselines, blocks, shift)
    inputs = ExitInputs(
        code=None,
        first=pm.Data("exit_first", points.first),
        weight=pm.Data("exit_weight", points.weight),
        design=pm.Data("exit_design", np.concatenate(blocks)),
        offset=pm.Data("exit_offset", np.array([p.offset(points.t) for p in predictors]).reshape(-1, len(points.t))),
        covariates=pm.Data("exit_covariates", covariates.columns - middle),
        terms=None,
        coefficient=coefficient,
        gamma=gamma,
        alpha=alpha,
    )
    shape = HazardLayout(
        columns=tuple(columns),
        uses=tuple(tuple(bool(u) for u in row) for row in uses),
        predictor_of=tuple(predictor_of),
        term_of=tuple(term_of),
        varying=varying,
    )
    return Hazards(shape, inputs, bases, baselines, predictors, covariates, shift, treated)


def hazard_scale(model: JointEventModel, data: Study) -> HazardScale:
    """What the hazards' parameters of a model fitted to a study are relative to."""
    design = design_of(data, model.outcomes, model.covariates.names)
    exits = exits_of(data, [event.labels for event in model.events])
    return scale_of(model, data, design, exits, hazard_covariates(model, data).columns)


def hazard_covariates(model: JointEventModel, data: Any) -> HazardCovariates:
    """Standardised covariates of a study, or of persons to predict, then indicators of start groups and of strata."""
    names = tuple(dict.fromkeys(name for event in model.events for name in event.covariates))
    raw = data.covariates(names).to_numpy(float).reshape(len(data.persons), len(names))
    scaled = isinstance(data, Study)
    center = raw.mean(axis=0) if scaled else np.zeros(len(names))
    spread = raw.std(axis=0) if scaled else np.ones(len(names))
    labels, units, columns = list(names), ["per SD"] * len(names), [(raw - center) / spread]
    of_event = [[name in event.covariates for name in names] for event in model.events]
    for field, levels, column in (
        ("start_group", data.start_groups[:-1], data.persons["start_group"]),
        ("stratum", data.stratum_labels[1:], data.persons["stratum"]),
    ):
        if not any(getattr(event, field) for event in model.events):
            continue
        for level in levels:
            labels.append(f"{field}: {level}")
            units.append("against the reference group" if field == "start_group" else "against the first stratum")
            columns.append((column == level).to_numpy(float)[:, None])
            for event, row in zip(model.events, of_event, strict=True):
                row.append(getattr(event, field))
    width = len(labels)
    return HazardCovariates(
        labels=tuple(labels),
        units=tuple(units),
        columns=np.concatenate(columns, axis=1),
        center=np.concatenate([center, np.zeros(width - len(names))]),
        spread=np.concatenate([spread, np.ones(width - len(names))]),
        of_event=np.array(of_event, bool).reshape(len(model.events), width),
    )


def _coords(model: JointEventModel, predictors: list[Predictor], covariates: HazardCovariates) -> dict[str, Any]:
    coords: dict[str, Any] = {
        "event": [event.name for event in model.events],
        "event:terminal": [float(event.terminal) for event in model.events],
    }
    treated = any(event.on_drug for event in model.events)
    if covariates.labels or treated:
        coords |= {
            "hazard_covariate": [*covariates.labels, *(["on_drug"] if treated else [])],
            "hazard_covariate:hazard_unit": [*covariates.units, *(["against before the drug"] if treated else [])],
            "hazard_covariate:hazard_center": [*covariates.center, *([0.0] if treated else [])],
            "hazard_covariate:hazard_spread": [*covariates.spread, *([1.0] if treated else [])],
        }
    if predictors:
        coords["form"] = list(dict.fromkeys(p.label for p in predictors))
    return coords


def _of_pairs(name: str, used: np.ndarray, sd: np.ndarray, mean: np.ndarray | float = 0.0) -> Any:
    """Normal variables at the True cells of a matrix (event, column), zero elsewhere."""
    cells = np.argwhere(used)
    if not len(cells):
        return pt.zeros(used.shape)
    place = np.zeros((len(cells), *used.shape))
    place[np.arange(len(cells)), cells[:, 0], cells[:, 1]] = 1.0
    means = np.broadcast_to(mean, used.shape)[used]
    found = pm.Normal(name, means, sd[used], shape=(len(cells),))
    return (found[:, None, None] * place).sum(axis=0)


def _coefficients(events: Any, baselines: list[Baseline], blocks: Any, shift: Any) -> Any:
    """Coefficients of the design (event, column), and those of being on the drug (event,), NaN without."""
    total = sum(len(block) for block in blocks)
    rows, treated, first = [], [], 0
    for e, (event, baseline) in enumerate(zip(events, baselines, strict=True)):
        row = pt.zeros((total,))
        own = slice(first, first + len(blocks[e]))
        row = pt.set_subtensor(row[own], baseline.coefficients(event.name, shift[e]))
        first += len(blocks[e])
        treated.append(pt.constant(np.nan))
        if event.on_drug:
            treated[-1] = pm.Normal(f"{event.name}_on_drug", event.effect_prior.mean, event.effect_prior.sd)
            row = pt.set_subtensor(row[-1], treated[-1])
        rows.append(row)
    return pt.stack(rows), pt.stack(treated)


def _fixed_as_data(bases: list[Any]) -> tuple[list[Any], tuple[bool, ...]]:
    """Bases that depend on no parameter evaluated once and held as data; which ones vary."""
    free = set(pm.modelcontext(None).free_RVs)
    varying = tuple(not free.isdisjoint(ancestors([basis])) for basis in bases)
    fixed = [basis for basis, varies in zip(bases, varying, strict=True) if not varies]
    mode = pytensor.compile.mode.Mode(linker="py", optimizer="fast_compile")
    values = iter(pytensor.function([], fixed, mode=mode)() if fixed else [])
    kept = [
        basis if varies else pm.Data(f"exit_basis_{m}", next(values))
        for m, (basis, varies) in enumerate(zip(bases, varying, strict=True))
    ]
    return kept, varying
