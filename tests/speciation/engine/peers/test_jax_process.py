"""A process for JAX: started when needed, and whatever happens to it is a sentence."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from speciation.engine.bench_ways import There, given_to_jax
from speciation.engine.peers.jax_process import JaxProcess, PeerError, in_words
from tests.speciation.engine.peers.cases import JOB, SLOTS

with_jax = pytest.mark.skipif(find_spec("jax") is None, reason="needs jax")


def test_without_jax_the_reason_says_so(monkeypatch):
    monkeypatch.setattr("speciation.engine.peers.jax_process.find_spec", lambda _: None)
    with pytest.raises(PeerError, match=r"^jax is not installed$"):
        JaxProcess("cpu").ask("hello")


@with_jax
def test_a_pack_is_trained_there():
    jax = JaxProcess("cpu")
    try:
        pack = There(jax, given_to_jax(JOB, SLOTS, "factored"), "cpu")
        assert pack.run(2) > 0
        assert pack.peak_bytes() > 0
        pack.close()
        with pytest.raises(PeerError, match="KeyError"):
            pack.run(1)
    finally:
        jax.close()


@with_jax
def test_another_device_than_the_wanted_is_refused():
    jax = JaxProcess("cuda")
    try:
        with pytest.raises(PeerError, match="jax computes on cpu here, not on gpu"):
            jax.ask("hello")
    finally:
        jax.close()


@with_jax
def test_a_process_that_died_is_told_and_replaced():
    jax = JaxProcess("cpu")
    try:
        jax.ask("hello")
        jax._process.kill()
        with pytest.raises(PeerError, match="ended with exit code -9"):
            jax.ask("hello")
        jax.ask("hello")
    finally:
        jax.close()


@with_jax
def test_a_process_that_does_not_answer_is_ended(monkeypatch):
    jax = JaxProcess("cpu")
    jax.ask("hello")
    process = jax._process
    monkeypatch.setattr("speciation.engine.peers.jax_process.PATIENCE_SECONDS", 0.0)
    with pytest.raises(PeerError, match="no answer"):
        jax.ask("open", given_to_jax(JOB, SLOTS, "plain"))
    process.join(10)
    assert process.exitcode == -9


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PeerError("jax is not installed"), "jax is not installed"),
        (ValueError("one\ntwo"), "ValueError: one"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory while …"), "out of memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "out of memory"),
        (RuntimeError(""), "RuntimeError: "),
    ],
)
def test_an_error_is_one_short_line(error, words):
    assert in_words(error) == words
