"""Compiled kernels are cached where the user says, and never fail on a package folder that cannot be written."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bayesmodels

CODE = """
from bayesmodels.kernels.linear_mixed import likelihood as linear_mixed
print(linear_mixed.__file__)
print(linear_mixed.correlation_factor._cache.cache_path)
"""


@pytest.fixture(scope="module")
def closed_site(tmp_path_factory):
    """A copy of the package in which no `__pycache__` can be made, whoever runs the tests: a file is in its place."""
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(
        Path(bayesmodels.__file__).parent, site / "bayesmodels", ignore=shutil.ignore_patterns("__pycache__")
    )
    for folder in [entry for entry in site.rglob("*") if entry.is_dir()]:
        (folder / "__pycache__").write_text("no folder can be made here")
    return site


def cache_path(site, home, env):
    """Where numba keeps a kernel of the package in `site`, in a fresh process."""
    plain = {name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    plain |= {"HOME": str(home), "PYTHONPATH": str(site), "PYTENSOR_FLAGS": f"base_compiledir={home}/pytensor"}
    done = subprocess.run(
        [sys.executable, "-c", CODE], env=plain | env, capture_output=True, text=True, cwd=home, check=False
    )
    assert done.returncode == 0, done.stderr
    module, path = done.stdout.split()
    assert Path(module).is_relative_to(site)
    return Path(path)


def test_a_package_that_cannot_be_written_is_cached_in_the_users_own_folder(closed_site, tmp_path):
    assert cache_path(closed_site, tmp_path, {}).is_relative_to(tmp_path)


def test_numba_cache_dir_is_honoured(closed_site, tmp_path):
    chosen = tmp_path / "chosen"
    assert cache_path(closed_site, tmp_path, {"NUMBA_CACHE_DIR": str(chosen)}).is_relative_to(chosen)


def test_a_kernel_kept_on_disk_is_compiled_anew_when_one_that_it_calls_has_changed(tmp_path):
    """Numba alone looks at the caller's own file only, and would go on with the old code inside it."""
    site = tmp_path / "site"
    shutil.copytree(
        Path(bayesmodels.__file__).parent, site / "bayesmodels", ignore=shutil.ignore_patterns("__pycache__")
    )
    kernels, decorator = site / "bayesmodels" / "kernels", "from bayesmodels.kernels.compiled import kernel"
    called = decorator + "\n\n\n@kernel(False)\ndef one():\n    return {}\n"
    (kernels / "calling.py").write_text(
        f"{decorator}\nfrom bayesmodels.kernels.called import one\n\n\n@kernel(False)\ndef two():\n    return one()\n"
    )
    code = "from bayesmodels.kernels.calling import two; print(two(), len(two._cache_hits))"
    env = os.environ | {"PYTHONPATH": str(site), "NUMBA_CACHE_DIR": str(tmp_path / "numba")}
    printed = []
    for number in (1.5, 1.5, 2.5):
        if not printed or number == 2.5:
            (kernels / "called.py").write_text(called.format(number))
        done = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, cwd=tmp_path, check=False
        )
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout.split())
    assert printed == [["1.5", "0"], ["1.5", "1"], ["2.5", "0"]]
