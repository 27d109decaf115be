"""README, CONTRIBUTING and the pages of `docs` hold what they promise: links, commands, configurations, imports."""

import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from bayesmodels import prior_table, read_study
from bayesmodels.cli import app
from bayesmodels.errors import BadConfig
from bayesmodels.models import MODELS, model_class, model_from_spec
from bayesmodels.models.presets import PRESETS
from bayesmodels.models.published_means.courses import courses_of
from bayesmodels.parts.effects import EFFECTS
from bayesmodels.parts.hazards import HAZARDS
from bayesmodels.parts.trajectories import TRAJECTORIES
from bayesmodels.planning import EffectPrior, Grid, InterimLooks, PlannedEndpoint, Programmes
from bayesmodels.planning.config import DesignSections, Planning, read_design_config
from bayesmodels.run.check import checked
from bayesmodels.run.config import read_config
from bayesmodels.trials.config import StudyOfTrials, TrialsSections, read_trials_config
from bayesmodels.trials.truths import Design, Reading

MODEL_FIELDS = model_class("visit").model_fields
ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "data" / "examples"
CONFIGURATION = ROOT / "docs" / "configuration.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def text_of(page):
    return page.read_text(encoding="utf-8")


def blocks(page, language):
    """Fenced blocks of a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(page), flags=re.S | re.M)


def anchors(page):
    """Fragments that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text_of(page), flags=re.S | re.M), flags=re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def whole_configurations():
    """TOML blocks that are a whole configuration: a model and its data."""
    found = [(page, block) for page in PAGES for block in blocks(page, "toml")]
    keys = [set(tomllib.loads(block)) for _, block in found]
    return [
        each
        for each, own in zip(found, keys, strict=True)
        if {"study", "data"} & own and not {"trials", "planning", "persons"} & own
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page):
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text_of(page)) if "://" not in link]
    for link in links:
        place, _, fragment = link.partition("#")
        target = page.parent / place if place else page
        assert target.exists(), link
        assert not fragment or fragment in anchors(target), link


def test_every_page_is_reached_from_the_readme():
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in PAGES and page not in reached:
            reached.add(page)
            waiting += [(page.parent / link).resolve() for link in re.findall(r"\]\(([^)#]+)", text_of(page))]
    assert reached == set(PAGES)


def test_the_page_of_commands_shows_every_command():
    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    shell = {page: "\n".join(blocks(page, "sh")) for page in PAGES}
    used = {page: set(re.findall(r"^bayesmodels ([\w-]+)", text, flags=re.M)) for page, text in shell.items()}
    assert used[ROOT / "docs" / "commands.md"] == known
    assert all(names <= known for names in used.values())


def test_whole_configurations_are_accepted(tmp_path):
    whole = whole_configurations()
    assert len(whole) > 3
    for page, block in whole:
        path = tmp_path / "trial.toml"
        path.write_text(block, encoding="utf-8")
        assert read_config(path).sections.model == tomllib.loads(block)["model"], page.name


def test_the_configurations_of_many_trials_are_accepted(tmp_path):
    (whole,) = blocks(ROOT / "docs" / "trials.md", "toml")
    path = tmp_path / "trials.toml"
    path.write_text(whole, encoding="utf-8")
    read = read_trials_config(path)
    said = tomllib.loads(whole)
    assert read.sections.trials.fits == said["trials"]["fits"]
    assert set(said) == set(TrialsSections.model_fields)
    for name, section in (("trials", StudyOfTrials), ("design", Design), ("study", Reading)):
        shown = set(said[name]) | ({"start_groups"} if name == "design" else set())
        assert shown == set(section.model_fields), name


def test_the_configuration_of_a_planned_trial_is_accepted(tmp_path):
    (whole,) = blocks(ROOT / "docs" / "design.md", "toml")
    path = tmp_path / "design.toml"
    path.write_text(whole, encoding="utf-8")
    read = read_design_config(path)
    said = tomllib.loads(whole)
    assert len(read.plan.cells) == 4 * 2 * 2 + 4 * 2
    assert set(said) == set(DesignSections.model_fields)
    sections = (("planning", Planning), ("grid", Grid), ("interim", InterimLooks), ("programmes", Programmes))
    for name, section in (*sections, ("assurance", EffectPrior)):
        assert set(said[name]) == set(section.model_fields), name
    assert set(said["endpoints"][0]) | {"known_sd"} == set(PlannedEndpoint.model_fields)
    path.write_text(whole.replace('engine = "fast"', 'engine = "model"'), encoding="utf-8")
    with pytest.raises(BadConfig, match=r"\[interim\] futility_by: expected \"posterior\", since a model is fitted"):
        read_design_config(path)


def test_the_configuration_has_no_problems_with_tables_like_those_it_describes(tmp_path):
    (block,) = [block for page, block in whole_configurations() if page == CONFIGURATION and "[study]" in block]
    path = tmp_path / "trial.toml"
    path.write_text(block, encoding="utf-8")
    for name in ("persons", "visits", "events"):
        table = (EXAMPLES / "simulated-trial" / f"{name}.csv").read_text(encoding="utf-8")
        (tmp_path / f"{name}.csv").write_text(table, encoding="utf-8")
    score = [line.split(",") for line in (tmp_path / "visits.csv").read_text().splitlines() if ",alsfrs_r," in line]
    with (tmp_path / "visits.csv").open("a", encoding="utf-8") as file:
        file.writelines(f"{person},{week},albumin,{3 + float(value) / 48:.2f}\n" for person, week, _, value in score)
    assert checked(path)[0] == []
    config = read_config(path)
    assert [outcome.name for outcome in config.model.outcomes] == ["nfl_plasma", "alsfrs_r", "albumin"]
    assert config.settings.seed == tomllib.loads(block)["sampling"]["seed"]


def test_the_events_of_a_joint_model_fit_the_configuration_they_are_added_to(tmp_path):
    (events,) = [block for block in blocks(CONFIGURATION, "ini") if "[[model.events]]" in block]
    (whole,) = [block for page, block in whole_configurations() if page == CONFIGURATION and "[study]" in block]
    head, model, rest = whole.partition("[sampling]")
    joint = head.replace('type = "longitudinal"', 'type = "joint_event"') + events + model + rest
    path = tmp_path / "trial.toml"
    path.write_text(joint, encoding="utf-8")
    assert [event.name for event in read_config(path).model.events] == ["death"]


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("trajectories", TRAJECTORIES),
        ("drug effects", EFFECTS),
        ("baseline hazards", HAZARDS),
        ("presets", PRESETS),
        ("models", set(MODELS) - {"one_stage"}),  # of a table of clusters, which no configuration names
    ],
)
def test_the_page_of_configurations_names_every_type(kind, names):
    text = "\n".join(blocks(ROOT / "docs" / "configuration.md", "(?:toml|ini)"))
    missing = [name for name in names if not re.search(rf"\b{name}\b", text)]
    assert not missing, f"{kind} that docs/configuration.md does not name"


def without_sources(effect):
    return {
        name: value if not isinstance(value, dict) else {k: v for k, v in value.items() if k != "source"}
        for name, value in effect.model_dump().items()
    }


def test_effects_spelt_out_are_the_presets_with_a_shift():
    (block,) = [b for b in blocks(ROOT / "docs" / "configuration.md", "ini") if "extension_shift" in b]
    model = model_from_spec({"type": "longitudinal"} | tomllib.loads(block)["model"])
    own = [without_sources(outcome.effect) for outcome in model.outcomes]
    presets = [without_sources(PRESETS[outcome.name]().effect) for outcome in model.outcomes]
    assert {name for name, value in own[0].items() if value != presets[0][name]} == {
        "extension_shift",
        "extension_weeks",
    }
    assert own[1] == presets[1]


def test_effects_of_published_means_spelt_out_are_a_model():
    (block,) = [b for b in blocks(ROOT / "docs" / "configuration.md", "ini") if "drop_gain" in b]
    model = model_from_spec({"type": "published_means"} | tomllib.loads(block)["model"])
    nfl, score = model.outcomes
    assert without_sources(nfl.effect)["size"] == {"type": "normal", "mean": -0.7, "sd": 0.5}
    assert (type(score.effect).__name__, score.effect.outcome) == ("DropGain", nfl.name)
    assert {p.name for p in courses_of(model.outcomes)} >= {"alsfrs_r_gain", "alsfrs_r_deceleration", "nfl_plasma_lag"}


def test_the_page_of_models_states_every_prior_of_the_default_model():
    study = read_study(EXAMPLES / "simulated-trial", reference_group="delayed", strata=True)
    model = model_from_spec({"type": "longitudinal", "outcomes": ["nfl_plasma", "alsfrs_r"]})
    both = ("nfl_plasma", "alsfrs_r")
    lines = re.findall(r"^\|(.+)\|(.+)\|(.+)\|.+\|$", text_of(ROOT / "docs" / "models.md"), flags=re.M)[2:]
    stated = {(k, name.strip()): prior.strip() for name, *cells in lines for k, prior in zip(both, cells, strict=True)}
    table = prior_table(model, study)
    expected = {
        (k, row.parameter): row.prior
        for row in table.itertuples()
        for k in (both if row.outcome == "all" else [row.outcome])
    }
    assert {place: prior for place, prior in stated.items() if prior} == expected


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_imported_names_exist(page):
    imports = re.findall(r"^from (bayesmodels[\w.]*) import (.+)$", "\n".join(blocks(page, "python")), flags=re.M)
    for module, names in imports:
        assert all(hasattr(import_module(module), name.strip()) for name in names.split(","))


def test_the_example_of_means_by_visit_runs(monkeypatch):
    """With few draws, from the root of a clone."""
    (example,) = blocks(ROOT / "docs" / "means_by_visit.md", "python")
    assert "NutsSettings(seed=1)" in example
    monkeypatch.chdir(ROOT)
    names = {}
    few = "NutsSettings(seed=1, draws=150, tune=200, chains=2, progress=False)"
    exec(example.replace("NutsSettings(seed=1)", few), names)
    assert names["result"].tables["dropout_pooled"]["strategy"].tolist()[0] == "missing_at_random"
    assert set(names["result"].tables["differences"]["week"]) == {0, 4, 8, 12, 16, 20, 24, 28}


def test_the_configuration_of_means_by_visit_is_a_model():
    (block,) = [b for b in blocks(ROOT / "docs" / "configuration.md", "ini") if 'type = "visit"' in b]
    spec = tomllib.loads(block)["model"]
    assert set(spec) == set(MODEL_FIELDS) - {"outcomes"}
    assert model_from_spec(spec | {"outcomes": ["alsfrs_r"]}).covariance == "unstructured"


def test_the_readme_imports_names():
    assert "from bayesmodels import " in "\n".join(blocks(ROOT / "README.md", "python"))
