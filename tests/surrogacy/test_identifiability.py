"""Verdicts of the response and the individual rung, each answer at its cut-offs; single trials to verdicts."""

import numpy as np
import pandas as pd
import pytest

from bayesmodels.study import ClusterTable
from bayesmodels.surrogacy.identifiability import SINGLE_TRIAL, individual_verdict, response_verdict
from bayesmodels.surrogacy.person_level import posterior_arms
from bayesmodels.surrogacy.settings import SOURCES, CutOffs, SurrogacySettings
from bayesmodels.surrogacy.single_trial import trial_criteria

WORDS = {"surrogate": "NfL", "where": "at week 28", "level": 0.95}


def response(mean, sd, region=0.0, design=""):
    draws = mean + sd * np.random.default_rng(2).standard_normal(4000)
    return response_verdict(draws, region, CutOffs(), unit="ln", design=design, **WORDS)


@pytest.mark.parametrize(
    ("mean", "sd", "region", "answer"),
    [
        (0.8, 0.1, 0.0, "supported"),
        (0.8, 0.1, 0.7, "uncertain"),
        (0.1, 0.1, 0.0, "uncertain"),
        (0.1, 0.1, 0.5, "not supported"),
        (-0.8, 0.1, 0.0, "not supported"),
    ],
)
def test_response(mean, sd, region, answer):
    found = response(mean, sd, region)
    assert (found.rung, found.answer) == ("response", answer)
    assert found.reasons[0].startswith("Improvement of ")
    assert found.what_would_change_it


def test_a_design_that_cannot_say_is_not_assessable_whatever_the_draws():
    assert response(0.8, 0.1, design="there is one start group").answer == "not assessable"
    none = response_verdict(None, 0.0, CutOffs(), unit="ln", **WORDS)
    assert (none.answer, none.reasons) == ("not assessable", ("the model has no effect of the drug on the surrogate",))
    persons = individual_verdict(None, CutOffs(), outcome="ALSFRS-R", **WORDS)
    assert persons.answer == "not assessable"
    assert none.line == (
        "response: not assessable. These data cannot say whether the drug moves NfL. The model has no effect of the "
        "drug on the surrogate."
    )
    assert persons.line.endswith("within an arm. The archive holds no covariance between persons.")
    assert response(0.8, 0.1).line == "response: supported. The drug moves NfL in the good direction."
    assert SINGLE_TRIAL.answer == "not assessable"


def individual(low, high, right=1.0, prior=None):
    """R2 evenly over a range, a share `right` of its correlations with the right sign."""
    size = np.random.default_rng(4).permutation(np.sqrt(np.linspace(low, high, 1001)))
    sign = np.where(np.arange(1001) < right * 1001, 1.0, -1.0)
    return individual_verdict(sign * size, CutOffs(), outcome="ALSFRS-R", prior=prior, **WORDS)


@pytest.mark.parametrize(
    ("low", "high", "right", "answer"),
    [
        (0.45, 0.6, 0.99, "supported"),
        (0.45, 0.6, 0.5, "uncertain"),
        (0.45, 0.6, 0.01, "not supported"),
        (0.35, 0.6, 0.99, "uncertain"),
        (0.0, 0.15, 0.6, "not supported"),
        (0.0, 0.3, 0.6, "uncertain"),
    ],
)
def test_individual(low, high, right, answer):
    found = individual(low, high, right)
    assert (found.rung, found.answer) == ("individual", answer)
    assert "no evidence that moving the surrogate moves the outcome" in found.reasons[-1]


def test_a_prior_that_was_hardly_moved_is_not_assessable():
    prior = np.linspace(-0.6, 0.6, 1001)
    assert individual(0.0, 0.33, right=0.5, prior=prior).answer == "not assessable"
    moved = individual(0.41, 0.64, prior=prior)  # wider as R2 than the prior's 0 to .34, but well learned
    assert moved.answer == "supported"
    width = 0.95 * 1.2
    low, high = np.sqrt(np.quantile(np.linspace(0.41, 0.64, 1001), [0.025, 0.975]))
    assert f"{(high - low) / width:.2f} times as wide as the prior's" in moved.reasons[2]


def test_a_low_r2_that_the_prior_alone_implies_is_not_assessable():
    """Independent paths of the two outcomes keep R2 low a priori: the data cannot refute what was not allowed."""
    narrow = np.linspace(-0.35, 0.35, 1001)  # R2 at most .12
    found = individual(0.0, 0.05, right=0.9, prior=narrow)
    assert found.answer == "not assessable"
    assert "The prior alone keeps R2 below 0.2" in found.reasons[5]
    assert found.what_would_change_it == (
        "A model whose prior lets them go together: where the random walks are taken as independent, "
        "walk_correlation = 1.0 of the model, in a configuration under [model].",
    )
    assert individual(0.0, 0.05, right=0.9, prior=np.linspace(-0.9, 0.9, 1001)).answer == "not supported"
    assert individual(0.45, 0.6, prior=narrow).answer == "supported"  # the data moved beyond it


def test_probabilities_of_the_answers_stand_beside_the_prior_s():
    """A correlation even over -1 to 1: R2 below .2 for |r| < .447, at least .4 for r above .632."""
    flat = np.linspace(-1, 1, 200_001)
    found = individual(0.45, 0.6, right=0.8, prior=flat).reasons
    assert found[3] == (
        "Probability after the data, and in brackets before: R2 at least 0.4, the better together: 0.80 (0.18); "
        "R2 below 0.2, or the better with the worse: 0.20 (0.72); in between: < 0.01 (0.09)."
    )
    assert found[4].startswith("Before the data R2 is below 0.2 with probability 0.45, whatever the sign")
    assert not any("before" in reason for reason in individual(0.45, 0.6).reasons)


def test_every_cut_off_has_a_source():
    assert set(CutOffs.model_fields) == set(SOURCES)


def simulated(n, effect, gamma, confounder, seed):
    """T = gamma S + the confounder; S moved by the drug; the confounder moves both."""
    rng = np.random.default_rng(seed)
    arm, cause = np.repeat([0, 1], n // 2), rng.normal(size=n)
    s = effect * arm + confounder * cause + rng.normal(size=n)
    t = gamma * s + 2 * confounder * cause + 0.5 * rng.normal(size=n)
    frame = pd.DataFrame({"treatment": arm, "surrogate": s, "outcome": t})
    return ClusterTable.from_frame(frame, active=1, clustered=False)


def test_perfect_and_confounded_surrogates():
    settings = SurrogacySettings(residual_region=0.5)
    perfect = trial_criteria(posterior_arms(simulated(400, 1.0, 1.0, 0.0, 1), draws=1000, seed=1), settings)
    assert [v.answer for v in perfect.verdicts] == ["supported", "supported"]
    assert perfect.prentice.probabilities["joint"] > 0.9
    assert perfect.proportion_explained.lower < 1 < perfect.proportion_explained.upper
    confounded = trial_criteria(posterior_arms(simulated(400, 1.0, 0.0, 1.5, 1), draws=1000, seed=1), settings)
    assert confounded.verdicts[1].answer == "supported"  # they go together, and that is all it says
    assert not confounded.prentice.assessable
    assert confounded.proportion_explained.withheld
    assert "response: supported" in confounded.sentence()
    assert "not assessable" in confounded.sentence()


def test_the_same_seed_gives_the_same_trial():
    data = simulated(100, 1.0, 1.0, 0.0, 2)
    first, second = (trial_criteria(posterior_arms(data, draws=300, seed=5)) for _ in range(2))
    pd.testing.assert_frame_equal(first.table, second.table)
    pd.testing.assert_frame_equal(first.causal_association.table, second.causal_association.table)
