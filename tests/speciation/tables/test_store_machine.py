"""The life of a store: writers, crashes, full disks, compaction, copies, bit rot, in any order.

The model is a set of facts that were acknowledged, and one of facts that may be there (told by
a writer that died, or lost to rot). After every step, readers old and new must agree with it.
"""

from __future__ import annotations

import errno
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from speciation.tables.files import LocalFiles
from speciation.tables.store import Store, StoreFull
from tests.speciation.tables import facts
from tests.speciation.tables.faults import FULL, When, broken, crashing

Fact = tuple[str, str, int, float]

told = st.tuples(
    st.sampled_from("abcdef"),
    st.sampled_from(["grokked", "diverged", "censored", "failed"]),
    st.integers(1, 3),
    st.sampled_from([0.5, 1.5]),
)
batches = st.lists(told, min_size=1, max_size=3, unique=True)


def fact_of(row: dict[str, Any]) -> Fact:
    return row["trial_id"], row["outcome"], row["steps_run"], row["wall_seconds"]


def worth(fact: Fact) -> tuple[int, int]:
    """How much a row tells: an end, then the longest wait, a failure last."""
    _, outcome, steps, _ = fact
    return {"failed": 0, "censored": 1}.get(outcome, 2), steps


class StoreMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="store-"))
        self.root, self.far = self.folder / "near", self.folder / "far"
        self.sure: set[Fact] = set()
        self.maybe: set[Fact] = set()
        self.sure_far: set[Fact] = set()
        # Both have seen everything so far, each in its way.
        self.old_reader, self.old_selector = Store(self.root), Store(self.root)

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    # -- Writing

    @rule(batch=batches)
    def append(self, batch):
        Store(self.root).append("trials", [facts.row(*fact) for fact in batch])
        self.sure |= set(batch)

    @rule(batch=batches)
    def append_far_away(self, batch):
        Store(self.far).append("trials", [facts.row(*fact) for fact in batch])
        self.sure_far |= set(batch)

    @rule(batch=batches, at=st.integers(0, 12), when=st.sampled_from(When))
    def crash_while_appending(self, batch, at, when):
        before = self.seen_on_disk()
        done = False
        with crashing(at, when):
            Store(self.root).append("trials", [facts.row(*fact) for fact in batch])
            done = True
        after = self.seen_on_disk()
        assert after in (before, before | set(batch))
        if done:
            self.sure |= set(batch)
        else:
            self.maybe |= set(batch)

    @rule(
        batch=batches,
        code=st.sampled_from([*FULL, errno.EIO]),
        call=st.sampled_from(["open", "write", "fsync", "link", "mkdir"]),
        at=st.integers(0, 2),
    )
    def append_to_a_failing_disk_until_it_works(self, batch, code, call, at):
        rows = [facts.row(*fact) for fact in batch]
        before = self.seen_on_disk()
        try:
            with broken(call, at, code):
                Store(self.root).append("trials", rows)
        except Exception as error:
            assert isinstance(error, StoreFull) == (code in FULL)  # noqa: PT017
            assert self.seen_on_disk() in (before, before | set(batch))
            Store(self.root).append("trials", rows)
        self.sure |= set(batch)

    # -- Upkeep

    @rule()
    def compact(self):
        Store(self.root).compact()
        assert len(facts.parts_of(self.root)) <= 1

    @rule(at=st.integers(0, 16), when=st.sampled_from(When))
    def crash_while_compacting(self, at, when):
        with crashing(at, when):
            Store(self.root).compact()

    @rule()
    def merge(self):
        Store(self.root).merge(Store(self.far))
        self.sure |= self.sure_far

    @rule(at=st.integers(0, 3))
    def compact_while_others_read(self, at):
        readers = (self.old_reader, Store(self.root))
        for reader in readers:
            with compacting_before_read(reader, at, Store(self.root)):
                self.agrees([fact_of(row) for row in reader.scan("trials").table.to_pylist()])

    @rule(batch=batches)
    def append_while_another_compacts(self, batch):
        rows = [facts.row(*fact) for fact in batch]
        with meanwhile("publish", lambda: Store(self.root).append("trials", rows)) as happened:
            Store(self.root).compact()
        if happened:
            self.sure |= set(batch)

    # -- Damage

    @precondition(lambda self: facts.parts_of(self.root))
    @rule(data=st.data())
    def rot(self, data):
        part = data.draw(st.sampled_from(facts.parts_of(self.root)))
        if not facts.intact(part):
            return
        lost = {fact_of(row) for row in facts.rows_in(part)}
        length = part.stat().st_size
        if data.draw(st.booleans()):
            facts.flip(part, data.draw(st.integers(0, 8 * length - 1)))
        else:
            part.write_bytes(part.read_bytes()[: data.draw(st.integers(0, length - 1))])
        # What compaction dropped as the lesser of two rows was known only through the better.
        self.maybe |= self.sure | lost
        self.sure = {fact for fact in self.sure if fact in self.seen_on_disk()}

    @precondition(lambda self: self.maybe)
    @rule(data=st.data())
    def tell_again(self, data):
        fact = data.draw(st.sampled_from(sorted(self.maybe)))
        Store(self.root).append("trials", [facts.row(*fact)])
        self.sure.add(fact)

    # -- What must hold

    def seen_on_disk(self) -> set[Fact]:
        """The rows of all intact parts, found without any code of the store."""
        parts = [part for part in facts.parts_of(self.root) if facts.intact(part)]
        return {fact_of(row) for part in parts for row in facts.rows_in(part)}

    def agrees(self, seen: list[Fact]) -> None:
        names = [fact[0] for fact in seen]
        assert names == sorted(set(names)), "a key stands twice, or not in order"
        assert set(seen) <= self.sure | self.maybe, "a row that nobody told"
        best = {fact[0]: fact for fact in seen}
        for fact in self.sure:
            assert fact[0] in best, f"{fact} was acknowledged, and is not there"
            assert worth(best[fact[0]]) >= worth(fact), "a row that tells less was preferred"

    @invariant()
    def readers_agree(self):
        tables = [
            # First the one that has seen nothing yet, and puts aside what has rotted.
            Store(self.root).scan("trials").table,
            self.old_reader.scan("trials").table,
            self.old_selector.select("trials", "abcdef").table,
        ]
        assert tables[0] == tables[1] == tables[2]
        self.agrees([fact_of(row) for row in tables[0].to_pylist()])

    @invariant()
    def what_was_read_stays_sure(self):
        """Once a reader has seen a fact, it is as good as acknowledged."""
        seen = {fact_of(row) for row in self.old_reader.scan("trials").table.to_pylist()}
        self.sure |= seen


class compacting_before_read:  # noqa: N801 - reads as a clause of the rule
    """Another store compacts right before one reader opens its ``at``-th part."""

    def __init__(self, reader: Store, at: int, other: Store) -> None:
        self.files, self.at, self.other = reader._files, at, other

    def __enter__(self) -> None:
        real, made = self.files.read, [0]

        def read(path: str, limit: int) -> bytes:
            made[0] += 1
            if made[0] == self.at + 1:
                self.other.compact()
            return real(path, limit)

        self.files.read = read

    def __exit__(self, *_: object) -> None:
        del self.files.read


class meanwhile:  # noqa: N801 - reads as a clause of the rule
    """Something else happens right before the next call of a method of local files."""

    def __init__(self, method: str, what: Any) -> None:
        self.method, self.what, self.happened = method, what, []

    def __enter__(self) -> list[bool]:
        self.real = getattr(LocalFiles, self.method)

        def call(files: LocalFiles, *args: Any) -> Any:
            if not self.happened:
                self.happened.append(True)
                self.what()
            return self.real(files, *args)

        setattr(LocalFiles, self.method, call)
        return self.happened

    def __exit__(self, *_: object) -> None:
        setattr(LocalFiles, self.method, self.real)


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=5, stateful_step_count=15)


@pytest.mark.slow
class TestStoreForAMinute(StoreMachine.TestCase):
    settings = settings(max_examples=40, stateful_step_count=30)


@pytest.mark.long
class TestStoreForLong(StoreMachine.TestCase):
    settings = settings(max_examples=150, stateful_step_count=40)
