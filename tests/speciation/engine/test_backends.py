"""What is compiled for one program leaves that of others alone, and blocks each other."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from speciation.engine import backends
from speciation.engine.backends import (
    GraphBackend,
    GraphMemory,
    bound,
    compile_pair,
    tensors,
)
from speciation.engine.devices import give_back_memory
from speciation.engine.training import empty_state, program
from speciation.trial.task import Task
from speciation.trial.trial import ModelShape
from tests.speciation.engine.making import SMALL, loaded, random_trials

EXACTLY = {"fullgraph": True, "dynamic": False}


def scaled(program: float, state: Tensor) -> Tensor:
    return state * program


@pytest.mark.slow  # Dynamo takes a second to be imported
def test_a_process_compiles_for_as_many_programs_as_it_meets():
    state = torch.ones(2)
    for factor in range(torch._dynamo.config.recompile_limit + 4):
        compiled = torch.compile(bound(scaled, factor), backend="eager", **EXACTLY)
        assert compiled(state).tolist() == [factor, factor]


@pytest.mark.slow
def test_what_one_block_compiled_serves_all_of_them(monkeypatch):
    """Only the first warms up, and while a CUDA graph is captured nothing can be compiled."""
    monkeypatch.setattr(backends, "_COMPILE", {"backend": "eager", **EXACTLY})
    run, first = loaded(random_trials(2), torch.float32)
    _, second = loaded(random_trials(2, seed=1), torch.float32)
    train, look = compile_pair.__wrapped__(run)
    with torch.no_grad():
        train(first)
        look(first)
        with torch.compiler.set_stance("fail_on_recompile"):
            train(second)
            look(second)
            with pytest.raises(RuntimeError, match="recompile"):
                train(loaded(random_trials(3), torch.float32)[1])


# -- Graphs of one engine, which work in the same memory -----------------------------------

MODELS = [
    pytest.param(ModelShape(d_model=16, heads=2, d_ff=32), id="compiled"),
    pytest.param(ModelShape(layers=2, d_model=16, heads=2, d_ff=32), id="two layers"),
]


def graphs(model: ModelShape, *memories: GraphMemory, task: Task = SMALL) -> list[GraphBackend]:
    """As many blocks of four slots, each with trials of its own."""
    run = program(task, model, torch.device("cuda"), chunk=task.pair_count)
    made = []
    for seed, memory in enumerate(memories):
        state = empty_state(run, 4, torch.float32)
        own = GraphBackend(run, state, compile_pair(run), memory)
        own.begin(range(4), random_trials(4, task=task, model=model, seed=seed))
        made.append(own)
    return made


@pytest.mark.gpu
@pytest.mark.parametrize("model", MODELS)
def test_graphs_that_share_their_memory_leave_each_other_alone(model):
    """Recorded in one order, replayed in others, and looked at when all have been replayed."""
    orders = [(2, 0, 1), (0, 1, 2), (1, 2, 0), (2, 1, 0)]
    apart = graphs(model, *(GraphMemory() for _ in range(3)))
    expected = [[apart[i].run(5, range(4)).clone() for i in range(3)] for _ in orders]
    together = graphs(model, *[GraphMemory()] * 3)
    for order, before in zip(orders, expected, strict=True):
        seen = {i: together[i].run(5, range(4)) for i in order}
        assert all(torch.equal(seen[i], before[i]) for i in range(3))
    for alone, beside in zip(apart, together, strict=True):
        for own, other in zip(tensors(alone._state), tensors(beside._state), strict=True):
            assert torch.equal(own, other)


@pytest.mark.gpu
@pytest.mark.parametrize("model", MODELS)
def test_a_further_graph_takes_little_more_memory(model):
    """On full batches, where a block's working memory is many times its state."""
    task = Task(batch=None)
    give_back_memory()
    blocks = graphs(model, *[GraphMemory()] * 4, task=task)
    reserved = [torch.cuda.memory_reserved()]
    for own in blocks:
        own.run(2, range(4))
        reserved.append(torch.cuda.memory_reserved())
    first, rest = reserved[1] - reserved[0], reserved[4] - reserved[1]
    assert first > 16 * 2**20
    assert rest < first / 2
