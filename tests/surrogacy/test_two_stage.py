"""Two-stage estimators against the reference figures (printed with the treatment coded -1 / 1) and by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayesmodels.errors import BadInput
from bayesmodels.study import ClusterTable, Endpoint
from bayesmodels.surrogacy.two_stage import r2_standard_error, two_stage

REFERENCE = Path(__file__).parents[3] / "shared" / "reference"


def armd() -> ClusterTable:
    columns = {"cluster": "Center", "treatment": "Treat", "surrogate": "Diff24", "outcome": "Diff52"}
    return reference("armd.csv", columns)


def schizo() -> ClusterTable:
    columns = {"cluster": "InvestId", "treatment": "Treat", "surrogate": "BPRS", "outcome": "PANSS"}
    return reference("schizo.csv", columns)


def reference(name: str, columns: dict[str, str]) -> ClusterTable:
    if not (REFERENCE / name).exists():
        pytest.skip(f"{name} is not beside the repository")
    return ClusterTable.from_frame(pd.read_csv(REFERENCE / name), active=1, columns=columns, complete_cases=True)


def limits(found, quantity):
    row = found.table.set_index("quantity").loc[quantity]
    return [row["lower"], row["upper"]]


def test_armd_reduced():
    found = two_stage(armd(), "reduced")
    assert found["trial_r2"] == pytest.approx(0.6585, abs=5e-5)
    assert limits(found, "trial_r2") == pytest.approx([0.4695, 0.8476], abs=6e-5)
    assert found["individual_r2"] == pytest.approx(0.5318, abs=5e-5)
    assert limits(found, "individual_r2") == pytest.approx([0.4315, 0.6321], abs=6e-5)
    assert found["slope"] == pytest.approx(1.1252, abs=5e-5)
    assert found.table.set_index("quantity").at["slope", "se"] == pytest.approx(0.139, abs=5e-4)
    assert found["intercept"] / 2 == pytest.approx(-0.447, abs=5e-4)  # the reference's effects are half differences
    assert (len(found.effects), found.left_out) == (36, 0)


def test_armd_full():
    found = two_stage(armd(), "full")
    assert found["trial_r2"] == pytest.approx(0.7031, abs=5e-5)
    assert limits(found, "trial_r2") == pytest.approx([0.533, 0.873], abs=5e-4)
    assert found["individual_r2"] == pytest.approx(0.4866, abs=5e-5)
    assert limits(found, "individual_r2") == pytest.approx([0.3814, 0.5919], abs=6e-5)


def test_schizo_on_the_investigators_with_both_arms():
    table = schizo()
    assert table.counts["patients"] == 2123
    full, reduced = two_stage(table, "full"), two_stage(table, "reduced")
    assert (len(full.effects), int(full.effects["patients"].sum()), full.left_out) == (151, 2022, 47)
    assert full["trial_r2"] == pytest.approx(0.9186, abs=5e-5)
    assert reduced["trial_r2"] == pytest.approx(0.9199, abs=5e-5)
    assert full["individual_r2"] == pytest.approx(0.9201, abs=5e-5)
    assert reduced["individual_r2"] == pytest.approx(0.9276, abs=5e-5)


@pytest.fixture
def three_clusters():
    """Two patients an arm and cluster; deviations of +-1 (surrogate) and +-1 (outcome) with sign product `sign`."""
    rows = []
    for cluster, level, effect, response in (("a", 0, 1.0, 2.0), ("b", 3, 2.0, 5.0), ("c", 5, 4.0, 6.0)):
        for arm in (0, 1):
            for j in (-1, 1):
                rows.append((cluster, arm, level + effect * arm + j, 7 * level + response * arm + 2 * j))
    return ClusterTable.from_frame(
        pd.DataFrame(rows, columns=["cluster", "treatment", "surrogate", "outcome"]), active=1
    )


def test_stage_one_by_hand(three_clusters):
    found = two_stage(three_clusters, "reduced", weighted=False)
    full = two_stage(
        ClusterTable.from_frame(
            pd.concat([three_clusters.rows.assign(treatment=three_clusters.rows["active"].astype(int))] * 2).assign(
                cluster=lambda f: np.where(np.arange(len(f)) < 12, f["cluster"], f["cluster"] + "2")
            ),
            active=1,
        ),
        "full",
    )
    assert full.effects["surrogate_effect"].tolist() == pytest.approx([1, 1, 2, 2, 4, 4])
    assert full.effects["outcome_effect"].tolist() == pytest.approx([2, 2, 5, 5, 6, 6])
    assert full.effects["surrogate_level"].tolist() == pytest.approx([0.5, 0.5, 4, 4, 7, 7])
    assert full["individual_r2"] == pytest.approx(1.0)  # the outcome's deviations are twice the surrogate's
    np.testing.assert_allclose(full.residual_covariance, [[24 / 12, 48 / 12], [48 / 12, 96 / 12]])
    # effects of the reduced model: each cluster's own, since its arms are balanced about the common level
    x, y = np.array([1.0, 2, 4]), np.array([2.0, 5, 6])
    slope = np.cov(x, y)[0, 1] / np.var(x, ddof=1)
    assert found["slope"] == pytest.approx(slope)
    assert found["intercept"] == pytest.approx(y.mean() - slope * x.mean())
    assert found["trial_r2"] == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2)


def test_weights_are_frequencies(three_clusters):
    """A cluster of twice the patients counts twice."""
    frame = three_clusters.rows.assign(treatment=three_clusters.rows["active"].astype(int))
    doubled = ClusterTable.from_frame(pd.concat([frame, frame[frame["cluster"] == "c"]]), active=1)
    found = two_stage(doubled, "reduced")
    x, y = np.array([1.0, 2, 4, 4]), np.array([2.0, 5, 6, 6])
    assert found["slope"] == pytest.approx(np.polyfit(x, y, 1)[0])
    assert found["trial_r2"] == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2)


def test_interval_of_a_simulated_r2_has_its_coverage():
    """Delta-method SE against the spread of R2 in samples of 100 pairs, population R2 .4."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((4000, 100))
    y = np.sqrt(0.4) * x + np.sqrt(0.6) * rng.standard_normal((4000, 100))
    r2 = np.array([np.corrcoef(a, b)[0, 1] ** 2 for a, b in zip(x, y, strict=True)])
    assert r2_standard_error(0.4, 100) == pytest.approx(r2.std(), rel=0.05)


def test_too_few_clusters_are_refused(three_clusters):
    with pytest.raises(BadInput, match="needs 4 clusters with patients in both arms, got 3"):
        two_stage(three_clusters, "full")


def test_without_any_variation_of_effects_it_reports_the_patients_r2():
    """What the module says of ignored errors: every cluster has the same true effects, R2_indiv is .92."""
    rng = np.random.default_rng(6)
    cluster, arm = np.repeat(np.arange(150), 12), np.tile([0, 1], 900)
    z = rng.standard_normal((1800, 2))
    frame = pd.DataFrame({"cluster": cluster, "treatment": arm, "surrogate": z[:, 0] - arm})
    frame["outcome"] = np.sqrt(0.92) * z[:, 0] + np.sqrt(0.08) * z[:, 1] + arm
    found = two_stage(ClusterTable.from_frame(frame, active=1), "reduced")
    assert found["trial_r2"] == pytest.approx(0.92, abs=0.03)
    assert found["individual_r2"] == pytest.approx(0.92, abs=0.02)


def verdicts(found):
    return {verdict.rung: verdict for verdict in found.verdicts}


def test_places_of_one_trial_are_no_evidence_of_the_trial_level():
    places = verdicts(two_stage(armd(), "reduced"))
    assert places["trial"].answer == "not assessable"
    assert "places of one trial" in places["trial"].sentence
    assert "R2 between 36 places: 0.66 (0.47 to 0.85)" in places["trial"].reasons[0]
    assert places["individual"].answer == "supported"
    trials = verdicts(two_stage(armd(), "reduced", clusters="trials"))
    assert trials["trial"].answer == "uncertain"
    assert "takes the trials' effects as known" in trials["trial"].sentence


def test_the_individual_verdict_knows_the_good_directions():
    for goods, answer in ((("up", "up"), "supported"), (("down", "up"), "not supported")):
        table = replace(armd(), surrogate=Endpoint("S", good=goods[0]), outcome=Endpoint("T", good=goods[1]))
        found = verdicts(two_stage(table))["individual"]
        assert found.answer == answer
    assert "with a better S have a worse T" in found.sentence


def test_few_trials_and_values_that_do_not_vary(three_clusters):
    assert "3 trials with both arms are too few" in two_stage(three_clusters, clusters="trials").verdicts[1].sentence
    assert "individual: " in two_stage(three_clusters).sentence()
    frame = three_clusters.rows.assign(treatment=three_clusters.rows["active"].astype(int), surrogate=1.0)
    with pytest.raises(BadInput, match="expected values that differ between patients"):
        two_stage(ClusterTable.from_frame(frame, active=1))
    with pytest.raises(BadInput, match="clusters: expected trials or places, got 'centres'"):
        two_stage(three_clusters, clusters="centres")
