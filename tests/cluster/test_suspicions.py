"""What a store remembers of suspects."""

from __future__ import annotations

from pathlib import Path

from cluster.campaign import Pack
from cluster.suspicions import rows_of, suspicions
from speciation.tables.store import Store
from tests.cluster.synthetic import trials

a, b, c, d = WORK = trials(4)


def stored(folder: Path, *packs: Pack, run: str = "run") -> Store:
    store = Store(folder)
    for pack in packs:
        store.append("suspects", rows_of([pack], run))
    return store


def test_nobody_is_suspected_at_first(tmp_path):
    assert suspicions(Store(tmp_path), "run", WORK) == []


def test_packs_come_back_as_they_were(tmp_path):
    packs = [Pack((a, b), 0, 1, "boom"), Pack((c,), 2, 4, "boom")]
    found = suspicions(stored(tmp_path, *packs), "run", WORK)
    assert sorted(found, key=lambda pack: pack.losses) == packs


def test_what_was_known_last_counts(tmp_path):
    store = stored(
        tmp_path,
        Pack((a, b, c, d), 0, 1, "boom"),
        Pack((a, b), 0, 2, "bang"),
        Pack((a,), 1, 3, "bang"),
    )
    found = suspicions(store, "run", [a, b])
    assert {pack.trials: (pack.strikes, pack.losses) for pack in found} == {
        (a,): (1, 3),
        (b,): (0, 2),
    }


def test_those_with_an_answer_are_left_out(tmp_path):
    store = stored(tmp_path, Pack((a, b, c), 0, 1, "boom"))
    assert suspicions(store, "run", [c]) == [Pack((c,), 0, 1, "boom")]


def test_what_another_run_condemned_is_tried_again_alone(tmp_path):
    store = stored(tmp_path, Pack((a,), 3, 9, "boom"), run="other")
    assert suspicions(store, "run", WORK) == [Pack((a,), 0, 9, "boom")]
    assert suspicions(store, "other", WORK) == [Pack((a,), 3, 9, "boom")]


def test_a_run_knows_its_own_suspects_best(tmp_path):
    store = stored(tmp_path, Pack((a,), 2, 9, "boom"), run="other")
    store = stored(tmp_path, Pack((a, b), 0, 1, "bang"))
    assert suspicions(store, "run", WORK) == [Pack((a, b), 0, 1, "bang")]
