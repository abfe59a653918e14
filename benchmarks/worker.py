"""One cell of the table in a process of its own: prepare each rival, then time them by turns. Speaks JSON lines."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))


def say(**message: Any) -> None:
    print(json.dumps(message), flush=True)


def sample(call: Any, least: float) -> float:
    """Return seconds per call, from as many calls as take `least` seconds."""
    count = 1
    while True:
        start = time.perf_counter()
        for _ in range(count):
            call()
        spent = time.perf_counter() - start
        if spent >= least:
            return spent / count
        count = max(2 * count, int(count * least / max(spent, 1e-9)))


def main(name: str, kind: str, batch: int, rounds: int, names: list[str]) -> None:
    import numpy as np
    import rivals

    import models

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
    times: dict[str, dict[str, list[float]]] = {rival: {"one": [], "many": []} for rival in ready}
    for _ in range(rounds):
        for rival, prepared in ready.items():
            times[rival]["one"].append(sample(prepared.one, 0.003))
            times[rival]["many"].append(sample(prepared.many, 0.01))
    for rival, found in times.items():
        say(event="timed", rival=rival, **{what: median(values) for what, values in found.items()})


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
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    job = json.loads(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="derivatives-cache-") as cache:
        os.environ["TAPELESS_CACHE_DIR"] = cache
        main(**job)
