"""What each process of test_distributed.py does; `torchrun` starts it twice: ``one_of_two.py FOLDER``."""

import sys
from pathlib import Path

import torch

from diffusion_mpc_ros.policies.conditions import Condition
from diffusion_mpc_ros.training import distributed
from diffusion_mpc_ros.training.finetuning.configuration import FinetuneConfig, TrialConfig
from diffusion_mpc_ros.training.finetuning.run import Finetuning


def config_in(folder: Path) -> FinetuneConfig:
    """Eleven robots and 33 windows, which two processes cannot share evenly."""
    return FinetuneConfig(
        run_dir=folder / "run", replay=(), replay_share=0.0, conditions=(Condition("flat"), Condition("load")),
        robots=11, ticks=20, settle_ticks=2, guided=0.0, iterations=2, updates=2, batch=33, learning_rate=1e-3,
        trial=TrialConfig(interval=2, robots=1, ticks=12, conditions=()),
    )  # fmt: skip


def gradient_of(value: float) -> float:
    """The gradient that the optimiser sees where that of the loss is ``value``."""
    network = torch.nn.Linear(1, 1, bias=False)
    network(torch.tensor([value])).backward()
    distributed.average_gradients(network)
    return float(network.weight.grad)


@distributed.joined()
def main(folder: Path) -> None:
    config = config_in(folder)
    config.run_dir.mkdir(exist_ok=True)
    run = Finetuning(config)
    facts, scores = run.iterate(), run.try_out()
    run.save()
    distributed.check_alike("iterations done", run.iteration)
    resumed = Finetuning(config)
    told = {
        "gradient": gradient_of(2.0 + 4.0 * distributed.rank()),
        "share": distributed.share(config.robots),
        "return": facts["return"],
        "flat_error": scores.flat_error,
        "weights": run.state.network.state_dict(),
        "lessons": run.buffer.stored(),
        "resumed": resumed.iteration,
    }
    torch.save(told, folder / f"{distributed.rank()}.pt")
    print("told")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
