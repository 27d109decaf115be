"""Compare what an sdist and wheels hold with what they should: package, evidence, README, CHANGELOG, LICENSE.

python .ci/contents.py REPOSITORY SDIST WHEEL...
"""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import PurePosixPath

EVIDENCE = "data/evidence"
TABLES = "bayesmodels/study/evidence/tables"
OF_SDIST = ("README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml")
MADE = {"PKG-INFO", ".gitignore"}
"""What the build backend adds to an sdist."""


def main(repository: str, sdist: str, *wheels: str) -> int:
    """Print what differs; 1 where anything does."""
    tracked = subprocess.run(
        ["git", "-C", repository, "ls-files"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    package = {name for name in tracked if name.startswith("bayesmodels/")}
    evidence = {name for name in tracked if name.startswith(f"{EVIDENCE}/")}
    with tarfile.open(sdist) as archive:
        found = {str(PurePosixPath(*PurePosixPath(name).parts[1:])) for name in archive.getnames()} - MADE
    wrong = differing(sdist, found, package | evidence | set(OF_SDIST))
    wanted = package | {name.replace(EVIDENCE, TABLES, 1) for name in evidence}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            names = {name for name in archive.namelist() if not name.endswith("/")}
        info = {name for name in names if ".dist-info/" in name}
        wrong += differing(wheel, names - info, wanted)
        if not any(name.endswith("/licenses/LICENSE") for name in info):
            wrong.append(f"{wheel}: no LICENSE")
    print("\n".join(wrong) or f"sdist and wheel: {len(package)} files of the package, {len(evidence)} of evidence, "
          f"{', '.join(OF_SDIST)}")  # fmt: skip
    return int(bool(wrong))


def differing(archive: str, found: set[str], wanted: set[str]) -> list[str]:
    """Lines for names that are missing or should not be there."""
    missing = [f"{archive}: {name} is missing" for name in sorted(wanted - found)]
    return missing + [f"{archive}: {name} should not be in it" for name in sorted(found - wanted)]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
