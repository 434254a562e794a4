"""What `speciation bench` found, as tables and sentences. Reads its plain values alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from cluster.doctor import size_text

HEADER = [
    "way",
    "algebra",
    "numbers",
    "slots",
    "per trial-step",
    "range",
    "timed",
    "× eager",
    "× jax",
    "trials/s",
    "cold start",
    "memory",
    "a slot",
]
BAR = 0.9  # share of its steady rate that a refilled engine shall keep

Document = dict[str, Any]


class Table(NamedTuple):
    """A title, a header and rows; every cell is text."""

    title: str
    header: list[str]
    rows: list[list[str]]


def tables(found: Document) -> Iterator[Table]:
    """A table for each batch: every way, by size of pack."""
    for batch in dict.fromkeys(row["batch"] for row in found["rows"]):
        rows = [row for row in found["rows"] if row["batch"] == batch]
        yield Table(f"batch {batch:,}", HEADER, [_cells(row, found) for row in rows])


def sentences(found: Document) -> list[str]:
    """Factors, continuous batching, growth, ceilings, and what the table does not say."""
    lines = [_factors(each) for each in found["factors"]]
    if found["refill"]:
        lines += _refill(found["refill"])
    if found["growth"]:
        lines.append(_growth(found["growth"]))
    lines += [_ceiling(each) for each in found["roofline"]["batches"]]
    if any(row["microseconds"] and row["alone"] for row in found["rows"]):
        lines.append("† timed after the others: beside them the device had too little memory")
    if "reason" in found:
        lines.append(f"not everything was timed: {found['reason']}")
    if any(row["microseconds"] and not _whole(row, found) for row in found["rows"]):
        lines.append(
            f"* not timed {found['repeats']} × {found['steps']} steps, as there were only "
            f"{found['minutes']:g} minutes for all; more are given with --minutes"
        )
    return lines


def time_text(microseconds: float) -> str:
    """A duration for people, three digits."""
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if microseconds >= size:
            return f"{microseconds / size:.3g} {unit}"
    return f"{microseconds:.3g} µs"


def _cells(row: Document, found: Document) -> list[str]:
    names = [row["way"], row["algebra"], row["precision"] or "", f"{row['slots']:,}"]
    if row["microseconds"] is None:
        return [*names, row["reason"], *[""] * (len(HEADER) - len(names) - 1)]
    memory, each = row["peak_bytes"], row["bytes_per_slot"]
    return [
        *names,
        time_text(row["microseconds"]),
        f"{time_text(row['low'])} … {time_text(row['high'])}",
        f"{row['repeats']} × {row['steps']}{_marks(row, found)}",
        _times(row["ratio_to_eager"]),
        _times(row["ratio_to_jax"]),
        f"{row['trials_per_second']:,.3g}",
        f"{row['start_seconds'] + row['first_seconds']:.1f} s",
        "" if memory is None else size_text(memory),
        "" if memory is None else size_text(each),
    ]


def _slots(each: Document) -> str:
    many = f"{each['slots']:,} slots" if each["slots"] > 1 else "1 slot"
    return f"{many} of {each['backend']}"


def _marks(row: Document, found: Document) -> str:
    """What there is to say of how a row was timed."""
    return ("" if _whole(row, found) else " *") + (" †" if row["alone"] else "")


def _whole(row: Document, found: Document) -> bool:
    """Whether a row was timed as much as was asked for."""
    return row["repeats"] >= found["repeats"] and row["steps"] >= found["steps"]


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:,.3g}"


def _factors(each: Document) -> str:
    jax = each["algebra_in_jax"]
    return (
        f"batch {each['batch']:,}, {_slots(each)}: "
        f"{each['all']:,.3g} × eager = stacking {each['stacking']:,.3g} "
        f"× algebra {each['algebra']:.3g} × fusion {each['fusion']:.3g}"
        + (f"; in JAX, algebra is {jax:.3g}" if jax else "")
    )


def _refill(each: Document) -> list[str]:
    verdict = "reaches" if each["share"] >= BAR else "misses"
    return [
        f"continuous batching, batch {each['batch']:,}, {_slots(each)}: "
        f"{100 * each['share']:.0f} % of the steady rate "
        f"({100 * min(each['shares']):.0f}–{100 * max(each['shares']):.0f}), which {verdict} "
        f"the bar of {100 * BAR:.0f} %; {each['ended']:,} trials ended",
        f"{each['trials_per_second']:,.3g} trials/s of {each['mean_length']:,.0f} steps on "
        f"average, against {each['packed_trials_per_second']:,.3g} in packs, which idle for "
        f"{100 * each['idle_bound']:.0f} % (1 − mean / max)",
    ]


def _growth(each: Document) -> str:
    times = ", ".join(f"{one['count']:,} in {one['seconds']:.1f} s" for one in each["trials"])
    slope = each["exponent"]
    return f"growth, trials of {each['steps']} steps, {_slots(each)}: {times}" + (
        f"; time grows with the power {slope:.2f} of trials" if slope is not None else ""
    )


def _ceiling(each: Document) -> str:
    reached = " and ".join(f"{100 * each['shares'][n]:.0f} % of {n}" for n in each["shares"])
    limits = ", ".join(f"{name} {time_text(x)}" for name, x in each["ceilings"].items())
    return (
        f"ceilings, batch {each['batch']:,}: {each['flops'] / 1e6:.1f} MFLOP and "
        f"{each['bytes'] / 1e3:.0f} kB a trial-step: {limits}"
        + (f"; {each['backend']} reaches {reached}" if reached else "")
    )
