"""JAX: ``vmap`` over one trial's loss, ``scan`` over the steps of an interval, one ``jit``.

The strongest public way of training many small networks at once. The loss of one trial is
written down once as everyone writes a transformer (:func:`plain`), once with this project's
exact algebra (:func:`factored`; see ``model.py``). Runs in a process of its own
(``jax_process.py``), and is the only module that imports jax.

In the peer's favour: the cheapest library random numbers (``unsafe_rbg``), the library's
softmax, XLA's default precision (TF32 on GPUs), the padded vocabulary, no schedule but the
warm-up, and four figures an evaluation in place of nine.

Axes: S slots, B examples, D model width, H heads, E examples of the task; a trial's own
functions have no S.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from speciation.engine.peers.given import Given, Sizes

NORM_EPSILON = 1e-5
EVALUATED_AT_ONCE = 2**21  # slots times examples: as much memory as a step at 4,096 slots
LEAST_AT_ONCE = 512  # examples, and on a CPU the most: they stay in its cache
DROPOUT_LEVELS = 65536

Array = Any  # a jax.Array: types are checked where jax is not installed, too
Weights = dict[str, Array]


class Data(NamedTuple):
    """What does not change: recipe (S,), train examples (S, ·), table and shares (C, …)."""

    recipe: dict[str, Array]
    train: tuple[Array, Array, Array]
    table: tuple[Array, Array, Array]  # (C, E / C), padded
    shares: Array  # (C, 2, S, E / C), what an example adds to the means of both sets


class Carry(NamedTuple):
    """What a step changes; the moments look like the weights, ``(S, …)``."""

    weights: Weights
    mean: Weights
    square: Weights
    count: Array  # (S,)


class JaxPack:
    """Trials that train in step with each other, compiled when made."""

    def __init__(self, given: Given) -> None:
        self._given, self._intervals = given, 0
        self._data, self._carry = _data(given), _carry(given)
        jitted = jax.jit(partial(_interval, given.sizes), donate_argnums=1)
        self._compiled = jitted.lower(self._data, self._carry, _key(0)).compile()

    def run(self, intervals: int) -> float:
        """Train so many intervals, evaluation included; the seconds they took."""
        began = time.perf_counter()
        for _ in range(intervals):
            self._intervals += 1
            self._carry, seen = self._compiled(self._data, self._carry, _key(self._intervals))
            self.seen = np.asarray(seen)
        return time.perf_counter() - began

    def peak_bytes(self) -> int | None:
        """Arguments, results and what the compiled program needs besides, at its fullest."""
        if (needed := self._compiled.memory_analysis()) is None:
            return None
        own = needed.temp_size_in_bytes - needed.alias_size_in_bytes
        return int(own + needed.argument_size_in_bytes + needed.output_size_in_bytes)


def gradients(given: Given, examples: tuple[Any, Any, Any]) -> tuple[Any, dict[str, Any]]:
    """Mean losses ``(S,)`` and gradients by name, without dropout, for examples ``(S, B)``."""
    carry, recipe = _carry(given), _data(given).recipe
    return _gradients(
        given.sizes, carry.weights, recipe, tuple(map(jnp.asarray, examples)), None
    )


def platform() -> str:
    """What XLA computes on: ``cpu`` or ``gpu``."""
    return str(jax.devices()[0].platform)


# -- A pack ------------------------------------------------------------------------------


def _interval(sizes: Sizes, data: Data, carry: Carry, key: Array) -> tuple[Carry, Array]:
    keys = jax.random.split(key, sizes.interval)
    carry, _ = lax.scan(partial(_step, sizes, data), carry, keys)
    return carry, _evaluate(sizes, data, carry.weights)


def _step(sizes: Sizes, data: Data, carry: Carry, key: Array) -> tuple[Carry, None]:
    which, dropped = jax.random.split(key)
    examples = data.train
    if sizes.batch is not None:
        shape = (carry.count.shape[0], sizes.batch)
        chosen = jax.random.randint(which, shape, 0, sizes.train_count)
        examples = tuple(jnp.take_along_axis(column, chosen, 1) for column in examples)
    keep = _keep(sizes, data.recipe, dropped, examples[0].shape)
    _, grads = _gradients(sizes, carry.weights, data.recipe, examples, keep)
    return _adamw(carry, _clip(grads, data.recipe["grad_clip"]), data.recipe), None


def _gradients(
    sizes: Sizes, weights: Weights, recipe: dict[str, Array], examples: Any, keep: Array | None
) -> tuple[Array, Weights]:
    def loss(weights: Weights, scale: Array, inverse: Array, examples: Any, keep: Any) -> Array:
        left, right, answer = examples
        logits = _FORWARD[sizes.algebra](
            weights, scale, inverse, left, right, sizes.heads, keep
        )
        return _cross_entropy(logits, answer).mean()

    scale, inverse = recipe["layer_scale"], recipe["inverse_embed_ratio"]
    return jax.vmap(jax.value_and_grad(loss))(weights, scale, inverse, examples, keep)


def _keep(sizes: Sizes, recipe: dict[str, Array], key: Array, shape: tuple[int, ...]) -> Array:
    """Dropout factors, ``(S, 2, B, D)`` or, of every position, ``(S, 2, B, 3, D)``."""
    slots, batch = shape
    lanes = (3,) if sizes.algebra == "plain" else ()
    bits = jax.random.bits(key, (slots, 2, batch, *lanes, sizes.width), jnp.uint16)
    threshold = recipe["dropout_threshold"].reshape(-1, *(1 for _ in bits.shape[1:]))
    return (bits >= threshold) * (DROPOUT_LEVELS / (DROPOUT_LEVELS - threshold))


def _clip(grads: Weights, limit: Array) -> Weights:
    squares = sum((g * g).reshape(len(limit), -1).sum(1) for g in grads.values())
    factor = jnp.minimum(1.0, limit / (jnp.sqrt(squares) + 1e-6))
    return {name: grad * _wide(factor, grad) for name, grad in grads.items()}


def _adamw(carry: Carry, grads: Weights, recipe: dict[str, Array]) -> Carry:
    """Loshchilov 2019, algorithm 2; every trial with its own numbers and its own count."""
    count = carry.count + 1
    rate = recipe["learning_rate"] * jnp.minimum(
        1.0, count / jnp.maximum(recipe["warmup_steps"], 1.0)
    )
    correction1 = -jnp.expm1(count * recipe["log_beta1"])
    correction2 = -jnp.expm1(count * recipe["log_beta2"])

    def moved(weight: Array, grad: Array, mean: Array, square: Array) -> tuple[Array, ...]:
        mean = mean + _wide(recipe["one_minus_beta1"], grad) * (grad - mean)
        square = square + _wide(recipe["one_minus_beta2"], grad) * (grad * grad - square)
        root = jnp.sqrt(square / _wide(correction2, grad)) + _wide(recipe["epsilon"], grad)
        weight = weight * _wide(1.0 - rate * recipe["weight_decay"], grad)
        return weight - _wide(rate / correction1, grad) * mean / root, mean, square

    new = {
        name: moved(weight, grads[name], carry.mean[name], carry.square[name])
        for name, weight in carry.weights.items()
    }
    weights, mean, square = ({name: part[i] for name, part in new.items()} for i in range(3))
    return Carry(weights, mean, square, count)


def _evaluate(sizes: Sizes, data: Data, weights: Weights) -> Array:
    """Loss and accuracy on both sets, train first, ``(S, 4)``; C chunks of examples."""
    scale, inverse = data.recipe["layer_scale"], data.recipe["inverse_embed_ratio"]

    def judge(weights: Weights, scale: Array, inverse: Array, part: Any) -> tuple[Array, Array]:
        left, right, answer = part
        logits = _FORWARD[sizes.algebra](
            weights, scale, inverse, left, right, sizes.heads, None
        )
        return _cross_entropy(logits, answer), _own(logits, answer) >= logits.max(1)

    def chunk(given: Any) -> Array:
        part, shares = given
        loss, correct = jax.vmap(judge, (0, 0, 0, None))(weights, scale, inverse, part)
        return jnp.stack(
            [(share * each).sum(1) for each in (loss, correct) for share in shares]
        )

    return lax.map(chunk, (data.table, data.shares)).sum(0).T


# -- One trial --------------------------------------------------------------------------


def plain(
    weights: Weights,
    scale: Array,
    inverse: Array,
    left: Array,  # (B,)
    right: Array,
    heads: int,
    keep: Array | None,  # (2, B, 3, D)
) -> Array:  # (B, V)
    """Three positions an example, causal attention, logits at the last."""
    equals = jnp.full_like(left, weights["tokens"].shape[0] - 1)
    sequence = jnp.stack([left, right, equals], axis=1)
    x = weights["tokens"][sequence] * inverse + weights["positions"]
    branch = _attention(_norm(x, weights, "0.norm1"), weights, heads)
    x = x + scale * (branch if keep is None else branch * keep[0])
    branch = _ffn(x, weights)
    x = x + scale * (branch if keep is None else branch * keep[1])
    return _linear(_norm(x[:, -1], weights, "norm"), weights, "unembed")


def factored(
    weights: Weights,
    scale: Array,
    inverse: Array,
    left: Array,  # (B,)
    right: Array,
    heads: int,
    keep: Array | None,  # (2, B, D)
) -> Array:  # (B, V)
    """The exact algebra: keys and values are tables over tokens, the query is one vector."""
    tokens, positions = weights["tokens"] * inverse, weights["positions"]
    numbers = tokens[:-1]
    rows = jnp.concatenate(
        [numbers + positions[0], numbers + positions[1], tokens[-1:] + positions[2:]]
    )
    normed = _norm(rows, weights, "0.norm1")
    value = _linear(normed, weights, "0.value")
    query = _linear(normed[-1], weights, "0.query")
    key = normed @ weights["0.key"]
    count, width = value.shape
    score = (key * query).reshape(count, heads, -1).sum(2) * (width // heads) ** -0.5
    both = jnp.concatenate([value, score], axis=1)
    equals = jnp.broadcast_to(both[-1], (left.shape[0], both.shape[1]))
    met = jnp.stack([both[left], both[right + numbers.shape[0]], equals])
    mix = jax.nn.softmax(met[..., width:], axis=0)
    values = met[..., :width].reshape(*mix.shape, -1)
    mixed = (mix[..., None] * values).sum(0).reshape(-1, width)
    branch = _linear(mixed, weights, "0.out")
    x = rows[-1] + scale * (branch if keep is None else branch * keep[0])
    branch = _ffn(x, weights)
    x = x + scale * (branch if keep is None else branch * keep[1])
    return _linear(_norm(x, weights, "norm"), weights, "unembed")


_FORWARD = {"plain": plain, "factored": factored}


def _attention(x: Array, weights: Weights, heads: int) -> Array:
    """Of three positions only: as sums of products; XLA is slow at so small matrices."""
    batch, positions, width = x.shape
    query, key, value = (
        part.reshape(batch, positions, heads, -1)
        for part in (
            _linear(x, weights, "0.query"),
            x @ weights["0.key"],
            _linear(x, weights, "0.value"),
        )
    )
    score = (query[:, :, None] * key[:, None]).sum(-1) * (width // heads) ** -0.5
    past = jnp.tril(jnp.ones((positions, positions), bool))[..., None]
    mix = jax.nn.softmax(jnp.where(past, score, -jnp.inf), axis=2)
    mixed = (mix[..., None] * value[:, None]).sum(2).reshape(x.shape)
    return _linear(mixed, weights, "0.out")


def _ffn(x: Array, weights: Weights) -> Array:
    hidden = jax.nn.relu(_linear(_norm(x, weights, "0.norm2"), weights, "0.up"))
    return _linear(hidden, weights, "0.down")


def _linear(x: Array, weights: Weights, name: str) -> Array:
    return x @ weights[name] + weights[f"{name}.bias"]


def _norm(x: Array, weights: Weights, name: str) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    unit = centred * lax.rsqrt((centred * centred).mean(-1, keepdims=True) + NORM_EPSILON)
    return unit * weights[f"{name}.gain"] + weights[f"{name}.shift"]


def _cross_entropy(logits: Array, answer: Array) -> Array:
    return jax.nn.logsumexp(logits, axis=1) - _own(logits, answer)


def _own(logits: Array, answer: Array) -> Array:
    return jnp.take_along_axis(logits, answer[:, None], axis=1)[:, 0]


# -- What a pack is made of ---------------------------------------------------------------


def _data(given: Given) -> Data:
    sizes, (slots, examples) = given.sizes, given.order.shape
    train = given.order[:, : sizes.train_count]
    at_once = LEAST_AT_ONCE if platform() == "cpu" else EVALUATED_AT_ONCE // slots
    chunk = max(LEAST_AT_ONCE, min(examples, at_once))
    chunks = -(-examples // chunk)
    table = np.zeros((3, chunks * chunk), dtype=np.int32)
    table[:, :examples] = given.table
    shares = np.zeros((2, slots, chunks * chunk), dtype=np.float32)
    np.put_along_axis(shares[0], train, 1 / sizes.train_count, axis=1)
    shares[1, :, :examples] = (shares[0, :, :examples] == 0) / (examples - sizes.train_count)
    left, right, answer = (jnp.asarray(column.reshape(chunks, chunk)) for column in table)
    return Data(
        recipe={name: jnp.asarray(values) for name, values in given.recipe.items()},
        train=tuple(jnp.asarray(column[train], jnp.int32) for column in given.table),
        table=(left, right, answer),
        shares=jnp.asarray(shares.reshape(2, slots, chunks, chunk).transpose(2, 0, 1, 3)),
    )


def _carry(given: Given) -> Carry:
    weights = {name: jnp.asarray(values) for name, values in given.weights.items()}
    zeros = {name: jnp.zeros_like(weight) for name, weight in weights.items()}
    again = {name: jnp.zeros_like(weight) for name, weight in weights.items()}
    return Carry(weights, zeros, again, jnp.zeros(len(given.order)))


def _key(number: int) -> Array:
    return jax.random.key(number, impl="unsafe_rbg")


def _wide(values: Array, like: Array) -> Array:
    """Values ``(S,)`` shaped to meet ``(S, …)``."""
    return values.reshape(-1, *(1 for _ in like.shape[1:]))
