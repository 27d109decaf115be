"""pbcseq, joint models of visits and exits: partially collapsed person terms against ordinary non-centred ones, nutpie.

    python benchmarks/joint.py [--form "joint weibull"] [--draws 1000 --tune 1000 --chains 4 --cores 2 --seed 1]

One row a form, each in a process of its own; compiled code is kept between them in a folder of the benchmark's own, so
that the first row's compile time is a cold one and the others' are partly warm.
"""

from __future__ import annotations

import argparse
import tempfile

from cold_and_warm import measured
from fit_once import add_sampling
from forms import PBCSEQ
from joint_forms import JOINT_FORMS
from rich.console import Console
from rich.table import Table

COLUMNS = (
    "compile", "sampling", "everything", "R-hat", "divergences", "ESS", "of", "association", "per sampling s",
    "gradients",
)  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--form", action="append", choices=list(JOINT_FORMS))
    add_sampling(parser)
    given = vars(parser.parse_args())
    forms = given.pop("form") or list(JOINT_FORMS)
    options = [part for name, value in given.items() for part in (f"--{name}", str(value))]
    table = Table(title="pbcseq, joint models; CPU seconds; ESS: worst bulk ESS of all parameters but person terms")
    table.add_column("form")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    console = Console(width=180)
    with tempfile.TemporaryDirectory() as caches:
        for form in forms:
            found = measured(form, options, caches)
            seconds = found["seconds"]
            cells = [f"{v:.1f}" for v in (seconds["compile"], seconds["sample"], found["total"])]
            cells += [f"{found['rhat']:.4f}", str(found["divergences"]), f"{found['ess']:.0f}", found["worst"]]
            cells += [f"{found['association_ess']:.0f}", f"{found['ess'] / seconds['sample']:.1f}"]
            cells += [str(found["gradients"])]
            table.add_row(form, *cells)
            console.print(f"{form}: {', '.join(f'{c} {v}' for c, v in zip(COLUMNS, cells, strict=True))}")
    console.print(table)


if __name__ == "__main__":
    if not PBCSEQ.exists():
        raise SystemExit(f"{PBCSEQ}: not there; it is pbcseq of the R package survival; nothing measured")
    main()
