"""The committed page of every study is the one that its committed tables and manifest give."""

import re
from decimal import Decimal
from importlib import import_module
from pathlib import Path

import pytest
from validation.design_valor import study as design_valor
from validation.speed import page as speed
from validation.valor import study as valor
from validation.valor_exits import page as valor_exits

ROOT = Path(__file__).parents[2]
STUDIES = (
    "borrowing", "borrowing_decline", "calibration", "few_trials", "generator", "hazard_priors", "individual_level",
    "joint_recovery", "platform_trials", "recovery", "surrogacy_verdicts",
)  # fmt: skip
VARIANTS = [
    (study, variant)
    for study in (import_module(f"validation.{name}.study").STUDY for name in STUDIES)
    for variant in study.variants
    if (ROOT / variant.folder / "manifest.json").exists()
]
PAGES = {
    variant.folder: (lambda s=study, v=variant: s.page(ROOT / v.folder, v.spec.variant)) for study, variant in VARIANTS
}
PAGES["reports/validation/design_valor"] = lambda: design_valor.page(ROOT / "reports/validation/design_valor")
PAGES["reports/validation/valor"] = lambda: valor.page(ROOT / "reports/validation/valor")
PAGES["reports/validation/valor_exits"] = lambda: valor_exits.page(ROOT / "reports/validation/valor_exits")
if (ROOT / "reports/validation/speed/manifest.json").exists():
    PAGES["reports/validation/speed"] = lambda: speed.page(ROOT / "reports/validation/speed")
ROUNDED = {
    "reports/validation/joint_recovery": 1,
    "reports/validation/generator": 3,
}
"""Pages that were made from numbers of more digits than their tables keep: how many numbers differ, in the last."""

NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:e-?\d+)?")


def test_every_folder_of_results_has_a_study():
    folders = {path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("reports/validation/**/manifest.json")}
    assert folders == set(PAGES)


@pytest.mark.parametrize("folder", PAGES)
def test_the_committed_page_is_of_the_committed_tables(folder):
    committed, made = (ROOT / folder / "README.md").read_text(), PAGES[folder]()
    if folder not in ROUNDED:
        assert made == committed
        return
    assert NUMBER.sub("#", made) == NUMBER.sub("#", committed)
    pairs = zip(NUMBER.findall(made), NUMBER.findall(committed), strict=True)
    different = [(Decimal(a), Decimal(b)) for a, b in pairs if a != b]
    assert len(different) == ROUNDED[folder]
    for a, b in different:
        assert abs(a - b) <= Decimal(10) ** max(a.as_tuple().exponent, b.as_tuple().exponent)


@pytest.mark.parametrize("folder", PAGES)
def test_the_command_on_a_page_runs_a_module_that_is_there(folder):
    command = re.search(
        r"python -m (validation\.\w+)[^`\n]* --out (\S+?)[`\n]", (ROOT / folder / "README.md").read_text()
    )
    assert command[2] == folder
    assert import_module(f"{command[1]}.__main__")
