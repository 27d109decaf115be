"""`[dropout]` and `[rank]` from the command line to the page, with draws from the prior in place of a fit. Made up."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bayesmodels import fitted
from bayesmodels.analyses.analysis import Fit
from bayesmodels.analyses.ranks.observed import rank_analyses
from bayesmodels.errors import BadConfig, BadInput
from bayesmodels.fitting.coordinates import with_descriptions
from bayesmodels.fitting.prior import prior_of_free_variables
from bayesmodels.fitting.sampling import deterministics
from bayesmodels.posterior.archive import load, possible_reports
from bayesmodels.run.check import checked
from bayesmodels.run.config import config_hash, read_config
from bayesmodels.run.job import run
from bayesmodels.vocabulary import DIMS, EVENT_GROUPS

CONFIG = """
[study]
name = "made up"
persons = "persons.csv"
visits = "visits.csv"
events = "events.csv"
reference_group = "delayed"
curve_weeks = [0, 28, 52]

[model]
type = "longitudinal"
pooling = "complete"
[[model.outcomes]]
name = "score"
unit = "points"
good_direction = "up"
typical = {level = 36, spread = 3, rate = 1}
effect = {type = "slope_change"}

[sampling]
seed = 4
"""

ASKED = """
[dropout]
outcome = "score"
week = 52
deltas = [0, 0.5, 1]

[rank]
outcome = "score"
week = 52
terminal = ["death"]
"""


def tables() -> dict[str, pd.DataFrame]:
    """Thirty persons, one without a first visit; of the delayed more die before week 52, and more withdraw."""
    rng = np.random.default_rng(8)
    persons, visits, events = [], [], []
    for i in range(30):
        person, early = f"Secret-{i}", i % 2 == 0
        persons.append((person, "early" if early else "delayed", 0.0 if early else 28.0))
        end, event = (52.0, "none")
        if i % 5 == 1 or i == 2:
            end, event = float(rng.integers(20, 50)), "death"
        elif i % 5 == 3:
            end, event = float(rng.integers(20, 50)), "withdrawal"
        rate = rng.normal(-0.8 if early else -1.2, 0.3)
        for week in (0.0, 12.0, 28.0, 40.0, 52.0):
            if week <= end and (i, week) != (7, 0.0):
                visits.append((person, week, "score", float(np.round(37 + rate * week / 4.35 + rng.normal()))))
        events.append((person, end, event))
    return {
        "persons": pd.DataFrame(persons, columns=["person", "start_group", "drug_start_week"]),
        "visits": pd.DataFrame(visits, columns=["person", "week", "outcome", "value"]),
        "events": pd.DataFrame(events, columns=["person", "week", "event"]),
    }


def written(place, text=CONFIG + ASKED):
    place.mkdir(parents=True, exist_ok=True)
    for name, frame in tables().items():
        frame.to_csv(place / f"{name}.csv", index=False)
    (place / "trial.toml").write_text(text, encoding="utf-8")
    return place / "trial.toml"


def prior_instead(pm_model, settings, chain_dir=None, *, compiled=None, on_phase=None) -> xr.DataTree:
    """Sixty prior draws in the shape of a fit: quick, and plainly no posterior."""
    draws = prior_of_free_variables(pm_model, settings.seed, 60)
    draws = with_descriptions(pm_model, draws.merge(deterministics(pm_model, draws)))
    stats = xr.Dataset({"diverging": (("chain", "draw"), np.zeros((1, 60), bool))})
    tree = xr.DataTree.from_dict({"posterior": draws, "sample_stats": stats})
    tree.attrs |= {"seed": str(settings.seed), "seconds": json.dumps({}), "settings": json.dumps({})}
    return tree


REPORT = """
[report]
important_difference = {scor = 2}
contrast_weeks = [13, 28]
end_week = 9999
parallel_from_week = {score = 52}
surrogate = "nfl"
outcome = "score"
surrogacy = {surrogate_week = 9999, outcome_week = 28}
"""


def test_check_and_fit_find_every_mistake_of_report_before_anything_is_fitted(tmp_path):
    config = written(tmp_path, CONFIG + REPORT)
    found = checked(config)[0]
    assert found == [
        "trial.toml: [report] important_difference: expected an outcome of this fit (score), got 'scor'",
        "trial.toml: [report] surrogate: expected an outcome of this fit (score), got 'nfl'",
        "trial.toml: [report] contrast_weeks: expected curve weeks (0, 28, 52), got 13; "
        "add them to [study] curve_weeks and fit again",
        "trial.toml: [report] end_week: expected curve weeks (0, 28, 52), got 9999; "
        "add them to [study] curve_weeks and fit again",
        "trial.toml: [report] parallel_from_week, score: expected a week before the last curve week (52), got 52",
        "trial.toml: [report.surrogacy] surrogate_week: expected a week of a visit (12, 28, 40, 52), got 9999",
    ]
    with pytest.raises(BadInput) as caught:
        run(config, tmp_path / "runs")
    assert list(caught.value.problems) == found
    assert not (tmp_path / "runs").exists()


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Configuration, run folder, and what was told."""
    config = written(tmp_path_factory.mktemp("asked"))
    told: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitted, "sample", prior_instead)
        result = run(config, config.parent / "runs", tell=told.append)
    return config, result.folder, told


def test_each_analysis_is_told_and_archived(done):
    _, folder, told = done
    assert [line for line in told if line in ("dropout sensitivity", "rank analyses")] == [
        "dropout sensitivity", "rank analyses",
    ]  # fmt: skip
    tree = load(folder / "posterior.nc")
    assert {"dropout_sensitivity", "rank_analyses"} <= set(tree.children)
    assert {"dropout sensitivity", "rank analyses"} <= set(possible_reports(tree))
    for group in ("dropout_sensitivity", "rank_analyses"):
        assert set(map(str, tree[group].to_dataset().dims)) - {"chain", "draw"} <= set(DIMS)
    assert tree["dropout_sensitivity"]["delta_group"].values.tolist() == [0.0, 0.5, 1.0]
    assert tree["dropout_sensitivity"].attrs["week"] == 52.0
    for file in folder.rglob("*"):
        assert not file.is_file() or b"Secret" not in file.read_bytes(), file.name


def test_the_archived_ranks_are_those_of_the_data(done):
    config, folder, _ = done
    data = load(folder / "posterior.nc")["rank_analyses"].to_dataset()
    for name, variable in EVENT_GROUPS["rank_analyses"].items():
        assert data[name].dims == variable.dims
    study = read_config(config).read()
    alone = rank_analyses(study, "score", 52.0, terminal=("death",), good_direction="up", unit="points")
    benefit = alone.comparisons["joint rank"]["net benefit"]
    for name in ("estimate", "lower", "upper", "p_value"):
        assert float(data[name].sel(analysis="joint rank")) == pytest.approx(benefit[name])
    assert float(data["estimate"].sel(analysis="win odds")) == pytest.approx(
        alone.comparisons["win ratio"]["win odds"].estimate
    )
    seen = tables()["visits"].query("week == 52")["person"].nunique() - 1  # one has no value to change from
    assert data["n"].to_series().to_dict() == {
        "joint rank": 30, "CAFS": 29, "win ratio": 30, "win odds": 30, "ANCOVA": seen, "ANCOVA, imputed": 30,
    }  # fmt: skip
    notes = json.loads(data.attrs["notes"])
    assert "CAFS: Ranked but not compared, for want of a covariate: 1." in notes
    assert f"ANCOVA: Left out, for want of a value: {30 - seen}." in notes
    assert repr(alone) == alone.sentence()
    assert data["favours"].sel(analysis="joint rank").item() == "+ favours early"
    assert data["no_difference"].values.tolist() == [0, 0, 1, 1, 0, 0]
    drawn = data["predictive_estimate"]
    assert drawn.sizes == {"analysis": 6, "replicate": 60}
    assert np.isfinite(drawn.sel(analysis=["joint rank", "CAFS", "win odds", "ANCOVA"])).all()
    assert np.isnan(drawn.sel(analysis="ANCOVA, imputed")).all()
    odds, benefits = drawn.sel(analysis="win odds"), drawn.sel(analysis="joint rank")
    np.testing.assert_allclose(odds, (1 + benefits) / (1 - benefits))  # win odds and net benefit say the same
    assert float(benefits.std()) > 0


def test_the_page_shows_both(done):
    _, folder, _ = done
    page = (folder / "report.html").read_text().replace("&#39;", "'")
    for text in (
        "If those who left did otherwise", "Rank analyses of these data", "Joint rank test", "Jump to reference",
        "Replicated below observed", "+ favours early", "Who died or left, and when, is as observed",
        "score to week 52, early against delayed", "50 completed tables",
        "CAFS: Ranked but not compared, for want of a covariate: 1.",
        "ANCOVA, imputed is not made of replicated trials",
    ):  # fmt: skip
        assert text in page, text
    for name in ("rank_joint_rank", "rank_ancova", "dropout_score_all", "tipping_score_all"):
        assert (folder / "figures" / f"{name}.png").exists(), name
    table = pd.read_csv(folder / "tables" / "rank_analyses.csv").set_index("analysis")
    data = load(folder / "posterior.nc")["rank_analyses"].to_dataset()
    drawn = data["predictive_estimate"].sel(analysis="CAFS").to_numpy()
    assert table.loc["CAFS", "predictive_median"] == pytest.approx(np.median(drawn))
    assert table.loc["CAFS", "share_below"] == pytest.approx((drawn < table.loc["CAFS", "estimate"]).mean(), abs=1e-9)
    assert table.loc["ANCOVA, imputed", "replicates"] == 0


def test_the_seed_of_the_run_repeats_them(done):
    config, folder, _ = done
    tree, asked = load(folder / "posterior.nc"), read_config(config)
    given = Fit(asked.model, asked.model.build(asked.read()), asked.read(), tree, pytest.fail, lambda name: None)
    again = {name: group for each in asked.analyses for name, group in each.compute(given).items()}
    assert set(again) == {"dropout_sensitivity", "rank_analyses"}
    for name, group in again.items():
        xr.testing.assert_equal(group[sorted(group.data_vars)[0]], tree[name][sorted(group.data_vars)[0]])
    np.testing.assert_array_equal(
        again["rank_analyses"]["predictive_estimate"], tree["rank_analyses"]["predictive_estimate"]
    )
    np.testing.assert_array_equal(again["dropout_sensitivity"]["mean"], tree["dropout_sensitivity"]["mean"])


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("deltas = [0, 0.5, 1]", "delta = [0, 1]"),
         "trial.toml: [dropout] delta: unknown key; did you mean 'deltas'?"),
        (('terminal = ["death"]', ""), "trial.toml: [rank] terminal: expected the events that count as "
         "death, found none named; the model has no events to take them from; write [] if none counts"),
        (('terminal = ["death"]', 'terminals = ["death"]'),
         "trial.toml: [rank] terminals: unknown key; did you mean 'terminal'?"),
        (("week = 52\ndeltas", 'deaths = "dead"\nweek = 52\ndeltas'),
         "trial.toml: [dropout] deaths: input should be 'as_followed', 'as_missing' or 'left_out'; got 'dead'"),
        (('[rank]\noutcome = "score"', '[rank]\noutcome = "fvc"'),
         "trial.toml: [rank] outcome: expected one of the model's (score), got 'fvc'"),
        (('[dropout]\noutcome = "score"', '[dropout]\noutcome = "fvc"'),
         "trial.toml: [dropout] outcome: expected one of the model's (score), got 'fvc'"),
    ],
)  # fmt: skip
def test_what_the_file_gets_wrong(tmp_path, change, line):
    with pytest.raises(BadConfig) as caught:
        read_config(written(tmp_path, (CONFIG + ASKED).replace(*change)))
    assert line in caught.value.problems


def test_another_kind_of_model_has_no_such_sections(tmp_path):
    """Published means, whose table has no persons; and tables of persons with a model of one's own."""
    means = '[data]\ntable = "valor_visits"\n'
    own = CONFIG[: CONFIG.index("[model]")] + '[model]\ntype = "toy_model:Toy"\n'
    longitudinal = CONFIG[CONFIG.index("[model]") :]
    for text in (longitudinal + means, own):
        with pytest.raises(BadConfig) as caught:
            read_config(written(tmp_path, text + ASKED))
        for name in ("dropout", "rank"):
            assert (
                f'trial.toml: [{name}]: expected [study] and a model of type "longitudinal" or "joint_event" with it; '
                "else delete the section"
            ) in caught.value.problems


def test_what_the_tables_cannot_answer_is_refused_before_the_fit(tmp_path):
    text = (
        (CONFIG + ASKED)
        .replace('terminal = ["death"]', 'terminal = ["deaths"]')
        .replace("deltas = [0, 0.5, 1]", 'reference = "placebo"')
    )
    config = written(tmp_path, text)
    lines = checked(config)[0]
    assert lines == [
        "trial.toml: [dropout] reference: expected one of early, delayed, never_treated, got 'placebo'",
        "trial.toml: [rank] terminal: expected events of the study (death, withdrawal), got deaths; give [] where "
        "nobody had one",
    ]
    with pytest.raises(BadInput, match=r"\[rank\] terminal"):
        run(config, tmp_path / "runs", tell=str)
    assert not (tmp_path / "runs").exists()


def test_only_what_is_asked_changes_the_hash(tmp_path):
    hashes = [
        config_hash(read_config(written(tmp_path, text)), ["abc"])
        for text in (CONFIG, CONFIG + ASKED, CONFIG + ASKED.replace("week = 52\ndeltas", "week = 40\ndeltas"))
    ]
    assert len(set(hashes)) == 3
