"""Accuracy of predicted risks against Mann-Whitney, brute force, and what the truth gives without censoring."""

import numpy as np
import pytest
from scipy.stats import CensoredData, ecdf, mannwhitneyu

from bayesmodels.errors import BadInput
from bayesmodels.statistics import aalen_johansen, calibration, prediction_accuracy


def persons(rng, n, censoring=True):
    """Death and withdrawal with rates that depend on a marker; risk: the true one between 3 and 9."""
    marker = rng.normal(0, 1, n)
    rate = 0.06 * np.exp(0.8 * marker)
    death, leave = rng.exponential(1 / rate), rng.exponential(25.0, n)
    lost = rng.uniform(4.0, 14.0, n) if censoring else np.full(n, 99.0)
    all_times = np.stack([death, leave, lost])
    kind = np.array(["death", "exit", "none"])[all_times.argmin(axis=0)]
    total = rate + 1 / 25
    return all_times.min(axis=0), kind, rate / total * (1 - np.exp(-6 * total))


def test_without_censoring_auc_is_mann_whitney_and_brier_a_mean():
    time, kind, risk = persons(np.random.default_rng(1), 400, censoring=False)
    risk = np.round(risk, 2)  # ties
    found = prediction_accuracy(time, kind, "death", risk, 3.0, 9.0)
    here = time > 3
    case = (time <= 9) & (kind == "death")
    u = mannwhitneyu(risk[here & case], risk[here & ~case]).statistic
    assert found.auc[0] == pytest.approx(u / ((here & case).sum() * (here & ~case).sum()))
    assert found.brier[0] == pytest.approx(((case - risk)[here] ** 2).mean())
    share = (here & case).sum() / here.sum()
    assert found.brier_reference == pytest.approx(share * (1 - share))
    assert found.counts["censored"] == 0


def test_weights_by_brute_force():
    """Weights from SciPy's Kaplan-Meier of censoring in continuous time; the sum over pairs written out."""
    time, kind, risk = persons(np.random.default_rng(2), 120)
    found = prediction_accuracy(time, kind, "death", risk, 3.0, 9.0)
    here = time > 3
    t, k, r = time[here], kind[here], risk[here]
    censoring = ecdf(CensoredData.right_censored(t, k != "none")).sf
    before = censoring.evaluate(np.minimum(t, 9.0) - 1e-9)
    weight = np.where((t > 9) | (k != "none"), 1 / before, 0.0)
    case = (t <= 9) & (k == "death")
    top = bottom = 0.0
    for i in np.flatnonzero(case):
        for j in np.flatnonzero(~case):
            top += weight[i] * weight[j] * ((r[i] > r[j]) + 0.5 * (r[i] == r[j]))
            bottom += weight[i] * weight[j]
    assert found.auc[0] == pytest.approx(top / bottom)
    assert found.brier[0] == pytest.approx((weight * (case - r) ** 2).mean())
    assert weight.mean() == pytest.approx(1.0, abs=0.02)


def test_weighted_share_of_cases_is_aalen_johansens():
    """Satten and Datta (2001): weighting by the censoring curve gives the Aalen-Johansen estimate."""
    time, kind, _ = persons(np.random.default_rng(3), 200)
    here = time > 3
    share = aalen_johansen(time[here], kind[here], "death").at(9.0)["estimate"].item()
    # a Brier score of risk 0 is the weighted share of cases
    found = prediction_accuracy(time, kind, "death", np.zeros(200), 3.0, 9.0)
    assert found.brier[0] == pytest.approx(share)


def test_scaled_brier_is_undefined_where_nobody_had_the_event():
    time = np.linspace(10.0, 20.0, 30)
    found = prediction_accuracy(time, np.array(["none"] * 30), "death", np.linspace(0.1, 0.3, 30), 3.0, 9.0)
    assert found.brier_reference == 0.0
    table = found.table.set_index("quantity")["median"]
    assert np.isnan(table["scaled_brier"])
    assert np.isfinite(table["brier"])


def test_censoring_does_not_bias():
    rng = np.random.default_rng(4)
    complete = persons(rng, 40_000, censoring=False)
    truth = prediction_accuracy(complete[0], complete[1], "death", complete[2], 3.0, 9.0)
    found = [prediction_accuracy(t, k, "death", r, 3.0, 9.0) for t, k, r in (persons(rng, 400) for _ in range(200))]
    for name in ("auc", "brier"):
        values = np.array([getattr(f, name)[0] for f in found])
        error = values.std(ddof=1) / np.sqrt(200)
        assert abs(values.mean() - getattr(truth, name)[0]) < 3.5 * np.hypot(error, 0.004 if name == "auc" else 0.001)


def test_draws_and_words():
    time, kind, risk = persons(np.random.default_rng(5), 150)
    draws = np.stack([risk, 1 - risk, np.full(150, 0.3)])
    found = prediction_accuracy(time, kind, "death", draws, 3.0, 9.0)
    assert found.auc[1] == pytest.approx(1 - found.auc[0])
    assert found.auc[2] == pytest.approx(0.5)
    assert "competing events among them" in found.sentence()
    assert found.table["lower"].notna().any()


def test_follow_up_that_ends_at_the_horizon_is_free_of_the_event():
    time, kind = np.array([4.0, 9.0, 9.0, 9.0]), np.array(["death", "none", "none", "none"])
    found = prediction_accuracy(time, kind, "death", [0.9, 0.1, 0.2, 0.3], 3.0, 9.0)
    assert (found.counts["controls"], found.counts["censored"], found.auc[0]) == (3, 0, 1.0)


def test_delayed_entry_is_at_risk_only_after_entry():
    time, kind, risk = persons(np.random.default_rng(6), 100)
    entry = np.where((np.arange(100) < 20) & (time > 3.5), 3.5, 0.0)
    found = prediction_accuracy(time, kind, "death", risk, 3.0, 9.0, entry)
    keep = entry == 0
    assert found.auc[0] == prediction_accuracy(time[keep], kind[keep], "death", risk[keep], 3.0, 9.0).auc[0]


def test_calibration_of_the_true_risk():
    time, kind, risk = persons(np.random.default_rng(7), 4000)
    found = calibration(time, kind, "death", risk, 3.0, 9.0, groups=5).table
    assert found["persons"].sum() == (time > 3).sum()
    assert found["predicted"].is_monotonic_increasing
    off = (found["observed"] - found["predicted"]).abs()
    assert (off < 3.5 * (found["observed_upper"] - found["observed_lower"]) / 3.92).all()
    worst = calibration(time, kind, "death", np.clip(2 * risk, 0, 1), 3.0, 9.0, groups=5).table
    assert (worst["observed_upper"] < worst["predicted"]).all()


def test_calibration_groups_by_hand():
    # low: two of four die; high: three of four; the one left at 5 in the high group is after the deaths at 4
    time = [4.0, 5.0, 12.0, 12.0, 4.0, 4.0, 5.0, 6.0]
    kind = ["death", "death", "none", "none", "death", "death", "none", "death"]
    risk = np.array([[0.2, 0.2, 0.3, 0.3, 0.6, 0.6, 0.7, 0.7], [0.4, 0.4, 0.3, 0.3, 0.8, 0.8, 0.7, 0.7]])
    found = calibration(time, kind, "death", risk, 3.0, 9.0, groups=2).table
    assert found["observed"].tolist() == pytest.approx([0.5, 1.0])
    assert found["predicted"].tolist() == pytest.approx([0.3, 0.7])
    assert found["predicted_lower"].tolist() == pytest.approx([0.2525, 0.6525])


def test_observed_risk_over_everyone_does_not_leave_out_a_group_without_follow_up():
    # low: all left before 9; high: two of four die by 9. Everyone: eight at risk at 4, then four at 5 and three at 6
    time = [4.0, 4.0, 4.0, 4.0, 5.0, 6.0, 12.0, 12.0]
    kind = ["none", "none", "none", "none", "death", "death", "none", "none"]
    found = calibration(time, kind, "death", [0.1] * 4 + [0.6] * 4, 3.0, 9.0, groups=2)
    assert np.isnan(found.table["observed"][0])
    assert found.table["observed"][1] == pytest.approx(0.5)
    assert found.observed == pytest.approx(aalen_johansen(time, kind, "death").at(9.0)["estimate"].item())
    assert "mean predicted risk 0.350, observed 0.500" in found.sentence()


def test_a_group_without_events_has_no_limits():
    time, kind = np.full(20, 12.0), np.where(np.arange(20) < 10, "none", "death")
    time[kind == "death"] = np.linspace(4.0, 11.0, 10)
    found = calibration(time, kind, "death", np.where(kind == "death", 0.6, 0.1), 3.0, 9.0, groups=2)
    assert found.table["observed"][0] == 0.0
    assert found.table.loc[0, ["observed_lower", "observed_upper"]].isna().all()
    assert found.table.loc[1, ["observed_lower", "observed_upper"]].notna().all()


def test_a_horizon_past_the_last_exit_is_refused_where_a_censoring_ties_with_the_last_event():
    arguments = (np.full(4, 0.5), 0.0, 9.0)
    with pytest.raises(BadInput, match="the last exit is at 6"):
        prediction_accuracy([4.0, 5.0, 6.0, 6.0], ["death", "none", "death", "none"], "death", *arguments)
    with pytest.raises(BadInput, match="the last exit is at 6"):
        calibration([4.0, 5.0, 6.0, 6.0], ["death", "none", "death", "none"], "death", *arguments)
    found = prediction_accuracy([4.0, 5.0, 6.0, 6.0], ["death", "none", "death", "exit"], "death", *arguments)
    assert found.counts["controls"] == 1  # nobody is left whose fate is unknown


def test_words_escape_labels_and_stand_for_the_object():
    time, kind, risk = persons(np.random.default_rng(8), 80)
    kind = np.where(kind == "death", "<b>", kind)
    for found in (f(time, kind, "<b>", risk, 3.0, 9.0) for f in (prediction_accuracy, calibration)):
        assert repr(found) == found.sentence()
        assert "<b>" not in found._repr_html_()
        assert "&lt;b&gt;" in found._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.full(3, 0.5), 5.0, 5.0), "after the landmark"),
        ((np.full(3, 1.5), 0.0, 5.0), "0 to 1"),
        ((np.full(2, 0.5), 0.0, 5.0), "3 persons"),
        ((np.full(3, 0.5), 50.0, 60.0), "found none"),
        ((np.full(3, 0.5), 0.0, 60.0), "follow-up of somebody"),
    ],
)
def test_bad_windows_and_risks_are_refused(arguments, message):
    with pytest.raises(BadInput, match=message):
        prediction_accuracy([4.0, 6.0, 8.0], ["death", "none", "none"], "death", *arguments)
