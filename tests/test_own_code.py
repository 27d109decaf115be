"""Classes of one's own named in a configuration: found beside it, said before they run, refused in one line."""

import re
import sys
from pathlib import Path

import pytest
from test_run import invoke, write_trial

from bayesmodels.errors import BadConfig
from bayesmodels.parts.lookup import own_code
from bayesmodels.run.config import read_config

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "data" / "examples"
CONFIG = """
[study]
persons = "{place}/persons.csv"
visits = "{place}/visits.csv"
reference_group = "delayed"

[model]
type = "longitudinal"

[[model.outcomes]]
preset = "alsfrs_r"
{part}
"""


def documented_part():
    """The documented file of a part of one's own, and the line that names it in a configuration."""
    text = (ROOT / "docs" / "own_parts.md").read_text(encoding="utf-8")
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", text, re.S) if "class GradualSlowing" in block]
    (line,) = re.findall(r"`(effect = \{type = \"my_parts:GradualSlowing\".*?\})`", text, re.S)
    return code[: code.index("study = read_study")], " ".join(line.split())


@pytest.fixture
def forgotten():
    """Modules that a test imports are forgotten afterwards."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if not name.startswith("bayesmodels"):
            del sys.modules[name]


def config_in(folder, part, code=None, name="my_parts.py"):
    folder.mkdir(parents=True, exist_ok=True)
    if code is not None:
        (folder / name).write_text(code, encoding="utf-8")
    path = folder / "trial.toml"
    path.write_text(CONFIG.format(place=EXAMPLES / "simulated-trial", part=part), encoding="utf-8")
    return path


def refused(path):
    with pytest.raises(BadConfig) as caught:
        read_config(path)
    return caught.value.problems


def test_the_documented_part_works_as_printed_beside_the_configuration(tmp_path, forgotten):
    code, line = documented_part()
    config_in(tmp_path, line, code)
    done = invoke("check", tmp_path / "trial.toml")
    lines = done.stdout.splitlines()
    assert (done.exit_code, lines[-1]) == (0, f"{tmp_path / 'trial.toml'}: no problems found, 1 warning")
    assert lines[0].startswith("Study trial: 54 persons, 1,634 visits; controlled to week 30")
    note, warning = done.stderr.splitlines()
    assert note == "note: this configuration imports and runs code: my_parts:GradualSlowing"
    assert warning.startswith("warning: visits.csv: the model leaves out ")


def test_the_folder_is_searched_while_reading_only(tmp_path, forgotten):
    code, line = documented_part()
    before = list(sys.path)
    model = read_config(config_in(tmp_path, line, code)).model
    assert type(model.outcomes[0].effect).__name__ == "GradualSlowing"
    assert model.outcomes[0].effect.ramp == 2.0
    assert sys.path == before


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("def broken(:\n", "SyntaxError: "),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3"),
        ("import not_installed_anywhere\n", "No module named 'not_installed_anywhere'"),
        ("x = 1\n", "module 'their_parts' has no attribute 'Part'"),
    ],
)
def test_a_module_that_fails_is_one_line(tmp_path, forgotten, code, why):
    path = config_in(tmp_path, 'effect = {type = "their_parts:Part"}', code, "their_parts.py")
    (line,) = refused(path)
    told = "trial.toml: [model] outcomes, no. 1, effect: drug effect 'their_parts:Part' cannot be imported: "
    assert line.startswith(told + why)


def test_a_module_of_the_same_name_elsewhere_is_never_taken_for_it(tmp_path, forgotten):
    code, line = documented_part()
    read_config(config_in(tmp_path / "first", line, code))
    (told,) = refused(config_in(tmp_path / "second", line, code))
    assert "my_parts.py beside the configuration is not what Python finds under the name 'my_parts'" in told
    assert told.endswith("give the file another name")
    taken = config_in(tmp_path / "third", 'effect = {type = "json:Part"}', "class Part: ...", "json.py")
    assert "cannot be imported: json.py beside the configuration is not what Python finds" in refused(taken)[0]


def test_own_code_is_named_wherever_a_part_may_stand():
    spec = {
        "type": "mine:Model",
        "outcomes": [{"name": "a:b", "unit": "x:y", "trajectory": "mine:Course", "effect": {"type": "mine:Effect"}}],
        "events": [{"baseline": {"type": "weibull"}}, {"baseline": "mine:Hazard"}, {"baseline": "mine:Hazard"}],
    }
    assert own_code(spec) == ["mine:Model", "mine:Course", "mine:Effect", "mine:Hazard"]


def test_a_configuration_without_own_code_has_no_note(tmp_path):
    config = write_trial(tmp_path)
    config.write_text(config.read_text(encoding="utf-8").replace("toy_model:Toy", "nonsense"), encoding="utf-8")
    assert "imports and runs code" not in invoke("check", config).stderr
