"""A study as a value: a toy study from its command line to its page."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayesmodels.trials.results import Results, rendered, run_once
from bayesmodels.trials.specification import FitsSpec, TrialsSpec
from bayesmodels.trials.study import TrialsStudy, Variant

PAGE = """\
# {{ manifest.study }}

    {{ command }}

{% block verdict %}
Mean {{ mean|f(".4f") }} over {{ n }} of {{ planned }}.
{% endblock %}
"""


@dataclass(frozen=True, kw_only=True)
class TossSpec(TrialsSpec):
    """A mean to be found."""

    mean: float = 0.0
    size: int = 3


def toss(spec, number):
    """Mean of normal numbers."""
    return {"value": float(spec.stream(number).normal(spec.mean, 1.0, spec.size).mean())}


def results(records, spec):
    """Values, unrounded."""
    return Results({"values": pd.DataFrame({"value": [r["value"] for r in records]})}, {"size": spec.size})


@pytest.fixture
def study(tmp_path):
    template = tmp_path / "page.md.j2"
    template.write_text(PAGE)
    variants = tuple(
        Variant(f"Toss {name}", f"kept/{name}", TossSpec(variant=name, mean=mean), 4, least=2, most=6)
        for name, mean in (("low", -5.0), ("high", 5.0))
    )
    return TrialsStudy(
        "toy.toss", "Tosses.", variants, toss, results, template,
        lambda files, variant: {"mean": files["values"]["value"].mean()},
    )  # fmt: skip


def run(study, tmp_path, *words):
    assert study.main([*words, "--log", str(tmp_path / "log"), "--out", str(tmp_path / "out")]) == 0
    return tmp_path / "out"


def test_a_study_runs_from_its_command_line_and_its_page_says_how(study, tmp_path, capsys):
    out = run(study, tmp_path, "high", "--size", "5", "--seed", "7")
    streams = [np.random.default_rng(np.random.SeedSequence(7, spawn_key=(k,))) for k in range(4)]
    values = [rng.normal(5.0, 1.0, 5).mean() for rng in streams]
    np.testing.assert_allclose(pd.read_csv(out / "values.csv")["value"], values, rtol=1e-5)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["settings"] == {"variant": "high", "seed": 7, "mean": 5.0, "size": 5}
    assert manifest["command"] == "python -m toy.toss high --trials 4 --seed 7 --size 5 --out kept/high"
    assert (manifest["trials"], manifest["planned"], manifest["size"]) == (4, 4, 5)
    text = (out / "README.md").read_text()
    assert text == study.page(out, "high")
    assert text.startswith(f"# Toss high\n\n    {manifest['command']}\n")
    assert capsys.readouterr().out == f"Mean {np.mean(values):.4f} over 4 of 4.\n"


def test_more_trials_go_on_from_the_log_and_another_specification_is_refused(study, tmp_path):
    first = pd.read_csv(run(study, tmp_path, "low") / "values.csv")
    more = pd.read_csv(run(study, tmp_path, "low", "--trials", "6") / "values.csv")
    pd.testing.assert_frame_equal(more.head(4), first)
    with pytest.raises(ValueError, match="other settings"):
        run(study, tmp_path, "low", "--size", "9")


def test_processes_give_the_same_records(study, tmp_path):
    one = pd.read_csv(run(study, tmp_path / "one", "low") / "values.csv")
    two = pd.read_csv(run(study, tmp_path / "two", "low", "--workers", "2") / "values.csv")
    pd.testing.assert_frame_equal(one, two)


@pytest.mark.parametrize(
    "words", [("sideways",), ("low", "--trials", "7"), ("low", "--trials", "1"), ("low", "--depth", "2")]
)
def test_what_a_study_does_not_have_is_refused_before_it_runs(study, tmp_path, words, capsys):
    with pytest.raises(SystemExit):
        run(study, tmp_path, *words)
    assert "usage: python -m toy.toss" in capsys.readouterr().err
    assert not (tmp_path / "log").exists()


def test_settings_of_a_fit_are_those_of_the_specification_with_a_seed_from_the_trial():
    spec = FitsSpec(chains=2, tune=11, draws=12, target_accept=0.7, max_treedepth=6)
    settings = spec.settings(spec.stream(3))
    assert settings.model_dump(exclude={"seed", "progress", "sampler"}) == {
        "draws": 12, "tune": 11, "chains": 2, "cores": 1, "target_accept": 0.7, "max_treedepth": 6,
    }  # fmt: skip
    assert settings.seed == int(np.random.default_rng(np.random.SeedSequence(1, spawn_key=(3,))).integers(2**31))
    assert spec.settings(spec.stream(4)).seed != settings.seed


def test_a_study_without_trials_has_the_same_folder(tmp_path):
    table = pd.DataFrame({"kind": ["null", None], "value": [0.1234567, 2.0]})
    template = tmp_path / "page.md.j2"
    template.write_text("{% for v in values.value %}{{ v }};{% endfor %} {{ values.kind[0] }}")

    def page(folder: Path) -> str:
        return rendered(template, {"values": pd.read_csv(folder / "values.csv", keep_default_na=False)})

    assert run_once("toy", None, lambda: Results({"values": table}, {"n": 2}), page, ["--out", str(tmp_path)]) == 0
    assert (tmp_path / "README.md").read_text() == "0.123457;2.0; null"
    assert json.loads((tmp_path / "manifest.json").read_text()) == {"n": 2}
