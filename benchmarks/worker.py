"""One cell of the table in a process of its own: prepare each rival, then time them by turns. Speaks JSON lines."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from cells import say, settle

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

BUDGET = 60.0
"""Seconds for the turns of all; only an evaluation of many seconds comes near."""


def main(name: str, kind: str, batch: int, rounds: int, names: list[str]) -> None:
    import numpy as np
    import rivals

    import models
    from tapeless.bench.measure import Way, by_turns, clock_for

    by_name = {model.name: model for model in (*models.MODERATE, *models.LARGE, *between(models))}
    model = by_name[name]
    points = np.array(model.points(min(batch, 500)))
    points = np.ascontiguousarray(np.resize(points, (batch, model.size)))
    ready, wanted = {}, None
    for rival in names:
        say(event="start", rival=rival)
        try:
            prepared = rivals.RIVALS[rival](model, kind, points)
            error = None
            if prepared.result is not None:
                found = np.asarray(prepared.result()).ravel()
                wanted = found if wanted is None else wanted
                error = float(np.max(np.abs(found - wanted)) / np.max(np.abs(wanted)))
            if prepared.many is not None:
                prepared.many()
        except ImportError:
            say(event="missing", rival=rival)
            continue
        say(
            event="prepared",
            rival=rival,
            operations=prepared.operations,
            build=prepared.build,
            compile=prepared.compile,
            error=error,
        )
        if prepared.one is not None:
            ready[rival] = prepared
    say(event="start", rival="")
    for what in ("one", "many"):
        ways = {rival: Way(getattr(prepared, what)) for rival, prepared in ready.items()}
        for rival, timing in by_turns(
            ways, seconds=BUDGET, fewest=rounds, most=rounds, clock=clock_for(1)
        ).items():
            say(event="timed", rival=rival, **{what: timing.median})


def between(models: Any) -> list[Any]:
    """Sizes between, that only the benchmark uses."""
    return [
        models.rosenbrock(100),
        models.lennard_jones(10),
        models.polynomial(300),
        models.perceptron(8, 4),
        models.determinant(5),
        models.planar_arm(7),
    ]


if __name__ == "__main__":
    settle()
    job = json.loads(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="derivatives-cache-") as cache:
        os.environ["TAPELESS_CACHE_DIR"] = cache
        main(**job)
