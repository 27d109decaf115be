"""`JointEventModel` on small studies: hazards against SciPy, the joint density against integration over persons."""

from __future__ import annotations

import itertools

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from joint_small import ASSOCIATION, OUTCOME, density, draw, evaluate, exits_node, model, study
from pydantic import BaseModel, ConfigDict
from scipy.integrate import quad
from scipy.stats import multivariate_normal, norm

from bayesmodels.fitting.evaluate import python_mode
from bayesmodels.kernels.hazards.follow_up import log_hazards
from bayesmodels.kernels.hazards.op import Exits, ExitsLogp
from bayesmodels.models.joint_event import PERSON_DRAWS, JointEventModel
from bayesmodels.models.visits.event import Event
from bayesmodels.parts.curve import Curve
from bayesmodels.parts.hazards import PiecewiseConstant
from bayesmodels.parts.priors import HalfNormal
from bayesmodels.parts.trajectories import level_and_rate
from bayesmodels.vocabulary import months

LAST_EXIT = study().events["week"].max()
"""Week; the piecewise hazards of `joint_small` end there."""


def course(at, terms, t, start):
    """Value of the score at month t: level + rate (1 - exp(-rho t)) / rho + effect (t - start)_+."""
    rho = float(at["score_deceleration"])
    untreated = terms[0] + terms[1] * -np.expm1(-rho * t) / rho
    return untreated + terms[2] * max(t - start, 0.0)


def feature(form, at, terms, t, start):
    """What of the course acts on the hazard at month t; the area is of the value less its typical level, 37."""
    if form == "value":
        return course(at, terms, t, start)
    if form == "rate":
        rho = float(at["score_deceleration"])
        return terms[1] * np.exp(-rho * t) + terms[2] * (t > start)
    if form == "area":
        inside = [start] if 0 < start < t else None
        return quad(lambda s: course(at, terms, s, start), 0, t, points=inside, limit=200)[0] - 37.0 * t
    raise AssertionError(form)


def log_baseline(at, name, kind, t):
    """Log baseline hazard at month t, up to a constant of the event: where the sampler sees it is left out."""
    if kind == "weibull":
        return at[f"{name}_log_hazard"] + np.expm1(at[f"{name}_log_shape"]) * np.log(t)
    if kind == "piecewise":
        edges = np.array([0.0, 10.0, 30.0, LAST_EXIT])
        gaps = np.diff((edges[1:] + edges[:-1]) / 2)
        steps = at[f"{name}_random_walk_sd"] * np.sqrt(gaps / gaps.sum()) * at[f"{name}_step"]
        walk = np.array([0.0, steps[0], steps[0] + steps[1]])
        pieces = at[f"{name}_log_hazard"] + walk - walk.mean()
        return pieces[np.searchsorted(months(edges[1:-1]), t, side="right")]
    raise AssertionError(kind)


@pytest.mark.parametrize("form", ["value", "rate", "area"])
@pytest.mark.parametrize("kind", ["weibull", "piecewise"])
def test_event_likelihood_is_that_of_scipys_integration(kind, form):
    """The hazard is written out by hand up to a constant per event, which the kernel's hazard at exits fixes."""
    data = study(entry=True)
    built = model(kind, (form,)).build(data)
    at = draw(built, 3)
    node = exits_node(built)
    found, values = evaluate(built, [node.outputs[0], *node.inputs], at)[0], evaluate(built, node.inputs, at)
    exits = Exits(*values[: len(Exits._fields)])
    age = data.covariates(["age"]).to_numpy()[:, 0]
    age = (age - age.mean()) / age.std()
    early = (data.persons["start_group"] == "early").to_numpy(float)
    start = months(data.persons["drug_start_week"].to_numpy(float))
    gamma_age, gamma_early = at["hazard_ratio"]
    alpha, treated = float(at["hazard_association"][0]), float(at["death_on_drug"])
    left = lambda t: np.exp(log_baseline(at, "left", "piecewise", t))  # noqa: E731
    ends, begins = months(data.events["week"].to_numpy()), months(data.events["entry_week"].to_numpy())
    relative = []
    for i in range(len(ends)):
        terms = exits.terms[i, :3]

        def log_death(t, i=i, terms=terms):
            own = log_baseline(at, "death", kind, t) + gamma_age * age[i] + gamma_early * early[i]
            return own + alpha * feature(form, at, terms, t, start[i]) + treated * (t > start[i])

        relative.append((log_death, exits.code[i]))
    # the constant: the kernel's log hazard at the first person's exit against the hand's
    at_exit = log_hazards(node.op.layout, exits, values[len(Exits._fields) :])[0, exits.first[1:] - 1]
    constants = np.array([at_exit[i] - relative[i][0](ends[i]) for i in range(len(ends))])
    np.testing.assert_allclose(constants, constants[0], rtol=1e-9, atol=1e-9)
    breaks = [*months(np.array([10.0, 30.0])), *start]
    for i, (log_death, code) in enumerate(relative):
        inside = sorted({b for b in breaks if begins[i] < b < ends[i]})
        whole = lambda t, f=log_death: np.exp(f(t) + constants[0]) + left(t)  # noqa: E731
        edges = [begins[i], *inside, ends[i]]
        total = sum(quad(whole, a, b, limit=200)[0] for a, b in itertools.pairwise(edges))
        expected = -total + (log_death(ends[i]) + constants[0] if code == 1 else 0.0)
        expected += np.log(left(ends[i])) if code == 2 else 0.0
        assert found[i] == pytest.approx(expected, rel=1e-6), i


class Bend(BaseModel):
    """A user's own course with a knot, which says so."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    month: float = float(months(30.0))

    def curve(self, outcome) -> Curve:
        """Terms level, rate and a change of rate."""
        terms = level_and_rate(outcome)
        return Curve(
            terms | {"rate_change_1": terms["rate"]},
            lambda t: {"level": pt.ones_like(t), "rate": t, "rate_change_1": pt.maximum(t - self.month, 0.0)},
            rate_jumps=(self.month,),
        )


@pytest.mark.parametrize("trajectory", [{"type": "piecewise", "knot_weeks": (30.0,)}, Bend()])
def test_time_is_cut_where_a_rate_that_acts_jumps(trajectory):
    """A course with a knot and an effect after a known lag: the log hazard has two steps, SciPy knows where."""
    bent = {"trajectory": trajectory, "effect": {"type": "slope_change", "lag": 2.0}}
    death = {"name": "death", "baseline": PiecewiseConstant(pieces=1), "associations": [ASSOCIATION | {"form": "rate"}]}
    data = study()
    built = JointEventModel(outcomes=(OUTCOME | bent,), events=(Event(**death),)).build(data)
    at = draw(built, 3) | {"hazard_association": np.array([2.0])}
    node = exits_node(built)
    found, values = evaluate(built, [node.outputs[0], *node.inputs], at)[0], evaluate(built, node.inputs, at)
    exits = Exits(*values[: len(Exits._fields)])
    at_exit = log_hazards(node.op.layout, exits, values[len(Exits._fields) :])[0, exits.first[1:] - 1]
    start, ends = months(data.persons["drug_start_week"].to_numpy(float)), months(data.events["week"].to_numpy())
    labels = [str(label) for label in built.coords["any_term"]]
    level, rate, change, effect = (labels.index(f"score:{n}") for n in ("level", "rate", "rate_change_1", "effect"))
    assert level == 0
    for i, end in enumerate(ends):
        terms, jumps = exits.terms[i], (months(30.0), start[i] + 2.0)

        def log_hazard(t, terms=terms, jumps=jumps):
            return 2.0 * (terms[rate] + terms[change] * (t > jumps[0]) + terms[effect] * (t > jumps[1]))

        constant = at_exit[i] - log_hazard(end)
        edges = [0.0, *sorted(t for t in jumps if t < end), end]
        total = sum(
            quad(lambda t, f=log_hazard, c=constant: np.exp(f(t) + c), a, b)[0] for a, b in itertools.pairwise(edges)
        )
        assert found[i] == pytest.approx((at_exit[i] if exits.code[i] else 0.0) - total, rel=1e-6), i


def test_drawing_persons_leaves_the_marginal_likelihood_of_visits_and_exits_unchanged():
    """Over Gauss-Hermite z, the partially collapsed density; over u ~ Normal(0, D), p(y | u) p(exit | u)."""
    outcome = {**OUTCOME, "trajectory": {"type": "linear"}, "effect": {"type": "none"}}
    death = {"name": "death", "of": ["death", "left"], "baseline": PiecewiseConstant(knot_weeks=(20.0,))}
    death["associations"] = [{"outcome": "score", "form": "value"}]
    data = study()
    built = JointEventModel(outcomes=(outcome,), events=(Event(**death),)).build(data)
    at = draw(built, 5)
    at["hazard_association"] = np.array([-0.06])
    at |= {"death_log_hazard": np.array(-2.75), "death_step": np.array([0.5]), "death_random_walk_sd": np.array(1.0)}
    total = density(built)
    node, points = exits_node(built), np.polynomial.hermite_e.hermegauss(31)
    weights = points[1] / np.sqrt(2 * np.pi)
    free = built.free_RVs
    function = pytensor.function(free, [total, *node.inputs], mode=python_mode(), on_unused_input="ignore")

    def at_z(one, two):
        z = np.tile([one, two], (len(data.persons), 1))
        return function(*(z if rv.name == PERSON_DRAWS else at[rv.name] for rv in free))

    collapsed = np.zeros(len(data.persons))
    for (a, wa), (b, wb) in itertools.product(zip(points[0], weights, strict=True), repeat=2):
        collapsed += wa * wb * np.exp(at_z(a, b)[0])

    _, *values = at_z(0.0, 0.0)
    exits = Exits(*values[: len(Exits._fields)])
    mean, sd = at["term_mean"][:, 0], at["term_sd"][0]
    correlation = 2 * float(at["partial_correlation"][0]) - 1
    factor = np.diag(sd) @ np.linalg.cholesky([[1, correlation], [correlation, 1]])
    sigma = float(at["error_sd"][0, 0])
    visits, span = data.visits, np.linspace(-7, 7, 41)
    centers, roots, values_of = [], [], []
    for person in data.persons["person"]:
        own = visits[visits["person"] == person]
        line = np.stack([np.ones(len(own)), months(own["week"].to_numpy(float))], axis=1)
        precision = np.linalg.inv(factor @ factor.T) + line.T @ line / sigma**2
        centers.append(mean + np.linalg.solve(precision, line.T @ (own["value"].to_numpy() - line @ mean)) / sigma**2)
        roots.append(np.linalg.cholesky(np.linalg.inv(precision)))
        values_of.append((line, own["value"].to_numpy()))
    prior = multivariate_normal(mean, factor @ factor.T)
    direct = np.zeros(len(data.persons))
    for a, b in itertools.product(span, repeat=2):  # trapezium rule around each person's peak
        terms = np.array([center + root @ [a, b] for center, root in zip(centers, roots, strict=True)])
        storage = [[None]]
        given = exits._replace(terms=np.concatenate([terms, terms - mean], axis=1))
        ExitsLogp(node.op.layout).perform(None, [*given, *values[len(Exits._fields) :]], storage)
        for i, (line, y) in enumerate(values_of):
            log_density = norm.logpdf(y, line @ terms[i], sigma).sum() + prior.logpdf(terms[i]) + storage[0][0][i]
            direct[i] += np.exp(log_density) * np.linalg.det(roots[i]) * (span[1] - span[0]) ** 2
    np.testing.assert_allclose(np.log(collapsed), np.log(direct), atol=1e-6)


def test_without_associations_the_persons_draws_do_not_meet_the_events():
    built = model(forms=()).build(study())
    at = draw(built, 6)
    other = at | {PERSON_DRAWS: np.random.default_rng(9).normal(size=at[PERSON_DRAWS].shape)}
    (one,), (two,) = evaluate(built, [density(built)], at), evaluate(built, [density(built)], other)
    np.testing.assert_allclose(one, two, rtol=1e-12)


def test_terms_association_acts_through_the_persons_deviations():
    data = study()
    built = model(forms=("terms",)).build(data)
    node, at = exits_node(built), draw(built, 7)
    values = evaluate(built, node.inputs, at)
    exits = Exits(*values[: len(Exits._fields)])
    assert list(built.coords["form"]) == ["terms:level", "terms:rate"]
    np.testing.assert_allclose(exits.terms[:, :2], exits.terms[:, 3:] + at["term_mean"][:2, 0], rtol=1e-10)
    moved = exits._replace(alpha=exits.alpha + np.array([[0.0, 1.0], [0.0, 0.0]]))
    features = values[len(Exits._fields) :]
    change = log_hazards(node.op.layout, moved, features) - log_hazards(node.op.layout, exits, features)
    person = np.repeat(np.arange(len(data.persons)), np.diff(exits.first))
    np.testing.assert_allclose(change[0], exits.terms[person, 4], atol=1e-12)
    np.testing.assert_allclose(change[1], 0.0, atol=1e-12)


@pytest.mark.parametrize("skewness", [None, 0.6, HalfNormal(sd=0.8)])
def test_gradient_of_the_whole_model_is_that_of_central_differences(skewness):
    one = model("spline", ("value", "rate", "area", "terms"))
    built = JointEventModel(outcomes=({**OUTCOME, "rate_skewness": skewness},), events=one.events).build(study())
    logp = built.compile_fn(built.logp(), mode=python_mode())
    gradient = built.compile_fn(built.dlogp(), mode=python_mode())
    point = built.initial_point(random_seed=0)
    rng = np.random.default_rng(10)
    point = {name: value + 0.1 * rng.normal(size=np.shape(value)) for name, value in point.items()}
    flat = gradient(point)
    position = 0
    for variable in built.value_vars:
        value = np.asarray(point[variable.name], float)
        for element in list(np.ndindex(*value.shape))[:4]:
            ends = []
            for step in (-1e-5, 1e-5):
                moved = value.copy()
                moved[element] += step
                ends.append(float(logp(point | {variable.name: moved})))
            expected = (ends[1] - ends[0]) / 2e-5
            at = position + int(np.ravel_multi_index(element, value.shape)) if value.shape else position
            assert flat[at] == pytest.approx(expected, rel=2e-4, abs=2e-3), (variable.name, element)
        position += value.size
