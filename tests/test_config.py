import tomllib

import pytest

from bayesmodels.errors import BadConfig
from bayesmodels.run.config import config_hash, read_config, read_report_settings, slug

GOOD = """
[study]
name = "Toy Trial (2)"
persons = "persons.csv"
visits = "visits.csv"
reference_group = "delayed"

[model]
type = "toy_model:Toy"

[sampling]
draws = 50
seed = 1
"""


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "trial.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def problems(path):
    with pytest.raises(BadConfig) as caught:
        read_config(path)
    return list(caught.value.problems)


def test_a_good_config_is_read(written):
    config = read_config(written(GOOD))
    assert config.name == "Toy Trial (2)"
    assert config.sections.sampling.draws == 50
    assert type(config.model).__name__ == "Toy"
    assert tomllib.loads(config.text)["study"]["persons"] == "persons.csv"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("draws = 50", "drawz = 50"), "trial.toml: [sampling] drawz: unknown key; did you mean 'draws'?"),
        (("[study]", "[studie]"), "trial.toml: studie: unknown key; did you mean 'study'?"),
        (("visits =", "visit ="), "trial.toml: [study] visit: unknown key; did you mean 'visits'?"),
        (("draws = 50", "draws = 'many'"), "trial.toml: [sampling] draws: input should be a valid integer, unable to "
                                           "parse string as an integer; got 'many'"),
        (('persons = "persons.csv"', ""), "trial.toml: [study] persons: expected a value, found none"),
        (("[sampling]", "[data]\ntable = 'valor_visits'\n[sampling]"),
         "trial.toml: expected either [study] (tables of persons) or [data] (published means), found both"),
        (("[sampling]", "[report]\ninterval = 95\n[sampling]"),
         "trial.toml: [report] interval: input should be less than 1; got 95"),
        (("[sampling]", "[archive]\npersonz = true\n[sampling]"),
         "trial.toml: [archive] personz: unknown key; did you mean 'persons'?"),
    ],
)  # fmt: skip
def test_each_problem_has_its_line(written, change, line):
    assert line in problems(written(GOOD.replace(*change)))


def test_all_problems_are_listed_at_once(written):
    text = GOOD.replace("draws = 50", "drawz = 50\nchains = 0").replace("visits =", "visit =")
    found = problems(written(text))
    assert len(found) == 4  # visits missing, visit unknown, drawz unknown, chains
    assert all(line.startswith("trial.toml: ") for line in found)


def test_text_that_is_not_toml_is_refused_with_the_line(written):
    assert "not valid TOML" in problems(written("[study\n"))[0]
    assert "line 1" in problems(written("[study\n"))[0]
    for value, hint in (
        ("trial", "; text stands in quotes"),
        ("True", "; write true"),
        (".05", "; a number begins with a digit: 0.5"),
        ("None", ""),
        ("", ""),
    ):
        (line,) = problems(written(f"[study]\nname = {value}\n"))
        assert line.endswith(f"(at line 2, column 8){hint}"), value


def test_a_file_that_is_not_there(tmp_path):
    assert problems(tmp_path / "no.toml")[0].endswith(
        "cannot be read (No such file or directory); expected a TOML file"
    )


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ("table = 'nonsense'",
         "[data]: expected table = a .csv or .parquet file, or 'valor_visits' or 'healey_cnmau8_alsfrs_visits', "
         "got 'nonsense'"),
        ("table = 'means.csv'", "[data]: drug_start_week: expected with a table of one's own, found none"),
        ("table = 'valor_visits'\nreference_group = 'delayed'",
         "[data]: reference_group: not used with table = 'valor_visits'; delete it"),
        ("table = 'valor_visits'\n[archive]\npersons = true",
         "[archive] persons: expected false with [data], which has no persons"),
        ("table = 'healey_cnmau8_alsfrs_visits'\nseries = 'valor_2021'\nplacebo = 'shared'",
         "[data]: series: not used with table = 'healey_cnmau8_alsfrs_visits'; delete it"),
        ("table = 'valor_visits'\nplacebo = 'shared'",
         "[data]: placebo: not used with table = 'valor_visits'; delete it"),
        ("table = 'valor_visits'\nuntil = 28", "[data] until: unknown key; did you mean 'until_week'?"),
    ],
)  # fmt: skip
def test_published_means_have_keys_of_their_own(written, data, line):
    text = GOOD[GOOD.index("[model]") :] + f"[data]\n{data}\n"
    found = problems(written(text))
    assert any(line.removeprefix("[data]: ") in problem for problem in found), found


LONGITUDINAL = """
type = "longitudinal"
[[model.outcomes]]
preset = "nfl_plasma"
[[model.outcomes]]
preset = "alsfrs_r"
"""
JOINT = """
type = "joint_event"
[[model.outcomes]]
preset = "alsfrs_r"
[[model.events]]
name = "death"
baseline = {type = "piecewise", pieces = 3}
"""


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("longitudinal", "longitudinel"), "[model] type: unknown model 'longitudinel'; did you mean 'longitudinal'?"),
        (('type = "longitudinal"', 'poolin = "none"\ntype = "longitudinal"'),
         "[model] poolin: unknown key; did you mean 'pooling'?"),
        (('type = "longitudinal"', 'type = "longitudinal"\ncovariates = {levl = ["age"]}'),
         "[model] covariates, levl: unknown key; did you mean 'level'?"),
        (('preset = "nfl', 'presett = "nfl'), "[model] outcomes, no. 1, presett: unknown key; did you mean 'preset'?"),
        (('preset = "alsfrs_r"', 'preset = "alsfrs_r"\neffect = {type = "plateau", lagg = 1}'),
         "[model] outcomes, no. 2, effect, lagg: unknown key; did you mean 'lag'?"),
        (('"alsfrs_r"', '"alsfrsr"'), "[model] outcomes, no. 2: unknown preset 'alsfrsr'; did you mean 'alsfrs_r'?"),
        (('preset = "alsfrs_r"', 'preset = "alsfrs_r"\neffect = {type = "plateau", lag = -1}'),
         "[model] outcomes, no. 2, effect, lag: expected a lag of 0 months or more"),
        (('preset = "alsfrs_r"', 'preset = "alsfrs_r"\ntrajectory = {type = "linea"}'),
         "[model] outcomes, no. 2, trajectory: unknown trajectory 'linea'; did you mean 'linear'?"),
        ((LONGITUDINAL, JOINT.replace("pieces", "peices")),
         "[model] events, no. 1, baseline, peices: unknown key; did you mean 'pieces'?"),
    ],
)  # fmt: skip
def test_unknown_keys_inside_the_model_name_the_nearest(written, change, line):
    text = GOOD.replace('type = "toy_model:Toy"', LONGITUDINAL.replace(*change))
    assert any(problem.startswith(f"trial.toml: {line}") for problem in problems(written(text)))


def _hash(written, change=("", ""), digests=("abc",)):
    return config_hash(read_config(written(GOOD.replace(*change))), digests)


@pytest.mark.parametrize(
    "change",
    [
        ('name = "Toy Trial (2)"', 'name = "another"'),
        ('persons = "persons.csv"', 'persons = "elsewhere/persons.parquet"'),
        ("draws = 50", "draws = 50\ncores = 1\nprogress = false"),
        ("draws = 50", "draws = 50\ntune = 1000"),  # the default, written out
    ],
)
def test_names_paths_cores_and_progress_do_not_change_the_hash(written, change):
    assert _hash(written, change) == _hash(written)


@pytest.mark.parametrize(
    "change",
    [
        ("seed = 1", "seed = 2"),
        ("draws = 50", "draws = 51"),
        ('type = "toy_model:Toy"', 'type = "toy_model:Toy"\nscale = 2'),
        ('"delayed"', '"early"'),
        ("[sampling]", "[report]\ninterval = 0.9\n[sampling]"),
    ],
)
def test_what_changes_the_result_changes_the_hash(written, change):
    assert _hash(written, change) != _hash(written)


def test_limits_of_convergence_are_no_part_of_the_hash_and_are_checked(written):
    own = ("[sampling]", "[report.convergence]\nworst_rhat = 1.1\n[sampling]")
    assert _hash(written, own) == _hash(written)
    assert read_report_settings(written("[report.convergence]\ness = 200\n")).convergence.ess == 200
    with pytest.raises(BadConfig, match="did you mean 'worst_ess'"):
        read_report_settings(written("[report.convergence]\nworst_es = 20\n"))
    with pytest.raises(BadConfig, match=r"worst_ess: expected 400 \(ess\) or less, got 500"):
        read_report_settings(written("[report.convergence]\nworst_ess = 500\n"))


def test_the_data_change_the_hash(written):
    assert _hash(written, digests=("abd",)) != _hash(written)
    assert len(_hash(written)) == 8


def test_report_settings_are_read_whatever_else_the_file_holds(written):
    assert read_report_settings(written("[nonsense]\n[report]\ninterval = 0.5\n")).interval == 0.5
    with pytest.raises(BadConfig, match="did you mean 'interval'"):
        read_report_settings(written("[report]\nintervals = 0.5\n"))


@pytest.mark.parametrize(
    ("name", "expected"), [("Toy Trial (2)", "toy-trial-2"), ("***", "run"), ("a" * 50, "a" * 40), ("été 1", "t-1")]
)
def test_slug(name, expected):
    assert slug(name) == expected


SAID = 'distinct_labels = [["a", "A"]]\nevent_labels = {dead = "death", censored = "none"}'


def test_what_is_said_of_labels_is_in_the_digest_of_the_data_and_not_twice_in_the_hash(written):
    """The same tables are the same run, whether they were corrected or read as corrected."""
    assert _hash(written, ("[model]", f"{SAID}\n[model]")) == _hash(written)
    section = read_config(written(GOOD.replace("[model]", f"{SAID}\n[model]"))).sections.study
    assert section.distinct_labels == (("a", "A"),)
    assert section.event_labels == {"dead": "death", "censored": "none"}


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ('distinct_labels = "a"', "trial.toml: [study] distinct_labels: "),
        ("event_labels = {dead = 1}", "trial.toml: [study] event_labels, dead: expected text in quotes; got 1"),
        (
            'event_label = {dead = "death"}',
            "trial.toml: [study] event_label: unknown key; did you mean 'event_labels'?",
        ),
    ],
)
def test_keys_about_labels_of_another_kind(written, key, line):
    assert any(found.startswith(line) for found in problems(written(GOOD.replace("[model]", f"{key}\n[model]"))))


def test_labels_of_tables_of_ones_own_may_be_settled_and_the_packages_need_not(written):
    text = GOOD[GOOD.index("[model]") :] + "[data]\ntable = '{}'\ndistinct_labels = [['a', 'A']]\n{}"
    starts = "reference_group = 'a'\ndrug_start_week = {a = 0}"
    assert read_config(written(text.replace("{}", "m.csv", 1).replace("{}", starts, 1))).sections.data is not None
    found = problems(written(text.replace("{}", "valor_visits", 1).replace("{}", "", 1)))
    assert found == ["trial.toml: data: distinct_labels: not used with table = 'valor_visits'; delete it"]
