"""What is compiled for one program leaves that of others alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from speciation.engine.backends import bound

EXACTLY = {"fullgraph": True, "dynamic": False}


def scaled(program: float, state: Tensor) -> Tensor:
    return state * program


@pytest.mark.slow  # Dynamo takes a second to be imported
def test_a_process_compiles_for_as_many_programs_as_it_meets():
    state = torch.ones(2)
    for program in range(torch._dynamo.config.recompile_limit + 4):
        compiled = torch.compile(bound(scaled, program), backend="eager", **EXACTLY)
        assert compiled(state).tolist() == [program, program]
