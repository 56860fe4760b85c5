"""The command ``diffusion-mpc``: finds the sub-command, loads its module only then, and reports errors in one line."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Union

from diffusion_mpc_ros import bringup, shell
from diffusion_mpc_ros.core import config_files
from diffusion_mpc_ros.core.errors import ConfigurationError, DiffusionMpcError
from diffusion_mpc_ros.core.resources import config_file

PROGRAM = "diffusion-mpc"
STDOUT = 1
_PACKAGE = "diffusion_mpc_ros"
ROBOT, SIMULATION = "robot", "simulation"
FILE_HELP = "Values come from config/{} or from the file that --config FILE names, then from the options."


@dataclass(frozen=True)
class Command:
    """One sub-command: ``module`` holds ``config``, what its options are parsed into, and ``main``, which takes it.

    ``main`` "": the configuration conducts itself (an experiment, evaluation/experiment.py).
    ``joins``: the ROS graph that it joins itself, :data:`ROBOT` (whichever runs) or :data:`SIMULATION`; "" for none.
    ``file``: its configuration in ``config/``, read before the options; ``--config FILE`` names another one.
    """

    summary: str
    module: str
    main: str = "main"
    config: str = "Config"
    file: str = ""
    joins: str = ""


@dataclass(frozen=True)
class Group:
    """Sub-commands under one word."""

    summary: str
    commands: Mapping[str, Union[Command, Group]]  # noqa: UP007 (a forward reference in an alias, Python 3.10)


def _experiment(summary: str, name: str) -> Command:
    return Command(summary, f"evaluation.experiments.{name}", main="")


def _training(summary: str, name: str, config: str, module: str = "") -> Command:
    return Command(summary, f"training.{module or name}", config=config, file=f"training/{name}.yaml")


def _declaration(summary: str, main: str, config: str) -> Command:
    return Command(summary, "commands.declare", main, config, joins=ROBOT)


COMMANDS = Group(
    "Diffusion-MPC for the Unitree Go2.",
    {
        "run": Command("start the simulated robot and the controller, walk, measure", "commands.run", joins=SIMULATION),
        "launch": Command("start the processes and nothing else, as ros2 launch does", "commands.launch"),
        "record": Command("record a running robot's topics to an MCAP bag", "commands.record", joins=ROBOT),
        "bag": Group(
            "what a recorded bag holds, is fit for and looks like",
            {
                "check": Command("topics, gaps, faults, what is fit for training", "commands.bag.check"),
                "replay": Command("plan again from it and compare plan by plan", "commands.bag.replay"),
                "plot": Command("draw the walk", "commands.bag.plot"),
            },
        ),
        "teleop": Command("drive the robot from the keyboard, with an emergency stop", "commands.teleop", joins=ROBOT),
        "say": Command("tell the robot in words how to walk, and be asked first", "commands.say", joins=ROBOT),
        "view": Command("see the robot and steer its rewards in a web browser", "commands.view", joins=ROBOT),
        "simulate": Command("start the simulated Go2 alone", "commands.simulate"),
        "settings": Command("list all that can be set, with units and ranges", "commands.settings"),
        "train": Group(
            "from nothing to the shipped artefact; needs `make setup-train`",
            {
                "demonstrator": _training("PPO on a batch of Go2s", "demonstrator", "DemonstratorConfig"),
                "specialist": _training("PPO for one objective: its ceiling", "specialist", "SpecialistConfig"),
                "collect": _training("trajectories of the demonstrator", "collect", "CollectConfig"),
                "walks": _training("a dataset of what robots did under D-MPC", "walks", "WalksConfig", "d_mpc.walks"),
                "bags": Command("a dataset of what recorded robots did", "training.bags", config="BagsConfig"),
                "pretrain": _training("the diffusion model", "pretrain", "PretrainConfig"),
                "finetune": _training(
                    "the prior on what it did itself", "finetune", "FinetuneConfig", module="finetuning.finetune"
                ),
                "scratch": _training(
                    "a prior from nothing but its own motions", "scratch", "ScratchConfig", module="finetuning.scratch"
                ),
                "reward-model": _training("what no row of a trajectory says", "reward_model", "RewardModelConfig"),
                "proposal": _training("what D-MPC proposes", "proposal", "ProposalConfig", "d_mpc.proposal"),
                "dynamics": _training("where actions lead, for D-MPC", "dynamics", "DynamicsConfig", "d_mpc.dynamics"),
                "value": _training("what comes after, for D-MPC", "value", "ValueConfig", "d_mpc.value"),
                "d-mpc": _training("the artefact of D-MPC", "d_mpc", "ReleaseConfig", "d_mpc.release"),
                "distil": _training("a reactive policy of what D-MPC does", "distil", "DistilConfig", "d_mpc.distil"),
                "export": _training("the ONNX artefact with its card", "export", "ExportConfig", module="release"),
                "gate": _training(
                    "publish a finetuned artefact if nothing is lost", "gate", "GateConfig", "finetuning.gate"
                ),
                "quantise": _training("an int8 copy of the artefact's graph", "quantise", "QuantiseConfig"),
            },
        ),
        "adapt": Group(
            "a model to a robot, from minutes of what it did; needs `make setup-train`",
            {
                "dynamics": Command(
                    "the dynamics of D-MPC, from a bag",
                    "training.d_mpc.adapt",
                    config="AdaptConfig",
                    file="training/adapt_dynamics.yaml",
                ),
            },
        ),
        "evaluate": Group(
            "closed-loop scores in simulation",
            {
                "walk": _experiment("survival, velocity error, power", "walk"),
                "d-mpc": _experiment("how far D-MPC's dynamics can be believed, how it walks", "d_mpc"),
                "sampling": _experiment("the methods of dial_mpc at equal budget", "sampling"),
                "hybrid": _experiment("the hybrid beside its prior, on a robot with a change", "hybrid"),
                "jump": _experiment("DIAL-MPC: from plates to plates, a second each", "jump"),
                "crate": _experiment("DIAL-MPC: onto a crate", "crate"),
                "demonstrator": _experiment("does it walk as it is told, in every gait", "demonstrator"),
                "adaptation": _experiment("Table II: rewards and constraints against none", "adaptation"),
                "constraints": _experiment("does the walk keep to its constraints", "constraints"),
                "terms": _experiment("what a preset does to its own reward terms", "terms"),
                "compose": _experiment("two presets at once: both penalties lower", "compose"),
                "height": _experiment("Fig. 4: another base height on request", "height"),
                "energy": _experiment("Fig. 2: energy per metre at 0.6 m/s", "energy"),
                "balance": _experiment("Table IV: struck by a pendulum from the side", "balance"),
                "execution": _experiment("Table VI: latency, replanning, early-step caching", "execution"),
                "caching": _experiment("early-step caching beside plans from nothing", "caching"),
                "finetune": _experiment("ground and dynamics, untuned and finetuned", "finetune"),
                "picture": Command("a strip of pictures of the walk", "evaluation.picture", config="PictureConfig"),
                "film": Command("a film of what presets do, side by side", "evaluation.film", config="FilmConfig"),
                "tuning": Command(
                    "draw the plots of docs/results/tuning.md", "evaluation.tuning", config="TuningConfig"
                ),
                "networks": Command("quality and plan time of several artefacts", "commands.networks", ""),
                "estimator": _experiment("velocity and height error", "estimator"),
                "faults": Command(
                    "break every part in turn: does the robot stay safe", "commands.faults", "", joins=SIMULATION
                ),
                "stops": Command(
                    "a thousand short emergency stops: is each one held", "commands.stops", "", joins=SIMULATION
                ),
                "soak": Command(
                    "walk for an hour under everything that happens at random", "commands.soak", "", joins=SIMULATION
                ),
            },
        ),
        "rewards": Group(
            "see and change the reward weights of a running planner",
            {
                "get": Command(
                    "show weights, bounds, presets, constraints", "commands.rewards", "get", "GetConfig", joins=ROBOT
                ),
                "set": Command(
                    "change weights: energy=0.5", "commands.rewards", "set_weights", "SetConfig", joins=ROBOT
                ),
                "presets": Command("list the presets", "commands.rewards", "presets", "PresetsConfig"),
                "undo": Command("go back by one change", "commands.rewards", "undo", "UndoConfig", joins=ROBOT),
            },
        ),
        "artefact": Group(
            "model artefacts: list, show, check, load into a running planner",
            {
                "list": Command("what there is in models/", "commands.artefact", "list_artefacts", "ListConfig"),
                "show": Command("what it is and where it comes from", "commands.artefact", "show", "ShowConfig"),
                "check": Command("hashes, card, graphs and weights", "commands.artefact", "check", "CheckConfig"),
                "load": Command(
                    "plan with another one while the robot walks",
                    "commands.artefact",
                    "load",
                    "LoadConfig",
                    joins=ROBOT,
                ),  # fmt: skip
            },
        ),
        "declare": Group(
            "tell a running planner that rolls out what no sensor tells: payload, weak motor, friction, slope",
            {
                "payload": _declaration("a mass, and where it is", "payload", "PayloadConfig"),
                "motor": _declaration("the share of its torque that a motor gives", "motor", "MotorConfig"),
                "friction": _declaration("friction of foot and ground", "friction", "FrictionConfig"),
                "slope": _declaration("by how much the ground rises, and where to", "slope", "SlopeConfig"),
                "file": _declaration("what a YAML file says", "file", "FileConfig"),
                "show": _declaration("what is declared", "show", "ShowConfig"),
                "clear": _declaration("the robot as it was built, on level ground", "clear", "ClearConfig"),
            },
        ),
        "release": Command("make the robot lie down and its own controller let go of the motors", "commands.release"),
        "doctor": Command("check machine, network, ROS, robot and model: what to mend", "commands.doctor"),
        "bench": Group(
            "measure the parts on this machine",
            {
                "planner": Command("plan latency beside torch and the matrix products", "commands.bench", ""),
                "rollouts": Command("physics steps a second of rollouts", "commands.bench_rollouts", ""),
                "models": Command("error and speed of the models to plan with", "commands.bench_models", ""),
                "delay": Command(
                    "from LowState to LowCmd on the wire, the robot walking", "commands.delay", "", joins=SIMULATION
                ),
            },
        ),
    },
)

EXAMPLES = """examples:
  diffusion-mpc run                                        walk in simulation until Ctrl-C
  diffusion-mpc run --duration 60 --cmd-vel 0.5 0 0 --headless --json run.json
  diffusion-mpc rewards set energy=0.5                     while it walks, in a second terminal
  diffusion-mpc say "walk lower and quieter"               the same in words; it asks first
  diffusion-mpc launch --no-sim --network-interface eth0   the real robot
  diffusion-mpc run --help                                 the options of one sub-command"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the sub-command of ``argv``.

    The exit status is the command's own; 2 after an error of the project's own types or of the system (no such file, no
    room, no permission), told in one line; 130 after Ctrl-C; 141 when nobody reads the output any more.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that knows fewer characters shows the others as "?".
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        status = _run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except BrokenPipeError:
        # What is still to be flushed at the end has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
        return 128 + signal.SIGPIPE
    except (DiffusionMpcError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def find(arguments: Sequence[str]) -> tuple[Command | Group, list[str], list[str]]:
    """The command, or the group, that ``arguments`` name, the words that name it, and what is left of them."""
    found: Command | Group = COMMANDS
    words, rest = [], list(arguments)
    while isinstance(found, Group) and rest and rest[0] not in ("-h", "--help"):
        name = rest.pop(0)
        if name not in found.commands:
            raise ConfigurationError(f"unknown command {' '.join([*words, name])!r}; there is {list(found.commands)}")
        found = found.commands[name]
        words.append(name)
    return found, words, rest


def parse(command: Command, words: Sequence[str], arguments: Sequence[str]) -> tuple[ModuleType, Any]:
    """The command's module, and its configuration as ``arguments`` and its file say; nothing is run."""
    import tyro

    module = _load(command)
    kind = getattr(module, command.config)
    defaults, options = _read_file(command, kind, list(arguments))
    text = (module.__doc__ or "") + (f"\n{FILE_HELP.format(command.file)}" if command.file else "")
    return module, tyro.cli(kind, args=options, prog=" ".join([PROGRAM, *words]), description=text, **defaults)


def _run(arguments: Sequence[str]) -> int:
    command, words, rest = find(arguments)
    if isinstance(command, Group):
        print(_overview(command, [PROGRAM, *words]))
        return 0
    module, config = parse(command, words, rest)
    if command.joins:
        shell.check(os.environ)
        # Before rclpy is loaded, which main does: nothing listens wider than docs/security.md says.
        os.environ.update(bringup.environment(sim=command.joins == SIMULATION))
    main = getattr(module, command.main) if command.main else type(config).conduct
    return int(main(config) or 0)


def _read_file(command: Command, kind: type, arguments: list[str]) -> tuple[dict[str, Any], list[str]]:
    """The configuration file's values as the parser's default, and the arguments without ``--config FILE``."""
    if not command.file:
        return {}, arguments
    if "--config" not in arguments:
        return {"default": config_files.load(kind, config_file(command.file))}, arguments
    index = arguments.index("--config")
    if index + 1 == len(arguments):
        raise ConfigurationError("--config needs a FILE after it")
    default = config_files.load(kind, Path(arguments[index + 1]))
    return {"default": default}, arguments[:index] + arguments[index + 2 :]


def _load(command: Command) -> ModuleType:
    try:
        return importlib.import_module(f"{_PACKAGE}.{command.module}")
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith(_PACKAGE):
            raise
        raise ConfigurationError(
            f"this command needs the Python package {error.name!r}, which is not installed: "
            "`make setup-train` installs what training and evaluation need, `make setup` the rest"
        ) from None


def _overview(group: Group, words: list[str]) -> str:
    width = max(len(name) for name in group.commands)
    lines = [f"  {name:<{width}}  {command.summary}" for name, command in group.commands.items()]
    usage = f"usage: {' '.join(words)} COMMAND [options]\n\n{group.summary}\n\n" + "\n".join(lines)
    return f"{usage}\n\n{EXAMPLES}" if group is COMMANDS else usage


if __name__ == "__main__":
    sys.exit(main())
