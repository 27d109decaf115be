"""`bayesmodels trial-level`: from a table of trials to the finished folder, what it says, what it refuses."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from ard_rows import checked, groups_of
from test_run import invoke
from typer.testing import Result

from bayesmodels.posterior.archive import load
from bayesmodels.reporting import report
from bayesmodels.reporting.summary import schema
from bayesmodels.surrogacy.trial_level.draws import TrialDraws
from bayesmodels.surrogacy.trial_level.evidence import trial_evidence

SCALES = ("--surrogate-scale", 0.5, "--outcome-scale", 0.5)
SAMPLING = ("--draws", 1200, "--tune", 400, "--chains", 3, "--seed", 3)
GOOD = ("--surrogate-good", "down", "--outcome-good", "up")
FILES = {
    "config.toml", "manifest.json", "posterior.nc", "summary.json", "curves.csv", "report.html", "log.txt", "chains",
    "ard.parquet", "ard.json", "figures", "tables", ".lock",
}  # fmt: skip


def write_table(folder, **changes):
    rng = np.random.default_rng(8)
    n = 7
    surrogate = rng.normal(-0.3, 0.35, n)
    frame = pd.DataFrame(
        {
            "trial": [f"trial {k + 1}" for k in range(n)],
            "surrogate_effect": surrogate + rng.normal(0, 0.1, n),
            "surrogate_se": 0.1,
            "outcome_effect": -0.7 * surrogate + rng.normal(0, 0.15, n),
            "outcome_se": 0.12,
            "overlap_group": ["", "", "", "", "", "six", "six"],
            "part_of": ["", "", "", "", "", "strata", "strata"],
        }
    )
    frame.loc[4, "outcome_se"] = np.nan
    path = folder / "effects.csv"
    frame.assign(**changes).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[Result, object]:
    folder = tmp_path_factory.mktemp("trials")
    arguments = ("trial-level", write_table(folder), "--out", folder / "run", *SCALES, *SAMPLING, *GOOD)
    return invoke(*arguments, "--margin", 0.1, "--quiet"), folder


@pytest.fixture(scope="module")
def summary(run):
    return json.loads((run[1] / "run" / "summary.json").read_text())


def test_options_that_cannot_be_used_are_named_as_options(tmp_path):
    done = invoke("trial-level", "als", "--out", tmp_path / "run", "--surrogate-scale", -1, "--margin", -2)
    assert done.exit_code == 2
    assert done.stderr.splitlines() == [
        "--surrogate-scale: input should be greater than 0; got -1.0",
        "--margin: input should be greater than 0; got -2.0",
    ]
    assert not (tmp_path / "run").exists()


def test_the_folder_itself_holds_the_run(run):
    done, folder = run
    assert done.exit_code == 0, done.stderr
    assert {entry.name for entry in (folder / "run").iterdir()} == FILES
    assert not list((folder / "run").rglob("*.partial"))
    manifest = json.loads((folder / "run" / "manifest.json").read_text())
    assert (manifest["status"], manifest["seed"]) == ("finished", 3)
    figures = {file.stem for file in (folder / "run" / "figures").iterdir()}
    assert figures == {
        "trial_bubbles", "trial_r2", "trial_threshold", "trial_leave_one_out", "trial_influence",
    }  # fmt: skip


def test_the_summary_has_the_parameters_and_the_rung(run, summary):
    names = {row["name"] for row in summary["parameters"]}
    assert names == {
        "trial_r2", "trial_correlation", "trial_slope", "trial_intercept", "trial_conditional_sd", "trial_mean",
        "trial_sd",
    }  # fmt: skip
    assert {row["index"]["endpoint"] for row in summary["parameters"] if row["name"] == "trial_sd"} == {
        "surrogate",
        "outcome",
    }
    trial = summary["surrogacy"]["trial"]
    r2 = TrialDraws.of(load(run[1] / "run" / "posterior.nc")).r2
    assert trial["r2"]["median"] == pytest.approx(np.median(r2))
    assert trial["prior_r2"] == pytest.approx({"median": 0.25, "lower": 0.000625, "upper": 0.950625})
    assert trial["information_gain"]["bits"] > 0
    assert trial["programmes"] == 5
    assert trial["verdict"] == "not assessable"
    levels = [(row["level"], row["margin"], row["surrogate_effect_known"]) for row in trial["threshold"]]
    assert levels == [
        (level, margin, known) for known in (True, False) for margin in (0.0, 0.1) for level in (0.975, 0.95, 0.9, 0.8)
    ]
    assert trial["threshold_reason"] == ""
    assert trial["unused"] == [{"row": 6, "trial": "trial 5", "reason": "no standard error of the outcome effect"}]


def test_the_analysis_results_hold_effects_thresholds_and_the_verdict(run, summary):
    content = json.loads((run[1] / "run" / "ard.json").read_text())
    checked(content)
    rows, trial = content["results"], summary["surrogacy"]["trial"]
    (verdict,) = (row for row in rows if row["table"] == "verdicts")
    assert (verdict["variable"], verdict["stat_text"]) == ("surrogate, trial level", trial["verdict"])
    found = [row for row in rows if row["table"] == "trial_thresholds" and row["variable"] == "surrogate_effect"]
    assert [row.get("stat") for row in found] == [row["surrogate_effect"] for row in trial["threshold"]]
    assert [row.get("warning", "") for row in found] == [row["reason"] for row in trial["threshold"]]
    assert [groups_of(row)["level"] for row in found] == [f"{row['level']:g}" for row in trial["threshold"]]
    (reported,) = (
        row for row in rows
        if row["table"] == "trial_effects" and groups_of(row)["trial"] == "trial 1"
        and (row["variable"], row["stat_name"]) == ("surrogate", "se")
    )  # fmt: skip
    assert (reported["stat"], reported["context"]) == (0.1, "data")


def test_each_programme_is_left_out_once_and_its_strata_together(summary):
    left = summary["surrogacy"]["trial"]["leave_one_out"]
    assert [row["programme"] for row in left["rows"]] == ["trial 1", "trial 2", "trial 3", "trial 4", "six", "six"]
    strata = [row for row in left["rows"] if row["programme"] == "six"]
    assert strata[0]["r2"] == strata[1]["r2"]
    assert left["coverage"] == pytest.approx(np.mean([row["inside"] for row in left["rows"]]))
    assert all(0 < row["pit"] < 1 and row["width_ratio"] > 0 for row in left["rows"])


def test_the_page_says_the_verdict_first(run):
    page = (run[1] / "run" / "report.html").read_text()
    first = page.index("Trial level: not assessable. Five independent contrasts")
    assert first < page.index("Identified by these data") < page.index("Surrogate threshold effect and paradox")
    assert "no standard error of the outcome effect" in page


def test_a_finished_run_is_not_touched_and_other_settings_are_refused(run):
    folder = run[1]
    table = folder / "effects.csv"
    again = invoke("trial-level", table, "--out", folder / "run", *SCALES, *SAMPLING, *GOOD, "--margin", 0.1)
    assert again.exit_code == 2
    assert "--again" in again.stderr


def test_the_report_can_be_made_again_without_pymc(run, tmp_path):
    code = (
        "import sys\nfrom bayesmodels.run.job import report_again\n"
        f"report_again({str(run[1] / 'run' / 'posterior.nc')!r}, {str(tmp_path / 'again')!r})\n"
        "assert not {'pymc', 'pytensor', 'numba', 'nutpie'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    summary = json.loads((tmp_path / "again" / "summary.json").read_text())
    assert summary["surrogacy"]["trial"]["threshold"][0]["level"] == 0.975


def test_without_good_directions_there_are_no_thresholds_but_a_reason(run, tmp_path):
    from bayesmodels import report
    from bayesmodels.reporting.summary import checked_json

    tree = load(run[1] / "run" / "posterior.nc")
    for group in ("posterior", "prior"):
        undirected = tree[group].to_dataset().assign_coords(good=("endpoint", ["", ""]))
        tree[group] = xr.DataTree(undirected)
    made = report(tree)
    trial = made.summary["surrogacy"]["trial"]
    assert trial["threshold"] == []
    assert trial["threshold_reason"].startswith("the good directions of both endpoints were not stated")
    assert trial["r2"]["median"] > 0
    assert {row["name"] for row in made.summary["parameters"]} >= {"trial_slope"}
    assert "trial_threshold" not in made.figures
    assert checked_json(made.summary)
    assert "favours" not in made.sentence()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            (),
            "--surrogate-scale, --outcome-scale: expected the typical spread of the true effects between trials, "
            "stated beforehand and never taken from the table",
        ),
        ((*SCALES[:2],), "--outcome-scale: expected the typical spread"),
        ((*SCALES, "--margin", -1), "--margin: input should be greater than 0"),
        ((*SCALES, "--margin", "nan"), "--margin: input should be a finite number; got nan"),
        ((*SCALES[:3], "inf"), "--outcome-scale: input should be a finite number; got inf"),
    ],
)
def test_wrong_options_are_bad_input(tmp_path, arguments, line):
    done = invoke("trial-level", write_table(tmp_path), "--out", tmp_path / "run", *arguments)
    assert done.exit_code == 2
    assert line in done.stderr
    assert not (tmp_path / "run").exists()


def test_problems_of_the_table_are_listed_and_leave_no_folder(tmp_path):
    table = write_table(tmp_path, surrogate_se=0, part_of="")
    done = invoke("trial-level", table, "--out", tmp_path / "run", *SCALES)
    assert done.exit_code == 2
    assert "effects.csv, row 2: expected surrogate_se above 0" in done.stderr
    assert 'rows of overlap_group "six" share people' in done.stderr
    assert not (tmp_path / "run").exists()


def test_the_packaged_table_knows_its_directions(tmp_path):
    done = invoke("trial-level", "als", "--out", tmp_path / "run", "--surrogate-good", "up")
    assert done.exit_code == 2
    assert "--surrogate-good: not used with the packaged ALS table" in done.stderr


def test_the_schema_names_the_verdicts():
    rung = schema()["$defs"]["trial_rung"]["properties"]
    assert rung["verdict"]["enum"] == ["not assessable", "not supported", "uncertain", "supported"]


def test_a_refit_that_did_not_converge_is_named_and_not_counted(run, summary):
    tree = load(run[1] / "run" / "posterior.nc")
    rows = tree["leave_one_out"].to_dataset()
    converged = np.array(rows["converged"].values, bool)
    assert converged.any()
    first = np.flatnonzero(converged)[0]
    converged[first] = False
    tree["leave_one_out"] = xr.DataTree(rows.assign(converged=("trial", converged)))
    evidence = trial_evidence(tree, 0.95, None)
    kept = rows["inside"].values[converged]
    assert evidence.coverage == pytest.approx(kept.mean())
    made = report(tree)
    left = made.summary["surrogacy"]["trial"]["leave_one_out"]
    before = summary["surrogacy"]["trial"]["leave_one_out"]
    assert left["unconverged"] == before["unconverged"] + 1
    assert "more not counted: their refits did not converge" in made.html


def test_chains_that_did_not_converge_assess_no_trial_level(run):
    tree = load(run[1] / "run" / "posterior.nc")
    groups = {name: node.to_dataset() for name, node in tree.children.items()}
    own = groups["posterior"]
    apart = {
        name: own[name].copy(
            data=np.sort(own[name].to_numpy().reshape(-1, *own[name].shape[2:]), axis=0).reshape(own[name].shape)
        )
        for name in own.data_vars
    }
    groups["posterior"] = own.assign(apart)
    made = report(xr.DataTree.from_dict({"/": xr.Dataset(attrs=tree.attrs), **groups}))
    trial = made.summary["surrogacy"]["trial"]
    assert (trial["verdict"], trial["iqwig"]) == ("not assessable", "not assessable")
    assert trial["reasons"] == ["The chains did not converge."]
    assert not made.lead.identified
    assert not made.lead.not_identified
    assert "Nothing is identified: the chains did not converge" in made.sentence()
    assert "R² of effects over trials" not in made.sentence()


def test_what_was_assumed_of_the_within_trial_correlation_is_on_the_first_screen(run):
    page = (run[1] / "run" / "report.html").read_text()
    assert "is not reported by 6 of 6; it is taken as 0, an assumption that R² depends on." in page


def test_the_prior_is_shown_at_the_level_of_the_posterior(run):
    evidence = trial_evidence(load(run[1] / "run" / "posterior.nc"), 0.8, None)
    assert evidence.prior_r2 == pytest.approx((0.25, 0.01, 0.81))  # r = U(-1, 1): P(R2 < x) = sqrt(x)
    assert evidence.information.prior_r2 == pytest.approx((0.25, 0.000625, 0.950625))


def test_only_the_target_class_counts_where_classes_have_parameters_of_their_own(run):
    tree = load(run[1] / "run" / "posterior.nc")
    observed = tree["observed_summary"].to_dataset()
    classes = np.where(np.arange(observed.sizes["trial"]) < 2, "B", "A")
    tree["observed_summary"] = xr.DataTree(observed.assign_coords(treatment_class=("trial", classes)))
    spec = json.loads(tree.attrs["model"]) | {"classes": "specific", "target_class": "B"}
    tree.attrs["model"] = json.dumps(spec)
    assert trial_evidence(tree, 0.95, None).verdict.programmes == 2


def with_measures(tree, measures, units, good):
    """The posterior as if its endpoints had these measures: what is said changes, numbers do not."""
    for group in ("posterior", "prior"):
        own = tree[group].to_dataset()
        names = {"measure": measures, "endpoint_unit": units, "good": good}
        tree[group] = xr.DataTree(own.assign_coords({name: ("endpoint", list(v)) for name, v in names.items()}))
    return tree


def test_ratios_stand_beside_their_logarithms_with_unit_and_direction(run):
    tree = load(run[1] / "run" / "posterior.nc")
    plain = trial_evidence(tree, 0.95, 0.1)
    named = with_measures(tree, ("log_ratio", "log_hazard_ratio"), ("ln ratio", "ln HR"), ("down", "down"))
    evidence = trial_evidence(named, 0.95, 0.1)
    assert np.array_equal(evidence.draws.rho, plain.draws.rho)
    made = report(named)
    assert (
        "Effect measures. surrogate: log ratio of geometric means, ln ratio; ratio below 1 favours the active "
        "treatment. outcome: log hazard ratio, ln HR; HR below 1 favours the active treatment." in made.html
    )
    median, low, high = np.quantile(evidence.draws.mean_t, [0.5, 0.025, 0.975])
    assert evidence.shown("outcome", (median, low, high)) == (
        f"{median:.2f} ({low:.2f} to {high:.2f}) ln HR, HR {np.exp(median):.2f} "
        f"({np.exp(low):.2f} to {np.exp(high):.2f})".replace("-", "−")
    )
    for head in (
        "outcome, ln HR: reported",
        "outcome, HR: shrunken",
        "Threshold, ratio",
        "Predicted, HR",
    ):
        assert head in made.html, head
    assert made.summary["surrogacy"]["trial"]["endpoints"]["outcome"] == {
        "label": "outcome", "unit": "ln HR", "measure": "log_hazard_ratio", "good": "down",
    }  # fmt: skip


def test_endpoints_may_be_named(tmp_path, monkeypatch):
    from bayesmodels.run import trial_level

    given = {}
    monkeypatch.setattr(trial_level, "run", lambda config, out, **rest: given.update(table=config.read()))
    trial_level.run_trial_level(
        str(write_table(tmp_path)), tmp_path / "run", surrogate_scale=0.5, outcome_scale=0.5, surrogate="NfL",
        outcome="ALSFRS-R",
    )  # fmt: skip
    assert (given["table"].surrogate.label, given["table"].outcome.label) == ("NfL", "ALSFRS-R")
    done = invoke("trial-level", "als", "--out", tmp_path / "run", "--surrogate", "NfL")
    assert (done.exit_code, done.stderr.split(":")[0]) == (2, "--surrogate")


def test_a_ratio_without_a_direction_is_refused(tmp_path):
    done = invoke(
        "trial-level",
        write_table(tmp_path),
        "--out",
        tmp_path / "run",
        *SCALES,
        "--outcome-measure",
        "log_hazard_ratio",
    )
    assert done.exit_code == 2
    assert "outcome: expected the good direction of a log hazard ratio, down where the event is bad" in done.stderr


def test_a_new_trial_is_predicted_with_its_prior_beside_and_what_dominates_said(run):
    from bayesmodels import ReportSettings, predict_trial

    tree = load(run[1] / "run" / "posterior.nc")
    found = predict_trial(tree, -0.4, 0.1, margin=0.1)
    after, before = found.row(), found.row(given="prior alone")
    assert after["upper"] - after["lower"] < before["upper"] - before["lower"]
    assert after["probability"] > after["probability_margin"]
    assert found.dominated.startswith("5 independent programmes with both effects, fewer than 6")
    assert "Dominated by the prior: 5 independent programmes" in found.sentence()
    assert "a priori" in found.sentence()
    assert not found.outside
    assert "extrapolated" in predict_trial(tree, -40.0, 0.1).sentence()
    made = report(tree, settings=ReportSettings(margin=0.1, new_trial={"surrogate_effect": -0.4, "surrogate_se": 0.1}))
    assert "Prediction for a new trial" in made.html
    told = made.summary["chapters"]["trial level"]["new_trial"]
    assert told["rows"][0]["median"] == pytest.approx(after["median"])
    assert told["dominated_by_the_prior"] == found.dominated
    assert any("New trial with an effect on surrogate" in line for line in made.lead.not_identified)


def test_what_is_identified_leaves_out_zero_and_is_assessable(run):
    """Five programmes: not assessable, so that neither R2, nor a new trial, nor a threshold is identified."""
    lead = report(load(run[1] / "run" / "posterior.nc")).lead
    assert [line.split(" surrogate")[0].split(" outcome")[0] for line in lead.identified] == ["Effect on"] * 2
    for start in ("R² of effects over trials", "A new trial with a known effect", "Surrogate threshold effect"):
        assert sum(line.startswith(start) for line in lead.not_identified) == 1
    assert lead.paragraphs[-1].startswith("Identified: R² where the trial level is supported or not supported")


def test_the_direction_of_benefit_turns_with_the_good_direction(run):
    from bayesmodels import predict_trial

    tree = load(run[1] / "run" / "posterior.nc")
    up = predict_trial(tree, -0.4, 0.1).row()
    named = with_measures(tree, ("log_ratio", "log_hazard_ratio"), ("ln ratio", "ln HR"), ("down", "down"))
    down = predict_trial(named, -0.4, 0.1).row()
    assert down["probability"] == pytest.approx(1 - up["probability"])
    assert down["ratio_upper"] == pytest.approx(np.exp(up["upper"]))
    assert np.isnan(up["ratio_upper"])


def test_options_of_a_new_trial_come_together(tmp_path):
    table = write_table(tmp_path)
    done = invoke("trial-level", table, "--out", tmp_path / "run", *SCALES, "--new-effect", -0.3)
    assert done.exit_code == 2
    assert "--new-effect, --new-se: expected both or neither; --new-se 0 where the effect is known" in done.stderr
