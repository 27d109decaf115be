"""`bayesmodels dossier`: numbers against closed forms, statements against the rows they name, and what is refused."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dossier_folders import (
    AT,
    CONFIG_TOML,
    MODEL,
    NO_EFFECT,
    PERSONS,
    borrowed,
    made_up,
    write_evidence,
    write_run,
    write_study,
)
from scipy.stats import binomtest, norm
from test_run import environment, invoke

from bayesmodels import make_dossier
from bayesmodels.errors import BadInput
from bayesmodels.trials.kept import Rule

MONTH = 365.25 / 12 / 7
GAIN, SD, PRIOR_SD = 0.2, 0.05, 0.5  # points a month; of `fake`
MONTHS = 28 / MONTH  # on the drug before the switch, early start only

MINIMAL = """
[dossier]
run = "main"

[[success]]
name = "function"
variable = "difference"
at = {outcome = "alsfrs_r", stratum = "all", week = 28}
"""


@pytest.fixture(scope="module", autouse=True)
def read_once():
    """Each run is read from its folder once: no test here changes a folder after it was read."""
    from bayesmodels.dossier import contents

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contents, "read_run", cache(contents.read_run))
        yield


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    return write_evidence(tmp_path_factory.mktemp("evidence"))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A folder with one small run, and its `MINIMAL` configuration."""
    folder = tmp_path_factory.mktemp("small")
    write_run(folder / "main", made_up())
    (folder / "dossier.toml").write_text(MINIMAL)
    return folder


@pytest.fixture(scope="module")
def criterion(small):
    """The criterion of `MINIMAL` on its run."""
    from bayesmodels.dossier.config import read_dossier_config
    from bayesmodels.dossier.contents import read_contents

    (found,) = read_contents(read_dossier_config(small)).found
    return found


@pytest.fixture(scope="module")
def made(evidence):
    return make_dossier(evidence)


@pytest.fixture(scope="module")
def saved(made, tmp_path_factory):
    return made.save(tmp_path_factory.mktemp("saved") / "dossier")


def test_probabilities_are_those_of_the_normal_draws(made):
    table = made.table.set_index("criterion")
    for name, beyond in (("function", 0.0), ("a point", 1.0)):
        row = table.loc[name]
        assert row["probability"] == pytest.approx(norm.sf((beyond / MONTHS - GAIN) / SD), abs=2e-3)
        assert row["prior_probability"] == pytest.approx(norm.sf(beyond / MONTHS / PRIOR_SD), abs=2e-3)
        assert row["median"] == pytest.approx(GAIN * MONTHS, abs=1e-6)
    assert table["answer"].to_dict() == {"function": "met", "a point": "not met"}
    p = table.loc["a point", "probability"]
    assert table.loc["a point", "monte_carlo_error"] == pytest.approx(np.sqrt(p * (1 - p) / 1000), rel=0.2)
    assert made.answers == table["answer"].to_dict()


def test_the_prior_is_worth_the_persons_of_the_closed_form(made):
    """v1 / v0 is (.05 / .5)^2, so that the prior is worth n r / (1 - r) persons."""
    ratio = (SD / PRIOR_SD) ** 2
    table = made.tables["prior_size"].set_index("criterion")
    row = table.loc["function"]
    assert row["prior_persons"] == pytest.approx(PERSONS * ratio / (1 - ratio), rel=1e-6)
    assert row["by_width"] == pytest.approx(row["prior_persons"], rel=1e-6)
    effects = made.tables["prior_size"].query("criterion == ''").set_index("quantity")
    assert {"drug_effect[alsfrs_r, faster]", "effect_lag[nfl_plasma]"} <= set(effects.index)
    lag = effects.loc["effect_lag[alsfrs_r]"]  # as wide as its prior
    assert np.isnan(lag["prior_persons"])
    assert "taught nothing" in lag["note"]


def test_power_and_type_i_error_come_with_exact_limits(made):
    rules = made.tables["operating_rules"].set_index(["study", "measure"])
    for study, measure, effect in (("planned effect", "power", 2.5), ("no effect", "type I error", 0.0)):
        row = rules.loc[(study, measure)]
        means = np.array([np.random.default_rng(k).normal(effect, 0.8) for k in range(60)])
        successes = int((means / 0.8 > norm.ppf(0.975)).sum())
        limits = binomtest(successes, 60).proportion_ci(0.95, method="exact")
        assert (row["successes"], row["fits"], row["criterion"]) == (successes, 60, "function")
        assert (row["lower"], row["upper"]) == (pytest.approx(limits.low), pytest.approx(limits.high))
    truths = np.random.default_rng(0).normal(0, 2, 60)
    means = np.array([np.random.default_rng(k).normal(truths[k], 0.8) for k in range(60)])
    success = means / 0.8 > norm.ppf(0.975)
    assert rules.loc[("prior", "assurance"), "successes"] == success.sum()
    wrong = rules.loc[("prior", "wrong among successes")]
    assert (wrong["successes"], wrong["fits"]) == ((success & (truths <= 0)).sum(), success.sum())
    quantities = made.tables["operating_quantities"].set_index("study")
    assert quantities.loc["no effect", "truth"] == 0
    assert quantities.loc["no effect", "coverage_count"] > 50


def test_a_sensitivity_run_says_what_changed_and_what_becomes_of_the_criteria(made):
    table = made.tables["sensitivity_runs"].set_index(["run", "criterion"])
    row = table.loc[("less", "function")]
    assert row["probability"] == pytest.approx(norm.sf((1.0 - GAIN * MONTHS) / (SD * MONTHS)), abs=2e-3)
    assert row["answer"] == "not met"
    assert row["changed"] == "outcomes, alsfrs_r, rate, sd: 0.5, there 1.0"  # its source is no change
    assert table.loc[("main run", "function"), "answer"] == "met"


def test_what_the_priors_predict_is_held_against_the_limits(made, evidence):
    """The prior's mean course of ALSFRS-R at week 148, delayed: Normal, whose share below 0 is known."""
    table = made.tables["prior_predictive"].set_index(["outcome", "start_group", "week"])
    assert set(table.reset_index()["week"]) == {0.0, 28.0, 148.0}
    from bayesmodels import load

    curve = load(evidence / "main" / "posterior.nc")["prior"]["curve"]
    drawn = curve.sel(outcome="alsfrs_r", start_group="delayed", stratum="all", week=148.0).to_numpy()
    row = table.loc[("alsfrs_r", "delayed", 148.0)]
    assert row["share_below"] == (drawn < 0).mean() > 0
    assert row["median"] == pytest.approx(np.median(drawn))
    assert np.isnan(table.loc[("nfl_plasma", "early", 0.0), "share_below"])


def test_every_prior_has_its_source_and_the_sponsors_reason(made):
    table = made.tables["priors"].set_index(["outcome", "parameter"])
    assert table["justification"].to_dict() == {
        ("alsfrs_r", "mean rate"): "earlier trials",
        ("alsfrs_r", "effect"): "centred at no effect",  # named by its parameter, which is more particular
        ("nfl_plasma", "effect"): "centred at no effect",
    }


def test_every_statement_names_a_row_that_is_there_and_its_numbers(made, saved):
    assert len(made.stated) > 20
    for each in made.stated:
        table = pd.read_csv(saved / each.file, keep_default_na=False)
        assert each.row is None or 2 <= each.row <= len(table) + 1
        if each.table == "operating_rules" and each.row is not None:
            row = table.iloc[each.row - 2]
            assert f"{float(row['share']):.3f} (exact 95 % limits {float(row['lower']):.3f} to" in each.text
            assert f"{row['successes']} of {row['fits']}" in each.text
        if each.table == "operating_quantities":
            row = table.iloc[each.row - 2]
            assert f"{row['coverage_count']} of {row['fits']} equal-tailed 95 % intervals" in each.text
        if each.table == "success" and each.row is not None:
            row = table.iloc[each.row - 2]
            assert f"“{row['criterion']}”: {row['answer']}." in each.text
    links = set(re.findall(r'href="(tables/[^"]+)"', (saved / "dossier.html").read_text()))
    assert {each.file for each in made.stated} <= links
    assert all((saved / link).is_file() for link in links)


def test_what_must_be_known_first(made):
    first = "\n".join(map(str, made.lead.cautions))
    assert "death by the strategy “composite”" in first  # the analysis is of means as if alive
    assert "ANOTHER MODEL" not in first
    assert "planned effect decides by other rules than “a point”" in first


def test_the_checklist_says_what_is_there_and_what_would_make_the_rest(made):
    status = {item.asked: (item.status, item.how) for item in made.items}
    assert status["the trial's question in words"][0] == "present"
    assert status["estimand: treatment condition"] == ("absent", "[estimand] treatment")
    assert status["estimand: intercurrent events, each with its strategy"][0] == "present"
    assert status["why this quantity and this threshold"][0] == "absent"  # of one of the two
    assert status["how several criteria make one decision"][0] == "absent"
    assert status["why each prior holds for this trial, in the sponsor's words"][0] == "present"
    for asked in ("type I error of every criterion, by simulation", "power of every criterion, by simulation"):
        assert status[asked][0] == "partly"
        assert status[asked][1].startswith("not of a point: ")
    kind, how = status["the answer if those who left did otherwise than missing at random says"]
    assert (kind, how) == ("absent", '[dropout] outcome = "alsfrs_r"  week = 28')
    assert status["the machine"][0] == "present"
    assert made.tables["checklist"]["status"].tolist() == [item.status for item in made.items]
    assert set(made.missing) == {item for item in made.items if item.status != "present"}


def test_no_page_claims_that_a_guidance_is_followed(made):
    assert not re.search(r"\b(complian\w+|complies|complied|meets the guidance)\b", made.html, flags=re.I)


def test_the_folder(made, saved):
    manifest = json.loads((saved / "manifest.json").read_text())
    assert (manifest["kind"], manifest["status"], manifest["answers"]) == ("dossier", "finished", made.answers)
    assert set(manifest["files"]) == {str(path.relative_to(saved)) for path in saved.rglob("*.*")} - {
        "manifest.json",
        ".lock",
    }
    assert (saved / "dossier.toml").read_text() == CONFIG_TOML
    assert (saved / "configs" / "trials-2.toml").read_text() == "[trials]\n"
    (saved / "tables" / "success.csv").write_text("spoilt")
    made.save(saved)  # its own folder is replaced
    assert (saved / "tables" / "success.csv").read_text().startswith("criterion,")
    facts = made.tables["computation"].query("run == 'main run'").set_index("what")["value"]
    assert (facts["seed"], facts["machine: processor"], facts["convergence"]) == ("1", "made up", "ok")
    assert len(facts["SHA-256 of posterior.nc"]) == 64


def test_another_model_in_the_simulated_trials_is_said_loudly(small, tmp_path):
    shutil.copytree(small / "main", tmp_path / "main")
    other = json.loads(json.dumps(MODEL)) | {"pooling": "complete"}
    write_study(tmp_path / "trials", np.zeros(5), model=other, truth=NO_EFFECT, fits=8, strata=True)
    (tmp_path / "dossier.toml").write_text(MINIMAL + '[[trials]]\nfolder = "trials"\n')
    made = make_dossier(tmp_path)
    assert not made.tables["operating_studies"]["same_model"].any()
    assert "ANOTHER MODEL" in made.sentence()
    assert "pooling: partial, there complete; strata are used: no, there yes" in made.html
    assert "3 of 8 fits are missing" in "\n".join(map(str, made.lead.cautions))
    status = {item.asked: item.status for item in made.items}
    assert status["simulated trials were analysed with the model of this trial"] == "absent"


@pytest.mark.parametrize(
    "change", [{"probability": 0.9}, {"beyond": 1.0}, {"favours": "down"}, {"at": AT | {"week": 52}}]
)
def test_a_rule_that_decides_otherwise_is_not_the_criterion(tmp_path, criterion, change):
    from bayesmodels.dossier.evidence import read_trials_study
    from bayesmodels.dossier.operating import same_rule

    rule = Rule.model_validate({"name": "mine", "variable": "difference", "at": AT})
    study = read_trials_study(write_study(tmp_path / "same", [1.0, 2.0], rule=rule))
    assert same_rule(study, criterion) == "mine"
    if "at" not in change:
        other = write_study(tmp_path / "other", [1.0], rule=rule.model_copy(update=change))
        assert same_rule(read_trials_study(other), criterion) == ""
    else:
        study.found.rows["quantity"] = "difference[alsfrs_r, early - delayed, all, week 52]"
        assert same_rule(study, criterion) == ""


def test_several_criteria_are_also_counted_together(tmp_path, criterion):
    from bayesmodels.dossier.config import Criterion
    from bayesmodels.dossier.evidence import read_trials_study
    from bayesmodels.dossier.operating import rules_table

    said = {"variable": "difference", "at": AT}
    rules = tuple(Rule.model_validate({**said, "name": name, "beyond": k}) for name, k in (("any", 0), ("large", 1)))
    found = [replace(criterion, criterion=Criterion.model_validate(rule.model_dump())) for rule in rules]
    study = read_trials_study(write_study(tmp_path / "both", np.full(40, 2.0), rule=rules))
    table = rules_table([study], found).set_index("measure")
    means = np.array([np.random.default_rng(k).normal(2.0, 0.8) for k in range(40)])
    small, large = (means - k > 0.8 * norm.ppf(0.975) for k in (0, 1))
    assert 0 < large.sum() < small.sum() < 40
    assert table.loc["all criteria met", "successes"] == (small & large).sum()
    assert table.loc["any criterion met", "successes"] == (small | large).sum()
    assert table.loc["all criteria met", "criterion"] == "all"
    assert table.loc["power", "successes"].tolist() == [small.sum(), large.sum()]


def test_a_success_without_a_drug_effect_is_a_type_i_error_unless_no_effect_is_favourable(tmp_path, criterion):
    from bayesmodels.dossier.evidence import read_trials_study
    from bayesmodels.dossier.operating import rules_table

    def measured(name, truth, found):
        rule = Rule.model_validate(found.criterion.model_dump(exclude={"why"}))
        study = read_trials_study(write_study(tmp_path / name, np.zeros(5), rule=rule, truth=truth))
        study.found.rows["favourable"] = pd.NA  # as where the generator does not know the quantity
        return rules_table([study], [found])["measure"].tolist()

    not_worse = replace(criterion, criterion=criterion.criterion.model_copy(update={"beyond": -1.0}))
    effect = {"type": "generator", "drug_effect": True}
    assert measured("no", NO_EFFECT, criterion) == ["type I error"]
    assert measured("yes", effect, criterion) == ["success"]
    assert measured("not worse", NO_EFFECT, not_worse) == ["success"]


def test_no_effect_is_1_of_a_ratio_and_no_type_i_error_is_of_a_mean(tmp_path, criterion):
    from bayesmodels.dossier.evidence import read_trials_study
    from bayesmodels.dossier.operating import rules_table

    study = read_trials_study(write_study(tmp_path / "study", np.zeros(5), truth=NO_EFFECT))
    study.found.rows["favourable"] = pd.NA

    def measured(variable, beyond, sign):
        side = {"variable": variable, "beyond": beyond, "favours": "up" if sign > 0 else "down"}
        found = replace(criterion, criterion=criterion.criterion.model_copy(update=side), sign=sign)
        rule = study.found.rules[0].model_copy(update=side)
        of = replace(study, found=replace(study.found, rules=(rule,)))
        return rules_table([of], [found])["measure"].tolist()

    assert measured("disease_rate_ratio", 1.0, -1) == ["type I error"]
    assert measured("disease_rate_ratio", 1.2, -1) == ["success"]  # not slower: no effect is favourable
    assert measured("proportional_slowing", 0.0, 1) == ["type I error"]
    for mean in ("curve", "latent_curve", "population_level"):
        assert measured(mean, 30.0, 1) == ["success"]


def test_what_would_make_an_operating_characteristic_is_of_the_criterion(small, criterion):
    from bayesmodels.dossier.checklist import checklist
    from bayesmodels.dossier.config import read_dossier_config
    from bayesmodels.dossier.contents import read_contents

    contents = read_contents(read_dossier_config(small))

    def hows(kind="longitudinal", **update):
        rule = criterion.criterion.model_copy(update=update)
        reading = replace(contents.run.reading, context=replace(contents.run.reading.context, model_type=kind))
        run = replace(contents.run, reading=reading)
        items = checklist(replace(contents, run=run, found=(replace(criterion, criterion=rule),)))
        asked = {item.asked.split(" ")[0]: item.how for item in items if item.part == "operating characteristics"}
        return [asked[word].split(", with [[decide]]")[0] for word in ("type", "power", "success")]

    prior = '[truth] type = "prior"'
    power = "[truth] drug_effect = true, and changes = {...} unless the true value is favourable without"
    none, worse = "[truth] drug_effect = false", "[truth] changes = {...} that make the true value not favourable"
    assert hows() == [none, power, prior]
    assert hows(beyond=-1.0) == [worse, power, prior]  # no effect is favourable
    assert hows(variable="drug_effect") == [none, prior, prior]  # whose truth the generator does not know
    assert hows(variable="curve", beyond=30.0) == [worse, power.replace("drug_effect = true, and ", ""), prior]
    assert hows(variable="latent_curve", beyond=30.0) == [prior, prior, prior]
    first, second, third = hows("visit", variable="latent_curve", beyond=30.0)
    assert first == second
    assert all(how.startswith("none by this package: ") for how in (first, third))


@pytest.fixture(scope="module")
def lent(tmp_path_factory):
    """A folder with a run that borrows, and a dossier in which the sponsor says that nothing was borrowed."""
    folder = tmp_path_factory.mktemp("lent")
    write_run(folder / "main", borrowed(made_up()))
    (folder / "dossier.toml").write_text(MINIMAL.replace("[[success]]", 'borrowing = "none"\n\n[[success]]'))
    return folder, make_dossier(folder)


def test_borrowing_is_said_loudly_and_its_denial_is_contradicted(lent):
    made = lent[1]
    said = made.sentence()
    assert "EXTERNAL PERSONS: the run's model borrows from persons of other trials (cohort)" in said
    assert "the sponsor says “none”, but the run's model borrows" in said
    (denial,) = [each for each in made.stated if each.text.startswith("CONTRADICTED")]
    assert made.tables["question"].iloc[denial.row - 2]["words"] == "none"
    item = next(item for item in made.items if item.asked.startswith("data from outside the trial"))
    assert item.status == "absent"
    assert "borrows from persons of cohort" in item.how
    assert made.tables["borrowing"]["external_persons"].tolist() == [40]
    assert "Borrowing from external persons" in made.html


def test_no_prior_of_a_run_that_borrows_has_a_size(lent):
    table = lent[1].tables["prior_size"]
    assert len(table) > 1
    assert table[["prior_persons", "monte_carlo_error", "by_width"]].isna().all(axis=None)
    assert table["note"].str.contains("external persons count with the data").all()
    assert table.set_index("criterion").loc["function", "variance_ratio"] == pytest.approx((SD / PRIOR_SD) ** 2)
    asked = {item.asked: item for item in lent[1].items}
    assert asked["what the prior of the criterion's quantity is worth in persons"].status == "absent"
    assert "simulates no external persons" in asked["power of every criterion, by simulation"].how


def test_words_on_borrowing_are_there_where_they_name_whom_the_run_borrows_from(lent):
    from bayesmodels.dossier.checklist import checklist
    from bayesmodels.dossier.config import read_dossier_config
    from bayesmodels.dossier.contents import question_table, read_contents

    contents = read_contents(read_dossier_config(lent[0]))

    def status(words):
        sections = contents.config.sections
        own = sections.dossier.model_copy(update={"borrowing": words})
        config = replace(contents.config, sections=sections.model_copy(update={"dossier": own}))
        tables = contents.tables | {"question": question_table(config)}
        items = checklist(replace(contents, config=config, tables=tables))
        return next(item.status for item in items if item.asked.startswith("data from outside the trial"))

    assert status("None: nothing entered") == "absent"
    assert status("No-drug arms of earlier trials") == "partly"
    assert status("Untreated persons of COHORT, commensurate") == "present"
    assert status(None) == "absent"


def test_a_run_that_borrows_nothing_is_not_said_to(made):
    assert "EXTERNAL PERSONS" not in made.sentence()
    assert "borrowing" not in made.tables


def test_every_strategy_but_the_hypothetical_is_said_first(small):
    events = "".join(
        f'[[estimand.intercurrent_events]]\nevent = "{event}"\nstrategy = "{strategy}"\n'
        for event, strategy in (
            ("death", "treatment policy"), ("withdrawal", "hypothetical"), ("ventilation", "while on treatment")
        )
    )  # fmt: skip
    (small / "events.toml").write_text(MINIMAL + events)
    cautions = "\n".join(map(str, make_dossier(small / "events.toml").lead.cautions))
    policy, other = (line for line in cautions.splitlines() if "The estimand deals with" in line)
    assert "death by the strategy “treatment policy”" in policy
    assert "is followed only if visits after the event are in the tables; for death it cannot be" in policy
    assert "ventilation by the strategy “while on treatment”" in other
    assert "the analysis and the estimand do not agree" in other


def test_an_effect_on_an_outcome_is_of_mean_courses_too():
    from bayesmodels.dossier.statements import _of_courses

    names = ("difference", "latent_curve", "drug_effect", "proportional_slowing", "disease_rate_ratio", "trial_r2")
    assert [_of_courses(name) for name in names] == [True, True, True, True, False, False]


def test_a_run_that_did_not_converge_decides_nothing(tmp_path):
    write_run(tmp_path / "main", made_up(verdict="not_converged"))
    (tmp_path / "dossier.toml").write_text(MINIMAL)
    done = invoke("dossier", tmp_path, "--json")
    said = json.loads(done.stdout)
    assert (done.exit_code, said["exit"], said["verdict"]) == (3, 3, "not_converged")
    assert said["success"][0]["answer"] == "not decided"
    page = (tmp_path / "dossier" / "dossier.html").read_text()
    assert "This fit did not converge" in page
    assert "not decided, as the chains did not converge" in page


def test_the_command_needs_no_pymc_and_says_where_the_page_is(small, tmp_path):
    code = (
        "import sys; from bayesmodels.cli import app\n"
        f"try: app(['dossier', {str(small)!r}, '--out', {str(tmp_path / 'out')!r}])\n"
        "except SystemExit as end: print('EXIT', end.code)\n"
        "print('LOADED', *[m for m in ('pymc', 'pytensor', 'numba', 'nutpie') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert "EXIT 0" in done.stdout
    assert done.stdout.rstrip().endswith("LOADED")
    assert str(tmp_path / "out" / "dossier.html") in done.stdout
    assert "“function”: met" in done.stdout


def test_a_folder_above_one_run_will_do(small, tmp_path):
    shutil.copytree(small / "main", tmp_path / "main" / "made-up-00000000")
    (tmp_path / "dossier.toml").write_text(MINIMAL)
    assert make_dossier(tmp_path).answers == {"function": "met"}
    for name in ("made-up-00000000", "other"):
        shutil.copytree(small / "main", tmp_path / "two" / name)
    (tmp_path / "two.toml").write_text(MINIMAL.replace('"main"', '"two"'))
    with pytest.raises(BadInput, match="one run inside it, found made-up-00000000, other"):
        make_dossier(tmp_path / "two.toml")


def test_a_run_alone_makes_a_dossier_that_says_what_is_missing(small):
    (small / "bare.toml").write_text('[dossier]\nrun = "main"\n')
    made = make_dossier(small / "bare.toml")
    assert made.answers == {}
    assert "No success criterion is stated" in made.html
    status = {item.asked: item.status for item in made.items}
    assert status["success criterion: quantity, side and probability threshold"] == "absent"
    assert status["type I error of every criterion, by simulation"] == "absent"
    assert status["convergence of the chains, with the limits that it was judged by"] == "present"


def test_every_problem_of_the_file_is_a_line(tmp_path):
    wrong = MINIMAL.replace('run = "main"', 'runs = "main"').replace("difference", "differences")
    (tmp_path / "dossier.toml").write_text(wrong + '[[prior]]\nwhy = "so"\n')
    done = invoke("dossier", tmp_path)
    assert done.exit_code == 2
    for part in (
        "dossier.toml: [dossier] run: expected a value, found none",
        "dossier.toml: [dossier] runs: unknown key; did you mean 'run'?",
        "dossier.toml: [success] no. 1: variable: unknown published variable 'differences'; did you mean 'difference'?",
        "dossier.toml: [prior] no. 1: expected outcome, parameter or both, found neither",
    ):
        assert part in done.stderr
    assert not (tmp_path / "dossier").exists()
    assert invoke("check", tmp_path / "dossier.toml").exit_code == 2
    (tmp_path / "dossier.toml").write_text(CONFIG_TOML)
    assert invoke("check", tmp_path / "dossier.toml").exit_code == 0


def test_every_folder_that_is_not_what_it_should_be_is_a_line(tmp_path):
    (tmp_path / "dossier.toml").write_text(CONFIG_TOML)
    (tmp_path / "main").mkdir()
    (tmp_path / "nothing").mkdir()
    done = invoke("dossier", tmp_path)
    assert done.exit_code == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 5
    assert "expected the folder of a run, or one run inside it, found none" in lines[0]
    assert all(line.startswith("dossier.toml: ") for line in lines)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("week = 28}", "week = 30}", "[[success]] 'function': at: unknown week '30'"),
        ('outcome = "alsfrs_r", stratum', 'outcome = "svc", stratum', "[[success]] 'function': at: unknown outcome"),
        ('"difference"', '"trial_r2"', "the posterior has no trial_r2; fit a model that publishes it"),
        (", week = 28", "", "at: expected one week, found none; add it"),
    ],
)
def test_a_criterion_that_the_posterior_cannot_answer_is_refused(small, old, new, problem):
    text = MINIMAL.replace(old, new)
    if "trial_r2" in text:
        text = text.replace('at = {outcome = "alsfrs_r", stratum = "all", week = 28}', 'favours = "up"')
    (small / "wrong.toml").write_text(text)
    with pytest.raises(BadInput) as error:
        make_dossier(small / "wrong.toml")
    assert problem in str(error.value)


def test_a_prior_that_is_none_is_refused(small):
    (small / "wrong.toml").write_text(MINIMAL + '[[prior]]\nparameter = "mean rates"\nwhy = "so"\n')
    with pytest.raises(BadInput, match=r"no\. 1: parameter: unknown parameter 'mean rates'; did you mean 'mean rate'"):
        make_dossier(small / "wrong.toml")


def test_folders_of_others_and_runs_are_left_alone(evidence, made, tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    done = invoke("dossier", evidence, "--out", tmp_path)
    assert done.exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
    with pytest.raises(BadInput, match="expected a dossier of bayesmodels, found a run"):
        made.save(evidence / "main")


def test_other_data_in_a_sensitivity_run_are_said_loudly(small, tmp_path):
    shutil.copytree(small / "main", tmp_path / "main")
    write_run(tmp_path / "other", made_up(digest="f" * 16))
    (tmp_path / "dossier.toml").write_text(MINIMAL + '[[sensitivity]]\nname = "new"\nrun = "other"\n')
    assert "OTHER DATA: new was fitted to other tables" in make_dossier(tmp_path).sentence()


def test_the_page_of_dossiers_shows_every_field(tmp_path):
    from bayesmodels.dossier import read_dossier_config

    page = (Path(__file__).parents[2] / "docs" / "dossier.md").read_text()
    (block,) = re.findall(r"^```toml\n(.*?)^```", page, flags=re.S | re.M)
    (tmp_path / "dossier.toml").write_text(block)
    said = read_dossier_config(tmp_path).sections
    assert said.model_fields_set == set(type(said).model_fields)
    shown = (said.dossier, said.estimand, *said.estimand.intercurrent_events, *said.success, *said.prior)
    for section in (*shown, *said.sensitivity, *said.trials):
        assert section.model_fields_set == set(type(section).model_fields), type(section).__name__


EXAMPLE = Path(__file__).parents[2] / "data" / "examples" / "dossier"


def test_the_example_is_a_configuration_and_its_trials_decide_as_it_does():
    from bayesmodels.dossier import read_dossier_config
    from bayesmodels.run.config import read_config, read_toml

    said = read_dossier_config(EXAMPLE).sections
    run = read_toml(EXAMPLE / "analysis.toml")[1]
    for name in ("effect", "no_effect"):
        trials = read_toml(EXAMPLE / f"{name}.toml")[1]
        assert trials["model"] == run["model"]
        rules = [Rule.model_validate(rule) for rule in trials["decide"]]
        assert [rule.model_dump() for rule in rules] == [item.model_dump(exclude={"why"}) for item in said.success]
    assert read_config(EXAMPLE / "analysis.toml").model != read_config(EXAMPLE / "sceptical.toml").model
