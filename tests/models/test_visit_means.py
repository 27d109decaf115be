"""`VisitModel`: likelihood by SciPy and matrices by hand, priors, what it publishes and refuses, recovery."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytest
from scipy import linalg, stats

from bayesmodels.errors import BadInput
from bayesmodels.fitted import fit
from bayesmodels.fitting import NutsSettings
from bayesmodels.fitting.evaluate import python_mode
from bayesmodels.kernels.multivariate_normal.partial_autocorrelation import correlations
from bayesmodels.models import model_from_spec
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.prior_table import prior_table
from bayesmodels.models.visit_means.design import visit_slots
from bayesmodels.models.visit_means.model import VisitModel
from bayesmodels.study import Study
from bayesmodels.vocabulary import VARIABLES

WEEKS = np.array([0.0, 4.0, 12.0, 24.0])
GROUPS = ("early", "late", "never")
POINTS = {"name": "points", "good_direction": "up", "typical": {"level": 30.0, "spread": 6.0}}
MARKER = {
    "name": "marker", "scale": "log", "good_direction": "down", "unit": "pg/mL", "typical": {"level": 50, "spread": 0.5}
}  # fmt: skip
HETEROGENEOUS = ("toeplitz", "ar1", "compound_symmetry")


def tables(persons=48, seed=3, marker_weeks=(0.0, 12.0, 24.0)):
    """Three start groups in two strata, visits a little off their weeks, an eighth of them missed, two outcomes."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"person": [f"p{j}" for j in range(persons)], "start_group": np.array(GROUPS)[np.arange(persons) % 3],
         "drug_start_week": np.array([0.0, 12.0, np.nan])[np.arange(persons) % 3],
         "stratum": np.array(["fast", "slow"])[np.arange(persons) // 3 % 2],
         "age": rng.normal(50, 10, persons), "female": rng.integers(0, 2, persons)}
    )  # fmt: skip
    rows = []
    for person in frame["person"]:
        for week in WEEKS:
            moved = week + rng.choice([0.0, 0.4, -0.4]) * (week > 0)
            for outcome, value in (("points", rng.normal(30, 6)), ("marker", np.exp(rng.normal(4, 0.5)))):
                if (outcome == "points" or week in marker_weeks) and rng.uniform() > 0.125:
                    rows.append((person, moved, outcome, value))
    visits = pd.DataFrame(rows, columns=["person", "week", "outcome", "value"])
    return frame[frame["person"].isin(visits["person"])], visits


def study(edit=None, **options):
    persons, visits = tables(**options.pop("tables", {}))
    if edit:
        persons, visits = edit(persons, visits)
    return Study.from_frames(persons, visits, **({"reference_group": "never", "strata": True} | options))


def point_of(built, seed=1):
    """A point of the prior: value by name of every free variable."""
    rng = np.random.default_rng(seed)
    values = pm.draw(built.free_RVs, random_seed=rng, mode=python_mode())
    return {rv.name: value for rv, value in zip(built.free_RVs, values, strict=True)}


def evaluated(built, graph, point):
    function = pytensor.function(built.free_RVs, graph, mode=python_mode(), on_unused_input="ignore")
    return function(*(point[rv.name] for rv in built.free_RVs))


def slots_of(model, trial):
    """Outcome and nominal week of every slot, the weeks, and the slots where effects act, from the visits table."""
    names = [k.name for k in model.outcomes]
    rows = trial.visits[trial.visits["outcome"].isin(names)]
    nearest = WEEKS[np.argmin(np.abs(np.subtract.outer(rows["week"].to_numpy(), WEEKS)), axis=1)]
    slots = sorted(set(zip(rows["outcome"], nearest, strict=True)), key=lambda key: (names.index(key[0]), key[1]))
    acting = [key for key in slots if key[1] > 0 or model.baseline == "free"]
    return slots, sorted({week for _, week in slots}), acting


def natural(model, trial, point):
    """Means, effects, slopes and SDs from the free variables: prior mean + root x; root' root falls with the lag."""
    slots, weeks, acting = slots_of(model, trial)

    def along(name, at, r):
        visit = np.array([weeks.index(week) for _, week in at])
        same = np.array([[a == b for b, _ in at] for a, _ in at])
        matrix = np.where(same, r ** np.abs(np.subtract.outer(visit, visit)), 0.0)
        return np.einsum("ij,...j->...i", np.linalg.cholesky(matrix), point[name])

    level = np.array([{"points": 30.0, "marker": np.log(50.0)}[outcome] for outcome, _ in slots])
    spread = np.array([{"points": 6.0, "marker": 0.5}[outcome] for outcome, _ in slots])
    found = dict(point) | {"slot_mean": level + along("slot_mean_x", slots, 0.9)}
    if "slot_effect_x" in point:
        found["slot_effect"] = along("slot_effect_x", acting, 0.9)
    if "covariate_slope_x" in point:
        found["covariate_slope"] = along("covariate_slope_x", slots, 0.9)
    if "slot_sd_x" in point:
        found["slot_sd"] = spread * np.exp(along("slot_sd_x", slots, 0.81))
    return found


def correlation_by_hand(kind, z, visits):
    """Correlation of the visits from the model's free variables, by the structure's own textbook form."""
    lag = np.abs(np.subtract.outer(np.arange(visits), np.arange(visits)))
    if kind == "ar1":
        return np.tanh(z[0]) ** lag
    if kind == "compound_symmetry":
        return np.where(lag == 0, 1.0, np.tanh(z[0]))
    if kind == "toeplitz":
        series = [1.0, np.tanh(z[0])]
        for m in range(2, visits):
            known = linalg.toeplitz(series[:m])
            low, high = (np.linalg.solve(known, np.array([*series[1:m], new]))[-1] for new in (0.0, 1.0))
            series.append((np.tanh(z[m - 1]) - low) / (high - low))
        return linalg.toeplitz(series)
    return correlations(np.tanh(z)[None], visits)[0]


def by_hand(model, trial, point):
    """Log-likelihood of every person: means and covariances assembled row by row, densities by SciPy."""
    persons = trial.persons.set_index("person", drop=False)
    codes = persons[list(model.covariates)].to_numpy(float).reshape(len(persons), -1)
    codes = (codes - codes.mean(axis=0)) / codes.std(axis=0)
    kind, own_sd = model.covariance.removesuffix("_heterogeneous"), "slot_sd_x" in point
    names = [k.name for k in model.outcomes]
    visits = {}
    for row in trial.visits.itertuples():
        if row.outcome in names:
            week = WEEKS[np.argmin(np.abs(WEEKS - row.week))]
            value = np.log(row.value) if row.outcome == "marker" else row.value
            visits.setdefault(row.person, {})[row.outcome, week] = value
    slots, weeks, acting = slots_of(model, trial)
    point, found = natural(model, trial, point), []
    for n, person in enumerate(persons.itertuples()):
        g, f = GROUPS.index(person.start_group), ("fast", "slow").index(person.stratum)
        block = g if model.covariance_of == "start_group" else 0
        mean = []
        for s, (outcome, week) in enumerate(slots):
            k = names.index(outcome)
            value = point["slot_mean"][f, s]
            if len(trial.start_groups) > 1 and g < 2 and (outcome, week) in acting:
                by = f if model.effect_by_stratum else 0
                effect = point.get("constant_effect", point.get("slot_effect"))
                value += effect[by, g, k if "constant_effect" in point else acting.index((outcome, week))]
            if model.covariates:
                slope = point["covariate_slope"]
                value += codes[n] @ slope[:, k if model.covariate_effects == "constant" else s]
            mean.append(value)
        if model.outcomes_jointly == "full":
            matrix = correlations(np.tanh(point["partial_atanh"][[block]]), len(slots))[0]
        else:
            r = correlation_by_hand(kind, point["partial_atanh"][block], len(weeks))
            across = np.eye(1)
            if len(names) > 1:
                across = correlations(2 * point["outcome_partial"][[block]] - 1, len(names))[0]
            at = [names.index(o) * len(weeks) + weeks.index(w) for o, w in slots]
            matrix = np.kron(across, r)[np.ix_(at, at)]
        sd = point["slot_sd"][block] if own_sd else point["outcome_sd"][block][[names.index(o) for o, _ in slots]]
        matrix = np.diag(sd) @ matrix @ np.diag(sd)
        own = visits.get(person.person, {})
        at = [s for s, key in enumerate(slots) if key in own]
        y = [own[slots[s]] for s in at]
        found.append(stats.multivariate_normal(np.array(mean)[at], matrix[np.ix_(at, at)]).logpdf(y) if at else 0.0)
    return np.array(found)


MODELS = [
    *({"covariance": kind} for kind in ("unstructured", *HETEROGENEOUS)),
    *({"covariance": f"{kind}_heterogeneous"} for kind in HETEROGENEOUS),
    {"covariance": "unstructured", "covariance_of": "start_group", "effect_by_stratum": True},
    {"baseline": "free", "treatment_effect": "constant", "covariates": ("age", "female")},
    {"covariates": ("age",), "covariate_effects": "constant"},
    {"outcomes": (POINTS, MARKER), "covariates": ("age",), "treatment_effect": "constant"},
    {"outcomes": (POINTS, MARKER), "covariance": "ar1", "covariance_of": "start_group"},
    {"outcomes": (MARKER, POINTS), "outcomes_jointly": "full"},
]  # fmt: skip


@pytest.mark.parametrize("fields", MODELS, ids=lambda fields: " ".join(f"{k}={v}"[:30] for k, v in fields.items()))
def test_likelihood_is_scipys_person_by_person(fields):
    model, trial = VisitModel(**{"outcomes": (POINTS,)} | fields), study()
    built = model.build(trial)
    (rv,) = built.observed_RVs
    point = point_of(built)
    density = evaluated(built, pm.logp(rv, built.rvs_to_values[rv], warn_rvs=False), point)
    np.testing.assert_allclose(density, by_hand(model, trial, point), rtol=1e-10, atol=1e-10)


def test_gradient_of_the_whole_model():
    built = VisitModel(outcomes=(POINTS, MARKER), covariates=("age",), covariance_of="start_group").build(study())
    logp = built.compile_logp(mode=python_mode())
    gradient = built.compile_dlogp(mode=python_mode())
    rng = np.random.default_rng(2)
    start = built.initial_point(1)
    point = {name: value + rng.normal(0, 0.1, np.shape(value)) for name, value in start.items()}
    found, at = gradient(point), 0
    for variable in built.continuous_value_vars:
        value = point[variable.name]
        for j in rng.choice(value.size, min(value.size, 6), replace=False):
            step = 1e-5
            ends = []
            for sign in (1, -1):
                moved = value.copy()
                moved.flat[j] += sign * step
                ends.append(float(logp(point | {variable.name: moved})))
            numeric = (ends[0] - ends[1]) / (2 * step)
            assert found[at + j] == pytest.approx(numeric, rel=1e-4, abs=1e-4), variable.name
        at += value.size
    assert at == len(found)


def test_baseline_as_a_covariate_is_the_regression_on_it():
    """One later visit, so that the model is a linear regression: SciPy's normal density of its residuals."""

    def edit(persons, visits):
        at_start = visits[(visits["week"] == 0) & (visits["outcome"] == "points")]["person"]
        keep = persons["person"].isin(at_start)
        return persons[keep], visits[visits["person"].isin(at_start) & (visits["outcome"] == "points")]

    trial = study(edit, strata=False)
    model = VisitModel(outcomes=(POINTS,), baseline="covariate", visit_weeks=(0, 12))
    built = model.build(trial)
    point = point_of(built)
    visits = trial.visits[(trial.visits["week"] == 0) | trial.visits["week"].between(10, 14)]
    values = visits.assign(at=visits["week"].round(-1)).pivot(index="person", columns="at", values="value")
    values = values.reindex(trial.persons["person"])
    start, later = values[0.0].to_numpy(), values[10.0].to_numpy()
    effect = np.append(point["slot_effect_x"][0, :, 0], 0.0)  # with one visit x is the effect itself
    mean = 30 + point["slot_mean_x"][0, 0] + (start - start.mean()) / start.std() * point["baseline_value_slope_x"][0]
    mean = mean + effect[[GROUPS.index(g) for g in trial.persons["start_group"]]]
    expected = np.where(np.isfinite(later), stats.norm(mean, 6 * np.exp(point["slot_sd_x"][0, 0])).logpdf(later), 0.0)
    (rv,) = built.observed_RVs
    density = evaluated(built, pm.logp(rv, built.rvs_to_values[rv], warn_rvs=False), point)
    np.testing.assert_allclose(density, expected, rtol=1e-10)
    slope = evaluated(built, built["baseline_slope"], point)
    assert slope[0, 0] == pytest.approx(point["baseline_value_slope_x"][0] / start.std())
    change = evaluated(built, built["curve_change"], point)
    np.testing.assert_allclose(change, evaluated(built, built["curve"], point) - start.mean())


def test_what_it_publishes():
    trial = study()
    model = VisitModel(outcomes=(POINTS, MARKER), covariates=("age",))
    built = model.build(trial)
    point = point_of(built)
    named = {name: evaluated(built, built[name], point) for name in VARIABLES if name in built.named_vars}
    point = natural(model, trial, point)
    assert set(named) == {
        "population_level", "curve", "curve_change", "difference", "standardised_difference", "visit_sd",
        "visit_correlation", "outcome_correlation", "covariate_visit",
    }  # fmt: skip
    for name, value in named.items():
        dims = built.named_vars_to_dims[name]
        assert dims == VARIABLES[name].dims
        assert value.shape == tuple(len(built.coords[dim]) for dim in dims), name
    assert tuple(built.coords["week"]) == tuple(WEEKS)
    curve, mean = named["curve"], point["slot_mean"]
    np.testing.assert_allclose(curve[0, 2, 0], mean[0, :4])  # the reference group
    np.testing.assert_allclose(curve[0, :2, 1, 1:], mean[1, 1:4] + point["slot_effect"][0, :, :3])
    np.testing.assert_allclose(curve[0, :, :2, 0], np.broadcast_to(mean[:, 0], (3, 2)))
    shares = trial.persons["stratum"].value_counts(normalize=True)[["fast", "slow"]].to_numpy()
    np.testing.assert_allclose(curve[:, :, 2], np.einsum("f,kgfv->kgv", shares, curve[:, :, :2]))
    np.testing.assert_allclose(named["curve_change"], curve - curve[..., :1])
    np.testing.assert_allclose(named["difference"], curve[:, :2] - curve[:, 2:])
    assert np.isnan(curve[1, ..., 1]).all()  # the marker is not measured at week 4
    assert np.isnan(curve).sum() == curve[1, ..., 1].size
    sd = point["slot_sd"][0]
    np.testing.assert_allclose(named["standardised_difference"][0, 0, 0], named["difference"][0, 0, 0] / sd[:4])
    np.testing.assert_allclose(named["visit_sd"][0, :, 1], sd[:4])
    r = correlation_by_hand("unstructured", point["partial_atanh"][0], 4)
    np.testing.assert_allclose(named["visit_correlation"][0, :, :, 2], r)
    np.testing.assert_allclose(named["visit_correlation"][1][np.ix_([0, 2, 3], [0, 2, 3], [0])][..., 0],
                               r[np.ix_([0, 2, 3], [0, 2, 3])])  # fmt: skip
    across = 2 * point["outcome_partial"][0, 0] - 1
    np.testing.assert_allclose(named["outcome_correlation"][0, 1, [0, 2, 3], 0], across)
    np.testing.assert_allclose(named["covariate_visit"][0, 0], point["covariate_slope"][0, :4])


def test_one_start_group_is_fine():
    """Means only, against SciPy; nothing to compare with."""
    trial = study(lambda p, v: (p.assign(start_group="early", drug_start_week=0.0), v), reference_group=None)
    model = VisitModel(outcomes=(POINTS,))
    built = model.build(trial)
    point = point_of(built)
    assert "difference" not in built.named_vars
    curve = evaluated(built, built["curve"], point)
    np.testing.assert_allclose(curve[0, 0, :2], natural(model, trial, point)["slot_mean"])
    (rv,) = built.observed_RVs
    density = evaluated(built, pm.logp(rv, built.rvs_to_values[rv], warn_rvs=False), point)
    np.testing.assert_allclose(density, by_hand(model, trial, point), rtol=1e-10)


def test_effect_sizes_of_unequal_covariances_and_constant_effects():
    model, trial = VisitModel(outcomes=(POINTS,), covariance_of="start_group", treatment_effect="constant"), study()
    built = model.build(trial)
    point = point_of(built)
    names = ("difference", "standardised_difference", "drug_effect", "group_drug_effect")
    difference, size, drug, group = (evaluated(built, built[name], point) for name in names)
    sd = natural(model, trial, point)["slot_sd"]
    np.testing.assert_allclose(size[0, 1, 0], difference[0, 1, 0] / np.sqrt((sd[1] ** 2 + sd[2] ** 2) / 2))
    effect = point["constant_effect"][0, :, 0]
    np.testing.assert_allclose(difference[0, :, :, 1:], np.broadcast_to(effect[:, None, None], (2, 3, 3)))
    np.testing.assert_allclose(drug[0], [effect.mean(), effect.mean(), np.nan])
    np.testing.assert_allclose(group[0, 0], [*effect, np.nan])


def test_prior_is_the_stated_one():
    model, trial = VisitModel(outcomes=(POINTS,), covariates=("age",)), study()
    built = model.build(trial)
    drawn = {rv.name: pm.draw(rv, 4000, random_seed=j, mode=python_mode()) for j, rv in enumerate(built.free_RVs)}
    drawn = natural(model, trial, drawn)
    for values, expected in (
        (drawn["slot_mean"][:, 0, 0], stats.norm(30, 6)),
        (drawn["slot_mean"][:, 1, 2], stats.norm(30, 18)),
        (drawn["slot_effect"][:, 0, 1, 2], stats.norm(0, 6)),
        (drawn["covariate_slope"][:, 0, 3], stats.norm(0, 6)),
        (drawn["slot_sd"][:, 0, 1], stats.halfnorm(0, 6)),
        (drawn["partial_atanh"][:, 0, 0], stats.norm(0.7, 0.5)),  # visits 1 and 2
        (drawn["partial_atanh"][:, 0, 1], stats.norm(0, 0.3)),  # visits 1 and 3
        (drawn["partial_atanh"][:, 0, 3], stats.norm(0.7, 0.5)),  # visits 2 and 3
    ):
        assert stats.kstest(values, expected.cdf).pvalue > 1e-3
    for name in ("slot_mean", "slot_effect", "slot_sd"):  # independent, whatever they are sampled as
        values = drawn[name].reshape(4000, -1)
        apart = np.corrcoef(values.T) - np.eye(values.shape[1])
        assert np.abs(apart).max() < 5 / np.sqrt(4000), name
    table = prior_table(VisitModel(outcomes=(POINTS, MARKER), covariates=("age",)), study())
    assert set(table["outcome"]) == {"points", "marker", "all"}
    text = "\n".join(table["parameter"] + " " + table["prior"])
    for said in ("week 0 Normal(30, 6)", "later visit Normal(30, 18)", "lag 1 Normal(0.7, 0.5)",
                 "higher lags Normal(0, 0.3)", "outcomes LKJ(2)", "HalfNormal(0.5)", "age on the mean"):  # fmt: skip
        assert said in text


def test_log_prior_is_that_of_independent_variables():
    """Density of x: SciPy's of the means and SDs, times the volume of the map to them."""
    model, trial = VisitModel(outcomes=(POINTS,)), study()
    built = model.build(trial)
    point = point_of(built)
    there = natural(model, trial, point)
    later = np.array([6.0, 18.0, 18.0, 18.0])
    for name, expected in (
        ("slot_mean_x", stats.norm(30, later).logpdf(there["slot_mean"]).sum()),
        ("slot_effect_x", stats.norm(0, 6).logpdf(there["slot_effect"]).sum()),
        ("slot_sd_x", (stats.halfnorm(0, 6).logpdf(there["slot_sd"]) + np.log(there["slot_sd"])).sum()),
    ):
        rows, size = point[name].reshape(-1, point[name].shape[-1]).shape
        r = 0.81 if name == "slot_sd_x" else 0.9
        lag = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
        volume = rows * np.linalg.slogdet(r**lag)[1] / 2
        value = pytensor.function(
            [built.rvs_to_values[built[name]]], pm.logp(built[name], built.rvs_to_values[built[name]]).sum(),
            mode=python_mode(),
        )  # fmt: skip
        assert float(value(point[name])) == pytest.approx(expected + volume, rel=1e-10), name


def test_compound_symmetry_keeps_to_what_is_possible():
    built = VisitModel(outcomes=(POINTS,), covariance="compound_symmetry").build(study())
    drawn = np.tanh(pm.draw(built["partial_atanh"], 3000, random_seed=1, mode=python_mode()))
    assert drawn.min() > -1 / 3
    assert drawn.min() < -0.2


def test_visits_stand_for_the_nearest_nominal_one():
    weeks = np.array([0.0, 4.0, 12.0])
    found = visit_slots(np.array([0.0, 0.5, 2.0, 2.1, 7.9, 8.1, 15.9, 16.1]), weeks)
    assert found.tolist() == [0, -1, -1, 1, 1, 2, 2, -1]
    assert visit_slots(np.array([0.0, 1.9, 2.1, 9.0]), np.array([4.0, 8.0])).tolist() == [-1, -1, 0, 1]
    assert visit_slots(np.array([0.0, 5.9, 6.0, 18.0, 19.0]), np.array([12.0])).tolist() == [-1, -1, 0, 0, -1]


def test_of_two_visits_the_nearer_counts_and_the_other_is_told():
    def edit(persons, visits):
        own = visits[(visits["outcome"] == "points") & (visits["week"] == 0)].iloc[:1]
        extra = [own.assign(week=week, value=value) for week, value in ((13.5, 99.0), (12.1, 41.0), (1.0, 77.0))]
        same = (visits["person"] == own["person"].iloc[0]) & (visits["outcome"] == "points") & (visits["week"] > 1)
        return persons, pd.concat([visits[~same], *extra])

    trial = study(edit)
    model = VisitModel(outcomes=(POINTS,), visit_weeks=tuple(WEEKS))
    values = model.build(trial)["visits_observed"].get_value()
    assert 41.0 in values
    assert 99.0 not in values
    assert 77.0 not in values
    (line,) = model.warnings(trial)
    assert "leaves out 2 visits of points" in str(line.without_person)


@pytest.mark.parametrize(
    ("fields", "edit", "said"),
    [
        ({"outcomes": ({**POINTS, "name": "score"},)}, None, "expected the outcome 'score'"),
        ({}, lambda p, v: (p, v[~(v["person"].isin(p[p["start_group"] == "early"]["person"]) & (v["week"] > 20))]),
         "found nobody of early with points at week 24"),
        ({}, lambda p, v: (p, v.assign(censoring=np.where(v["outcome"] == "points", "left", ""))),
         "censored ones"),
        ({"outcomes": ({**POINTS, "limits": (0, 60), "censor_at_limits": True},)}, None, "censor_at_limits = false"),
        ({"outcomes": ({**POINTS, "limits": (29, 60)},)}, None, "points"),
        ({"baseline": "covariate"}, None, "expected a value of points at week 0 of every person"),
        ({"baseline": "covariate", "visit_weeks": (4, 12)}, None, "expected visits at week 0"),
        ({"outcomes": (POINTS, MARKER), "outcomes_jointly": "full"},
         lambda p, v: (p.iloc[:30], v[v["person"].isin(p["person"].iloc[:30])]), "each visit (35), found 30 persons"),
        ({"covariates": ("height",)}, None, 'covariate column "height"'),
    ],
)  # fmt: skip
def test_refusals(fields, edit, said):
    model, trial = VisitModel(**{"outcomes": (POINTS,)} | fields), study(edit)
    with pytest.raises(BadInput) as error:
        model.build(trial)
    assert said in "\n".join(map(str, error.value.problems))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"outcomes": (POINTS, POINTS)}, "more than once"),
        ({"outcomes": ()}, "at least 1"),
        ({"visit_weeks": (4, 4)}, "rising weeks"),
        ({"visit_weeks": (-1, 4)}, "rising weeks"),
        ({"covariance": "ar1", "outcomes_jointly": "full"}, "has no structure"),
        ({"outcomes": ({**POINTS, "effect_on_level_prior": {"fast": {"mean": 0, "sd": 1}}},)}, "effect_by_stratum"),
        ({"covariance": "spatial"}, "unstructured"),
    ],
)
def test_fields_that_do_not_fit(fields, said):
    with pytest.raises(ValueError, match=said):
        VisitModel(**{"outcomes": (POINTS,)} | fields)


def test_it_is_read_from_a_configuration_and_written_back():
    spec = {"type": "visit", "outcomes": [POINTS, "alsfrs_r"], "covariance": "toeplitz", "visit_weeks": [0, 4]}
    model = model_from_spec(spec)
    assert model_from_spec(model.model_dump(mode="json")) == model


def test_models_of_courses_ask_for_the_rate():
    with pytest.raises(BadInput, match="points: expected typical = "):
        LongitudinalModel(outcomes=(POINTS,)).build(study())


@pytest.fixture(scope="module")
def fitted():
    """A trial with known means and covariance, 300 persons, a third gone by the end, and its posterior."""
    rng = np.random.default_rng(11)
    n, sd = 300, np.array([6.0, 6.5, 7.0, 8.0])
    lag = np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
    truth = {"r": 0.8**lag, "sd": sd, "mean": 36 - WEEKS / 4, "effect": np.array([0.0, 0.5, 1.5, 3.0])}
    group = np.arange(n) % 2
    y = truth["mean"] + (group == 0)[:, None] * truth["effect"]
    y = y + rng.standard_normal((n, 4)) @ np.linalg.cholesky(truth["r"] * np.outer(sd, sd)).T
    last = np.full(n, 4)
    for v in (1, 2):  # whoever does badly leaves more often: missing at random given what was seen
        gone = rng.uniform(size=n) < 1 / (1 + np.exp((y[:, v] - 27) / 3))
        last = np.where((last == 4) & gone, v + 1, last)
    row, column = np.nonzero(np.arange(4) < last[:, None])
    names = np.array([f"p{j}" for j in range(n)])
    persons = pd.DataFrame({"person": names, "start_group": np.array(["drug", "placebo"])[group],
                            "drug_start_week": np.where(group == 0, 0.0, np.nan)})  # fmt: skip
    visits = pd.DataFrame({"person": names[row], "week": WEEKS[column], "outcome": "points", "value": y[row, column]})
    trial = Study.from_frames(persons, visits, reference_group="placebo")
    model = VisitModel(outcomes=(POINTS,))
    tree = fit(model, trial, NutsSettings(draws=800, tune=500, chains=2, seed=4, progress=False))
    return model, trial, tree, truth, (names, y, last)


def test_it_recovers_a_simulated_trial(fitted):
    _, _, tree, truth, (_, _, last) = fitted
    assert (last < 4).mean() > 0.2
    observed = tree["observed_summary"]["mean"].sel(start_group="placebo", week=24.0).item()
    assert observed > truth["mean"][-1] + 1.5  # those who stayed do better
    posterior = tree["posterior"].to_dataset()
    for name, true in (
        ("curve", np.stack([truth["mean"] + truth["effect"], truth["mean"]])[None, :, None]),
        ("difference", truth["effect"][None, None, None]),
        ("visit_sd", np.stack([truth["sd"]] * 2, axis=1)[None]),
        ("visit_correlation", np.stack([truth["r"]] * 2, axis=2)[None]),
    ):
        values = posterior[name]
        sd = values.std(("chain", "draw")).to_numpy()
        z = np.where(sd > 1e-12, (values.mean(("chain", "draw")).to_numpy() - true) / np.maximum(sd, 1e-12), 0.0)
        assert np.abs(z).max() < 3.5, name
    assert float(posterior["difference"].sel(week=24.0).std()) < 1.3


def test_groups_of_every_fit(fitted):
    _, trial, tree, _, (names, y, last) = fitted
    assert tree["log_likelihood"]["visits"].dims == ("chain", "draw", "person")
    assert tree["log_likelihood"].sizes["person"] == len(trial.persons)
    seen = np.arange(4) < last[:, None]
    drug = (trial.persons.set_index("person").loc[names, "start_group"] == "drug").to_numpy()
    cell = tree["observed_summary"].sel(outcome="points", start_group="drug", stratum="all")
    for v, week in enumerate(WEEKS):
        own = y[drug & seen[:, v], v]
        assert int(cell["n"].sel(week=week)) == len(own)
        assert float(cell["mean"].sel(week=week)) == pytest.approx(own.mean())
        assert float(cell["se"].sel(week=week)) == pytest.approx(own.std(ddof=1) / np.sqrt(len(own)))
    replicated = tree["predictive_summary"]["mean"].sel(outcome="points", start_group="drug", stratum="all", week=0.0)
    level = tree["posterior"]["population_level"]
    assert float(replicated.mean()) == pytest.approx(float(level.mean()), abs=0.2)
    expected = np.sqrt(float(level.std()) ** 2 + float(tree["posterior"]["visit_sd"][..., 0, 0, 0].mean()) ** 2 / 150)
    assert float(replicated.std()) == pytest.approx(expected, rel=0.2)
