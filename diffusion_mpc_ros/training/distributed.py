"""Training by several processes that `torchrun` started; with one process everything here does nothing.

Every process holds the same weights. Each rolls out its share of the robots and draws its share of a batch, with random
numbers of its own. What was rolled out is gathered and gradients are averaged, so that all of them take the same step.
The first process alone writes, draws curves, tries out and publishes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
from torch import distributed

from diffusion_mpc_ros.core.errors import ConfigurationError

Value = TypeVar("Value")

# A process may wait so long for another one: the first one's trials and exports last minutes.
PATIENCE = timedelta(hours=2)


def launched() -> bool:
    """Whether `torchrun` started this process beside others."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextlib.contextmanager
def joined() -> Iterator[None]:
    """Be one of the processes that `torchrun` started: gloo between CPUs, nccl between GPUs.

    What all but the first one print goes nowhere; their errors do not.
    """
    if not launched() or distributed.is_initialized():
        yield
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, timeout=PATIENCE)
    try:
        with contextlib.ExitStack() as stack:
            if not is_first():
                nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
                stack.enter_context(contextlib.redirect_stdout(nowhere))
            yield
    finally:
        distributed.destroy_process_group()


def refuse_several(command: str) -> None:
    """Raise :class:`ConfigurationError` where `torchrun` started several processes of a ``command`` for one."""
    if launched() and not distributed.is_initialized():
        raise ConfigurationError(f"{command} runs in one process; torchrun is for: train pretrain, train finetune")


def rank() -> int:
    """Number of this process, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def is_first() -> bool:
    """Whether this is the process that writes."""
    return rank() == 0


def share(count: int) -> int:
    """How many of ``count`` are this process's; the first ones have one more where they do not divide."""
    if not distributed.is_initialized():
        return count
    size = distributed.get_world_size()
    return count // size + (rank() < count % size)


def own_generator(generator: torch.Generator) -> torch.Generator:
    """Return random numbers of this process's own, from a generator that is alike in all; the first keeps that."""
    if is_first():
        return generator
    return torch.Generator().manual_seed(int(torch.randint(2**62, (), generator=generator)) + rank())


def gathered(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays ``(E, ...)`` of all processes one behind the other: ``(sum of E, ...)``, alike in all."""
    if not distributed.is_initialized():
        return dict(arrays)
    parts: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(parts, dict(arrays))
    return {name: np.concatenate([part[name] for part in parts]) for name in arrays}


def summed(value: float) -> float:
    """Return the sum of ``value`` over all processes."""
    return float(gathered({"value": np.array([value])})["value"].sum())


def from_first(make: Callable[[], Value]) -> Value:
    """Return what ``make`` gives in the first process, which alone calls it."""
    if not distributed.is_initialized():
        return make()
    made = [make() if is_first() else None]
    distributed.broadcast_object_list(made, src=0)
    return made[0]  # type: ignore[return-value]


def check_alike(what: str, value: int) -> None:
    """Raise :class:`ConfigurationError` unless ``value`` is that of all processes; nobody goes on before all are here.

    Else a process that does not see the others' checkpoint would begin anew beside them.
    """
    values = gathered({"value": np.array([value])})["value"].tolist()
    if len(set(values)) > 1:
        raise ConfigurationError(
            f"the processes differ in {what}: {', '.join(map(str, values))}; all need the same run_dir, on a disk that "
            "they share"
        )


def average_gradients(network: torch.nn.Module) -> None:
    """Replace each gradient by its mean over the processes, in one message."""
    if not distributed.is_initialized():
        return
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    message = torch.nn.utils.parameters_to_vector(gradients)
    distributed.all_reduce(message)
    torch.nn.utils.vector_to_parameters(message / distributed.get_world_size(), gradients)
