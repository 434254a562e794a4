"""A comparison that nobody made: arms that approach a level, each at a pace of its own."""

from __future__ import annotations

import numpy as np

from speciation.analysis.searches import Searches, of_records

ARMS = {
    "evolution": (240.0, 4.0),
    "random": (520.0, 1.5),
    "sobol": (500.0, 1.6),
    "tpe": (300.0, 2.5),
    "cma-es": (330.0, 2.0),
    "no-senescence": (250.0, 3.8),
    "racing": (225.0, 5.0),
    "stock-adamw": (930.0, 99.0),
}
H, BUDGET, POINTS = 1000, 15_000_000, 8


def searches(repeats: int = 10, failed: bool = True) -> Searches:
    rng = np.random.default_rng(5)
    records = [
        record(arm, repeat, level * rng.lognormal(0, 0.08), pace, rng)
        for arm, (level, pace) in ARMS.items()
        for repeat in range(repeats)
    ]
    if failed:
        records[-1] |= {"failure": "its process ended (-9)", "rows": []}
    return of_records(records, list(ARMS), H)


def record(arm: str, repeat: int, level: float, pace: float, rng: np.random.Generator) -> dict:
    rows = []
    for place in range(1, POINTS + 1):
        share = place / POINTS
        steps = level + (H - level) * np.exp(-pace * share * 2) * rng.uniform(0.8, 1.2)
        rows.append(
            {
                "checkpoint": int(BUDGET * share),
                "spent": int(BUDGET * share * 0.99),
                "generations": 5 * place,
                "genome": f"{arm}{repeat}",
                "selected": told(steps * 0.93, 12, 12),
                "confirmed": told(min(steps, H), 200, int(200 * (1 - steps / H / 3))),
            }
        )
    return {"arm": arm, "repeat": repeat, "failure": None, "rows": rows}


def told(steps: float, trials: int, successes: int) -> dict:
    return {
        "trials": trials,
        "successes": successes,
        "steps": float(steps),
        "steps_low": float(steps - 10),
        "steps_high": float(steps + 10),
        "spread": 80.0,
    }
