"""Shares and differences under other priors of the share, against normal posteriors known in closed form."""

import json

import numpy as np
import pytest
import xarray as xr
from readings import reading_of
from scipy.stats import multivariate_normal, norm

from bayesmodels.parts.effects import ProportionalSlowing
from bayesmodels.posterior.reweighting import k_limit, reweighted
from bayesmodels.reporting import ReportSettings, report
from bayesmodels.reporting.chapters.share_priors import SharePrior, SharePriors, fitted_prior, other_priors
from bayesmodels.reporting.chapters.start_groups.chapter import StartGroups

SHAPE = (4, 2000)
STRATA, GROUPS, WEEKS = ["faster", "slower"], ["early", "delayed"], [0.0, 28.0, 52.0]
AWAY = {28.0: 5.0, 52.0: 3.0}  # points that a share of 1 is worth, in the mean over start groups
PERSONS = np.array([0.6, 0.4])
ESTIMATES, ERRORS = np.array([0.35, 0.15]), np.array([0.2, 0.25])
PRIOR = SharePrior(0.0, 0.5, 0.5, 0.15, "partial")
SPEC = {"type": "longitudinal", "pooling": "partial", "outcomes": [
    {"name": "points", "unit": "points", "effect": ProportionalSlowing().model_dump(mode="json")}
]}  # fmt: skip


def covariance(prior: SharePrior, groups: int = 2) -> np.ndarray:
    """Of shares by stratum and start group, stratum first, from how they are made and not from how they are weighed."""
    n = 2 * groups
    same_stratum = np.kron(np.eye(2), np.ones((groups, groups)))
    own = np.eye(n) if prior.pooling == "none" else same_stratum
    between = prior.group_sd**2 * np.eye(n) if prior.pooling == "partial" else 0.0
    return prior.sd**2 * (prior.correlation + (1 - prior.correlation) * own) + between


def conjugate(prior: SharePrior, estimates: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of shares (stratum and group) given an estimate of each with a normal error."""
    before = covariance(prior)
    gain = before @ np.linalg.inv(before + np.diag(errors**2))
    return prior.mean + gain @ (estimates - prior.mean), before - gain @ before


def data_of_groups(estimates=ESTIMATES, errors=ERRORS):
    """Estimates of both strata in each of two start groups."""
    return np.repeat(estimates, 2) + np.array([0.1, -0.1, 0.05, -0.05]), np.repeat(errors, 2) * np.sqrt(2)


def tree_of(shares: np.ndarray, spec=SPEC, **changes) -> xr.DataTree:
    """A posterior with draws of shares (chain, draw, stratum, start group)."""
    whole = np.concatenate([shares, np.full_like(shares[:, :, :1], np.nan)], axis=2)
    mean = shares.mean(axis=-1)
    mean = np.concatenate([mean, (mean @ PERSONS)[..., None]], axis=-1)
    difference = mean[..., None] * np.array([0.0, *AWAY.values()])
    variables = {
        "proportional_slowing": (("outcome", "stratum"), whole.mean(axis=-1)[:, :, None]),
        "group_drug_effect": (("outcome", "stratum", "start_group"), whole[:, :, None]),
        "difference": (("outcome", "contrast", "stratum", "week"), difference[:, :, None, None]),
    }
    draws = xr.Dataset(
        {name: (("chain", "draw", *dims), values) for name, (dims, values) in variables.items()},
        coords={
            "outcome": ["points"], "stratum": [*STRATA, "all"], "start_group": GROUPS, "week": WEEKS,
            "contrast": ["early - delayed"], "unit": ("outcome", ["points"]), "scale": ("outcome", ["identity"]),
            "good_direction": ("outcome", ["up"]), "effect_type": ("outcome", ["proportional_slowing"]),
            "effect_unit": ("outcome", ["proportion"]), "drug_start_week": ("start_group", [0.0, 28.0]),
        },
    )  # fmt: skip
    dims = ("chain", "draw")
    statistics = xr.Dataset({"diverging": (dims, np.zeros(shares.shape[:2], bool))})
    data = {"kind": "study", "name": "toy", "controlled_week": 28.0, "reference_group": "delayed"}
    attrs = {"model_type": "longitudinal", "model": json.dumps(spec), "data": json.dumps(data), **changes}
    groups = {"/": xr.Dataset(attrs=attrs), "posterior": draws, "sample_stats": statistics}
    return xr.DataTree.from_dict(groups)


def drawn(prior: SharePrior, seed=1, data=None) -> np.ndarray:
    mean, spread = conjugate(prior, *(data or data_of_groups()))
    found = np.random.default_rng(seed).multivariate_normal(mean, spread, SHAPE, method="eigh")
    return found.reshape(*SHAPE, 2, 2)


@pytest.fixture(scope="module")
def reading():
    return reading_of(tree_of(drawn(PRIOR)), StartGroups(), SharePriors())


def spec_with(**changes):
    """The toy's model, with another share, correlation, SD between groups or pooling."""
    effect = SPEC["outcomes"][0]["effect"] | {k: v for k, v in changes.items() if k != "pooling"}
    return SPEC | {"pooling": changes.get("pooling", "partial"), "outcomes": [SPEC["outcomes"][0] | {"effect": effect}]}


def close_to_normal(row, mean, sd, draws):
    """Median, limits and probability of a normal quantity within 4.5 Monte-Carlo errors."""
    for edge, level in (("median", 0.5), ("lower", 0.025), ("upper", 0.975)):
        at = norm.ppf(level)
        error = sd * np.sqrt(level * (1 - level) / draws) / norm.pdf(at)
        assert row[edge] == pytest.approx(mean + sd * at, abs=4.5 * error), edge
    chance = norm.cdf(mean / sd)
    error = np.sqrt(chance * (1 - chance) / draws)
    assert row["probability_favours"] == pytest.approx(chance, abs=4.5 * error)


@pytest.mark.parametrize("pooling", ["partial", "complete", "none"])
def test_every_row_is_the_conjugate_answer(pooling):
    fitted = SharePrior(0.0, 0.5, 0.5, 0.15, pooling)
    tree = tree_of(drawn(fitted), spec_with(pooling=pooling))
    table = reading_of(tree, StartGroups(), SharePriors()).tables["share_priors"]
    assert table["prior"].unique().tolist() == [
        "Normal(0, 0.5): as fitted", "Normal(0.2, 0.5): centred on benefit", "Normal(0, 1): SD doubled",
        "Normal(0, 0.25): sceptical",
    ]  # fmt: skip
    assert len(table) == 4 * (2 + 3 * 2)
    assert (table["withheld"] == "").all()
    over_groups = np.kron(np.eye(2), [0.5, 0.5])
    for prior in (fitted, *other_priors(fitted)):
        rows = table[table["prior"] == prior.label].to_dict("records")
        mean, spread = conjugate(prior, *data_of_groups())
        mean, spread = over_groups @ mean, over_groups @ spread @ over_groups.T
        for row in rows:
            of = PERSONS if row["stratum"] == "all" else np.eye(2)[STRATA.index(row["stratum"])]
            factor = AWAY.get(row["week"], 1.0)
            draws = 8000 if prior is fitted else row["effective_draws"]
            assert draws > 400
            close_to_normal(row, factor * of @ mean, factor * np.sqrt(of @ spread @ of), draws)
    moved = table[table["quantity"] == "share"].groupby("prior")["median"].mean()
    assert moved["Normal(0, 0.25): sceptical"] < moved["Normal(0, 0.5): as fitted"] - 0.03
    assert moved["Normal(0.2, 0.5): centred on benefit"] > moved["Normal(0, 0.5): as fitted"] + 0.02


@pytest.mark.parametrize("pooling", ["partial", "complete", "none"])
@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_the_density_of_shares_is_the_dense_normal(pooling, correlation):
    """Log ratios of two priors, of draws that could have come from either."""
    fitted = SharePrior(0.1, 0.4, correlation, 0.2, pooling)
    tilt = 1e-9 * np.eye(4) if pooling == "complete" else np.zeros((4, 4))  # groups are the same: a singular normal
    shares = np.random.default_rng(2).multivariate_normal(np.full(4, 0.1), covariance(fitted), 50).reshape(50, 2, 2)
    if pooling == "complete":
        shares = np.repeat(shares.mean(axis=-1, keepdims=True), 2, axis=-1)
    for other in other_priors(fitted):
        dense = [
            multivariate_normal(np.full(4, p.mean), covariance(p) + tilt).logpdf(shares.reshape(50, 4))
            for p in (other, fitted)
        ]
        found = other.log_density(shares) - fitted.log_density(shares)
        np.testing.assert_allclose(found - found[0], (dense[0] - dense[1]) - (dense[0] - dense[1])[0], atol=1e-5)


def test_strata_with_one_share_and_a_single_stratum():
    same = SharePrior(0.0, 0.5, 1.0, 0.0, "complete")
    shares = np.random.default_rng(3).normal(0, 0.5, (40, 1, 1))
    both = np.repeat(np.repeat(shares, 2, axis=1), 2, axis=2)
    for other in other_priors(same):
        expected = norm(other.mean, other.sd).logpdf(shares[:, 0, 0]) - norm(0, 0.5).logpdf(shares[:, 0, 0])
        for values in (both, shares):
            found = other.log_density(values) - same.log_density(values)
            np.testing.assert_allclose(found - found[0], expected - expected[0], atol=1e-9)


def test_the_fitted_rows_are_those_of_the_other_tables(reading):
    deltas, table = reading.tables["deltas"], reading.tables["share_priors"]
    own = table[(table["prior_sd"] == 0.5) & (table["prior_mean"] == 0) & (table["quantity"] == "difference")]
    keys = ["stratum", "contrast", "week"]
    both = own.merge(deltas, on=keys, suffixes=("", "_delta"))
    assert len(both) == len(own) == 6
    for name in ("median", "lower", "upper", "probability_favours"):
        np.testing.assert_array_equal(both[name], both[f"{name}_delta"])
    assert own["pareto_k"].isna().all()


def test_what_the_draws_do_not_reach_is_withheld_with_the_line_that_refits_it():
    """A share far out in a narrow prior: twice its SD leads where there are no draws."""
    narrow = SharePrior(0.0, 0.05, 0.5, 0.0, "complete")
    far = np.full(4, 0.9), np.full(4, 0.1)
    spec = spec_with(share={"type": "normal", "mean": 0.0, "sd": 0.05}, group_sd=0.0, pooling="complete")
    reading = reading_of(tree_of(drawn(narrow, data=far), spec), StartGroups(), SharePriors())
    table = reading.tables["share_priors"]
    lost = table[table["prior"] == "Normal(0.2, 0.5): centred on benefit"]
    assert (lost["pareto_k"] > 0.7).all()
    numbers = lost[["median", "lower", "upper", "probability_favours"]]
    assert numbers.isna().all(axis=None)
    line = 'not known without a refit: set share = {type = "normal", mean = 0.2, sd = 0.5}'
    assert set(lost["withheld"]) == {line}
    page = next(iter(SharePriors().section(reading).tables.values()))
    shown = page[page["Prior of the share"].str.startswith("Normal(0.2, 0.5)")]
    assert shown["Share (95 % ETI)"].tolist() == [line]
    assert float(shown["Pareto k"].iloc[0]) > 0.7
    kept = table[table["prior"] == "Normal(0, 0.05): as fitted"]
    assert kept["median"].notna().all()


def test_the_line_that_refits_is_read_by_the_effect():
    import tomllib

    for prior in other_priors(PRIOR):
        read = ProportionalSlowing.model_validate(tomllib.loads(prior.line))
        assert (read.share.mean, read.share.sd) == (prior.mean, prior.sd)


def test_pareto_k_of_weights_with_a_known_tail():
    """Weights u^-k of uniform u are Pareto with shape k; few draws have a lower limit."""
    u = np.random.default_rng(4).permutation((np.arange(20000) + 0.5) / 20000).reshape(4, 5000)
    for k in (0.3, 0.9):
        found = reweighted(-k * np.log(u))
        assert found.pareto_k == pytest.approx(k, abs=0.1)
        assert found.reliable == (k < 0.7)
    assert k_limit(4000) == 0.7
    assert k_limit(1000) == pytest.approx(2 / 3)
    assert not reweighted(np.zeros((4, 500))).reliable
    assert not reweighted(np.zeros((1, 3))).reliable


def test_priors_are_read_and_never_assumed(reading):
    context = reading.context
    assert fitted_prior(context, "points", 2) == PRIOR
    assert fitted_prior(context, "points", 1).pooling == "complete"
    assert fitted_prior(context, "other", 2) is None
    changed = spec_with(share={"type": "normal", "mean": 0.1, "sd": 0.3}, correlation=0.2, group_sd=0.05)
    told = reading_of(tree_of(drawn(PRIOR), changed)).context
    assert fitted_prior(told, "points", 2) == SharePrior(0.1, 0.3, 0.2, 0.05, "partial")
    labels = [prior.label for prior in other_priors(SharePrior(0.2, 0.5, 0.5, 0.15, "partial"))]
    assert labels == ["Normal(0.2, 1): SD doubled", "Normal(0, 0.25): sceptical"]
    for name in ("share", "correlation", "group_sd", "type"):
        effect = {k: v for k, v in SPEC["outcomes"][0]["effect"].items() if k != name}
        silent = SPEC | {"outcomes": [{"name": "points", "effect": effect}]}
        found = reading_of(tree_of(drawn(PRIOR), silent), StartGroups(), SharePriors())
        assert "share_priors" not in found.tables
    unpooled = {k: v for k, v in SPEC.items() if k != "pooling"}
    own = spec_with(type="my_parts:Slowing")
    for spec in (unpooled, own):
        assert "share_priors" not in reading_of(tree_of(drawn(PRIOR), spec), StartGroups(), SharePriors()).tables


def test_page_and_summary():
    made = report(tree_of(drawn(PRIOR)), settings=ReportSettings(contrast_weeks=(28, 52)))
    section = next(s for s in made.sections if s.title == "The drug's share under other priors")
    text = " ".join(section.paragraphs)
    assert "before the data a stratum's share is Normal(0, 0.5), the shares of two strata have correlation 0.5" in text
    assert "the share in one start group lies about its stratum's with SD 0.15" in text
    assert 'not known without a refit: set [model] pooling = "complete"' in text
    assert "equal P(share > 0) by assumption" in text
    ((caption, page),) = section.tables.items()
    assert caption == "points, early minus delayed: median and 95 % ETI; points"
    assert len(page) == 4 * 3
    assert page["Stratum"].tolist()[:3] == ["faster", "slower", "all persons"]
    assert page["Share (95 % ETI)"].iloc[2] == "–"
    assert page["Difference before the switch"].str.endswith("week 28").all()
    assert page["Difference at the last visit of both groups"].str.endswith("week 52").all()
    assert page["Pareto k"].tolist()[:3] == ["–"] * 3
    assert page["Pareto k"].iloc[3] != "–"
    assert "P(favours the earlier start) before the switch" in page
    told = made.summary["chapters"]["shares under other priors"]
    assert len(told["rows"]) == len(made.tables["share_priors"]) == 32
    assert told["rows"][0]["pareto_k"] is None
    assert 'pooling = "complete"' in told["prior"]["points"]


def test_without_a_share_or_differences():
    tree = tree_of(drawn(PRIOR))
    draws = tree["posterior"].to_dataset()

    def with_draws(dataset):
        groups = {"/": xr.Dataset(attrs=tree.attrs), "posterior": dataset}
        return xr.DataTree.from_dict(groups | {"sample_stats": tree["sample_stats"].to_dataset()})

    without = report(with_draws(draws.drop_vars("proportional_slowing")))
    assert "share_priors" not in without.tables
    absent = next(s for s in without.sections if s.title == "Not made from this posterior")
    (rows,) = absent.tables.values()
    assert "proportional_slowing" in rows.set_index("Report").loc["shares under other priors", "Config"]
    nothing = draws.assign(proportional_slowing=draws["proportional_slowing"] * np.nan)
    assert "share_priors" not in reading_of(with_draws(nothing), StartGroups(), SharePriors()).tables
    alone = reading_of(with_draws(draws.drop_vars("difference")), SharePriors())
    assert set(alone.tables["share_priors"]["quantity"]) == {"share"}
    (page,) = SharePriors().section(alone).tables.values()
    assert len(page) == 4 * 2


def test_active_against_control():
    """One group has the drug: its share is its stratum's, and only the last visit is compared."""
    tree = tree_of(drawn(PRIOR))
    draws = tree["posterior"].to_dataset()
    treated = draws["start_group"] == "early"
    draws = draws.assign(group_drug_effect=draws["group_drug_effect"].where(treated))
    draws = draws.assign(proportional_slowing=draws["group_drug_effect"].mean("start_group"))
    draws = draws.assign_coords(drug_start_week=("start_group", [0.0, np.inf]))
    attrs = tree.attrs | {"data": json.dumps({"name": "toy", "controlled_week": None, "reference_group": "delayed"})}
    reading = reading_of(
        xr.DataTree.from_dict({"/": xr.Dataset(attrs=attrs), "posterior": draws}), StartGroups(), SharePriors()
    )
    table = reading.tables["share_priors"]
    assert set(table["point"]) == {"", "delta_2"}
    one = draws["group_drug_effect"].sel(start_group="early", outcome="points", stratum="faster")
    assert table["median"].iloc[0] == pytest.approx(float(one.median()))
    log_ratio = SharePrior(0.2, 0.5, 0.5, 0.15, "complete").log_density(np.array([[[0.3], [0.1]], [[0.2], [0.2]]]))
    before = 0.25 * np.array([[1.0, 0.5], [0.5, 1.0]])
    dense = multivariate_normal([0.2, 0.2], before).logpdf([[0.3, 0.1], [0.2, 0.2]])
    assert log_ratio[0] - log_ratio[1] == pytest.approx(dense[0] - dense[1])
    section = SharePriors().section(reading)
    assert "complete" not in " ".join(section.paragraphs)
    (page,) = section.tables.values()
    assert "P(favours active) at the last visit of both arms" in page
