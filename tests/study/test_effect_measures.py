"""Effect measures of tables of trials: units and directions, ratios with limits on the log scale, what is refused."""

# ruff: noqa: E501 (messages are written out in full)
import hashlib
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from small_trials import eight_frame, eight_trials

from bayesmodels import TrialLevelModel
from bayesmodels.errors import BadInput
from bayesmodels.run.config import read_config
from bayesmodels.study import ClusterTable, Endpoint, TrialTable
from bayesmodels.study.digest import sha256
from bayesmodels.study.measures import MEASURES

SURROGATE = Endpoint("NfL", "", "down", "log_ratio")
DEATH = Endpoint("death", "", "down", "log_hazard_ratio")


def ratio_frame(*rows):
    frame = pd.DataFrame(rows, columns=["outcome_ratio", "outcome_lower", "outcome_upper"], dtype=object)
    return frame.assign(trial=[f"t{k}" for k in range(len(rows))], surrogate_effect=-0.3, surrogate_se=0.1)


def read(frame, **options):
    return TrialTable.from_frame(frame, surrogate=SURROGATE, outcome=DEATH, **options)


def refused(frame):
    with pytest.raises(BadInput) as caught:
        read(frame)
    return list(caught.value.problems)


def test_a_hazard_ratio_with_limits_becomes_its_logarithm_and_standard_error():
    table = read(ratio_frame(("0.70", "0.50", "0.98"), (2.0, 1.0, 4.0)))
    # by hand: ln .7, (ln .98 - ln .5) / 3.92 with ln .98 = -.020203 and ln .5 = -.693147
    assert table.rows["outcome_effect"].tolist() == pytest.approx([-0.356675, 0.693147], abs=1e-6)
    assert table.rows["outcome_se"].tolist() == pytest.approx(
        [(0.693147 - 0.020203) / 3.919928, 1.386294 / 3.919928], abs=1e-6
    )
    assert table.rows["outcome_ratio"].tolist() == ["0.70", "2.0"]


def test_effects_of_rows_without_a_ratio_that_look_like_ratios_are_doubtful():
    """A table that gives some rows as ratios with limits and others as effects: only the others are looked at."""
    frame = ratio_frame((0.7, 0.5, 0.98), (2.0, 1.0, 4.0), *[("", "", "")] * 4)
    frame["surrogate_effect"] = [-0.3, -0.2, -0.4, -0.1, 0.1, -0.5]
    frame["outcome_effect"], frame["outcome_se"] = ["", "", 0.7, 0.8, 0.95, 1.1], ["", "", 0.1, 0.2, 0.1, 0.1]
    (line,) = read(frame).warnings
    assert "all 4 values of outcome_effect are above 0 and around 1 (0.7 to 1.1): ratios?" in line
    assert read(frame.assign(outcome_effect=["", "", -0.4, -0.2, 0.1, -0.1])).warnings == ()


def test_ratios_and_their_logarithms_give_the_model_the_same_numbers():
    by_ratio = read(ratio_frame(("0.7", "0.49", "1.0")))
    logs = pd.DataFrame(
        {
            "trial": ["t0"], "surrogate_effect": [-0.3], "surrogate_se": [0.1], "outcome_effect": [np.log(0.7)],
            "outcome_se": [-np.log(0.49) / (2 * stats.norm.ppf(0.975))],
        }
    )  # fmt: skip
    model = TrialLevelModel(surrogate_scale=0.5, outcome_scale=0.5)
    for name, values in model.arrays(by_ratio).items():
        assert np.allclose(values, model.arrays(read(logs))[name], equal_nan=True), name


def test_limits_that_were_rounded_to_two_decimals_are_accepted():
    rng = np.random.default_rng(4)
    effect, se = rng.normal(-0.2, 0.5, 400), rng.uniform(0.05, 0.4, 400)
    rows = [tuple(f"{np.exp(e + z * s):.2f}" for z in (0, -1.96, 1.96)) for e, s in zip(effect, se, strict=True)]
    table = read(ratio_frame(*rows))
    assert np.abs(table.rows["outcome_effect"] - effect).max() < 0.06  # .005 of the smallest ratio
    assert len(table.rows) == 400


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (
            ("0.7", "0.98", "0.5"),
            "expected outcome_lower up to outcome_ratio up to outcome_upper, got 0.7 (0.98 to 0.5); correct them, or leave them blank and give outcome_effect (natural log) and outcome_se",
        ),
        (
            ("0.7", "0.5", "0.69"),
            "expected outcome_lower up to outcome_ratio up to outcome_upper, got 0.7 (0.5 to 0.69); correct them, or leave them blank and give outcome_effect (natural log) and outcome_se",
        ),
        (
            ("0.70", "0.50", "1.98"),
            "the 95 % limits do not fit outcome_ratio: 0.70 (0.50 to 1.98), but their middle on the log scale is 0.995; correct them, or leave them blank and give outcome_effect (natural log) and outcome_se",
        ),
        (
            ("-0.36", "-0.69", "-0.02"),
            'expected a number above 0 as outcome_ratio, got "-0.36"; ratios are not logarithms, and one rounded to 0 needs more digits',
        ),
        (
            ("0.7", "0", "1"),
            'expected a number above 0 as outcome_lower, got "0"; ratios are not logarithms, and one rounded to 0 needs more digits',
        ),
        (
            ("0.7", "", "0.98"),
            'expected outcome_ratio with both limits, or without any, found "outcome_lower" blank; fill in what was published',
        ),
    ],
)
def test_limits_that_do_not_fit_are_refused(row, line):
    assert refused(ratio_frame(row)) == [f"trials, row 2: {line}"]


def test_the_remedy_for_limits_that_do_not_fit_works():
    frame = ratio_frame(("", "", ""), ("0.8", "0.64", "1.0")).assign(outcome_effect=["-0.36", ""], outcome_se=[0.2, ""])
    assert read(frame).rows["outcome_effect"].tolist() == pytest.approx([-0.36, np.log(0.8)])


def test_a_ratio_without_limits_is_an_effect_without_a_standard_error():
    table = read(ratio_frame(("0.7", "", ""), ("0.8", "0.64", "1.0")))
    assert table.unused["reason"].tolist() == ["no standard error of the outcome effect"]


def test_both_forms_in_one_row_are_refused():
    frame = ratio_frame(("0.7", "0.49", "1.0")).assign(outcome_effect=-0.36, outcome_se=0.18)
    assert refused(frame) == [
        "trials, row 2: outcome_ratio or its limits and outcome_effect or outcome_se are both given; keep one of the two forms"
    ]


def test_ratios_need_a_measure_that_is_a_ratio_and_limits():
    frame = ratio_frame(("0.7", "0.49", "1.0"))
    with pytest.raises(BadInput) as caught:
        TrialTable.from_frame(frame, surrogate=SURROGATE)
    assert caught.value.problems[0] == (
        'trials: column "outcome_ratio" holds ratios, but the effect measure of the outcome is mean_difference; state outcome_measure as one of "log_ratio", "log_odds_ratio", "log_hazard_ratio", or give the column another name'
    )
    assert refused(frame.drop(columns="outcome_upper"))[0] == (
        'trials: "outcome_ratio" comes with 95 % limits: expected the column "outcome_upper" too; add it'
    )


def test_every_measure_but_a_mean_difference_has_its_unit_and_needs_a_direction():
    units = {name: Endpoint("x", "", "up", name).unit for name in MEASURES}
    assert units == {
        "mean_difference": "", "standardised_mean_difference": "SD", "log_ratio": "ln ratio",
        "log_odds_ratio": "ln OR", "log_hazard_ratio": "ln HR",
    }  # fmt: skip
    with pytest.raises(BadInput, match="down where the event is bad"):
        Endpoint("death", "", None, "log_hazard_ratio")
    with pytest.raises(BadInput, match='expected no unit, or "ln HR", with log_hazard_ratio, got "months"'):
        Endpoint("death", "months", "down", "log_hazard_ratio")
    with pytest.raises(BadInput, match=r'expected an effect measure .* got "hazard ratio"'):
        Endpoint("death", "", "down", "hazard ratio")
    assert Endpoint("NfL", "pg/ml").good is None


def test_the_measure_is_part_of_the_digest_and_a_mean_difference_leaves_it_as_it_was():
    table = eight_trials()
    ends = {end: asdict(getattr(table, end)) for end in ("surrogate", "outcome")}
    before = {end: {k: v for k, v in told.items() if k != "measure"} for end, told in ends.items()}
    assert table.digest == sha256({"trials": table.rows}, before)
    assert len(table.digest) == len(hashlib.sha256().hexdigest())
    other = TrialTable.from_frame(
        eight_frame(), surrogate=Endpoint("NfL", "", "down", "log_ratio"), outcome=table.outcome, one_sided="used"
    )
    assert other.digest != table.digest


def test_the_model_publishes_the_measures():
    table = read(ratio_frame(("0.7", "0.49", "1.0"), ("0.8", "0.64", "1.0")))
    coords = TrialLevelModel(surrogate_scale=0.5, outcome_scale=0.5).build(table).coords
    assert coords["endpoint:measure"] == ("log_ratio", "log_hazard_ratio")
    assert coords["endpoint:endpoint_unit"] == ("ln ratio", "ln HR")


def test_persons_have_values_and_no_effect_measure():
    frame = pd.DataFrame({"treatment": [0, 1], "surrogate": [1.0, 2.0], "outcome": [1.0, 2.0]})
    with pytest.raises(BadInput, match="death: expected the measure mean_difference with a table of persons"):
        ClusterTable.from_frame(frame, active=1, clustered=False, outcome=DEATH)


def test_standardised_effects_beyond_five_sds_are_doubtful():
    frame = eight_frame()
    frame.loc[2, "outcome_effect"] = 12.0
    ends = {"outcome": Endpoint("score", "", "up", "standardised_mean_difference"), "surrogate": SURROGATE}
    (warning,) = [str(w) for w in TrialTable.from_frame(frame, **ends).warnings if "beyond 5 SD" in str(w)]
    assert 'outcome_effect is beyond 5 SD in trial "trial 3"' in warning


def test_a_configuration_states_the_measures(tmp_path):
    ratio_frame(("0.7", "0.49", "1.0"), ("0.8", "0.64", "1.0")).to_csv(tmp_path / "trials.csv", index=False)
    (tmp_path / "c.toml").write_text(
        '[data]\ntable = "trials.csv"\nsurrogate_measure = "log_ratio"\noutcome_measure = "log_hazard_ratio"\n'
        'surrogate_good = "down"\noutcome_good = "down"\n'
        '[model]\ntype = "trial_level"\nsurrogate_scale = 0.5\noutcome_scale = 0.3\n'
    )
    table = read_config(tmp_path / "c.toml").read()
    assert (table.surrogate.measure, table.outcome.unit) == ("log_ratio", "ln HR")
