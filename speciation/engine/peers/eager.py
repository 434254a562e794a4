"""One trial in eager PyTorch: ``nn.Module``, autograd, ``torch.optim.AdamW``.

What one would write first, and what the projects that this one learned from do. In its favour:
library random numbers, the library's cross-entropy, TF32 products, no schedule but the warm-up,
and four figures an evaluation in place of nine.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from speciation.engine.peers.job import Job, bench_trials
from speciation.engine.peers.precision import tf32
from speciation.engine.reference import ReferenceTrial
from speciation.trial.task import split, table


class EagerTrial:
    """The first trial of a job, in the middle of its training."""

    def __init__(self, job: Job) -> None:
        self._task, self._device = job.task, job.device
        (trial,) = bench_trials(job, 1)
        twin = ReferenceTrial(trial, device=job.device)
        self._model, self._optimizer, self._settings = twin.model, twin.optimizer, twin.settings
        self._shape = (job.task.batch_size, 3, job.model.d_model)
        left, right, answer = (
            torch.from_numpy(column[split(job.task, trial.seed)]).to(job.device)
            for column in table(job.task.operation, job.task.modulus)
        )
        equals = torch.full_like(left, job.task.element_count)
        self._sequence, self._answer = torch.stack([left, right, equals], dim=1), answer
        self._step = 0

    @tf32()
    def interval(self) -> list[float]:
        """Train to the next evaluation; loss and accuracy on both sets, train first."""
        for _ in range(self._task.eval_interval):
            self._train_step()
        return self._evaluate()

    def _train_step(self) -> None:
        self._step += 1
        warm = min(1.0, self._step / max(self._settings.warmup_steps, 1.0))
        for group in self._optimizer.param_groups:
            group["lr"] = self._settings.learning_rate * warm
        sequence, answer = self._batch()
        self._optimizer.zero_grad()
        logits = self._model(sequence, [(self._keep(), self._keep())])
        functional.cross_entropy(logits, answer).backward()
        nn.utils.clip_grad_norm_(self._model.parameters(), self._settings.grad_clip)
        self._optimizer.step()

    def _batch(self) -> tuple[Tensor, Tensor]:
        count = self._task.train_count
        if self._task.batch is None:
            return self._sequence[:count], self._answer[:count]
        chosen = torch.randint(count, (self._task.batch,), device=self._device)
        return self._sequence[chosen], self._answer[chosen]

    def _keep(self) -> Tensor:
        share = self._settings.dropout_threshold / 65536
        return functional.dropout(torch.ones(self._shape, device=self._device), share)

    @torch.no_grad()
    def _evaluate(self) -> list[float]:
        logits, count = self._model(self._sequence, None), self._task.train_count
        loss = functional.cross_entropy(logits, self._answer, reduction="none")
        correct = (logits.argmax(-1) == self._answer).float()
        seen = [
            part.mean() for both in (loss, correct) for part in (both[:count], both[count:])
        ]
        return torch.stack(seen).tolist()
