"""Every command that the documentation tells people to type is one that there is; tests run what can be run cheaply.

What is parsed meets the real thing: the command line's own parser, the launch file, the Makefile, bash. The tables
below say of each command of ``diffusion-mpc`` whether it is also run: here as it is documented, by another test in a
cheap form, or not at all and why.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import re
import subprocess

import pytest
import yaml
from documented_commands import PAGES, PROGRAM, PROGRAMS, ROOT, Documented, blocks, documented, inline, is_shell
from launch_file import launch_arguments

from diffusion_mpc_ros import bringup, cli
from diffusion_mpc_ros.commands import rewards
from diffusion_mpc_ros.nodes import reward_requests
from diffusion_mpc_ros.policies import objectives

# Run here, as documented, in an empty folder.
HERE = {("settings",), ("rewards", "presets"), ("artefact", "list"), ("artefact", "show"), ("artefact", "check")}
# Run by other tests, in a cheap form: small batches, few ticks, small networks, domains of their own.
ELSEWHERE = {
    ("run",): "closed_loop/test_walk.py",
    ("launch",): "commands/test_launch.py",
    ("record",): "nodes/test_recorder.py",
    ("bag", "check"): "commands/test_bag.py",
    ("bag", "replay"): "bags/test_replay.py",
    ("bag", "plot"): "commands/test_bag.py",
    ("teleop",): "nodes/test_teleop.py",
    ("train", "specialist"): "training/test_specialist.py",
    ("train", "collect"): "training/test_collect.py",
    ("train", "bags"): "training/test_bags.py",
    ("train", "pretrain"): "training/test_pretrain.py",
    ("train", "reward-model"): "training/test_reward_model.py",
    ("train", "export"): "training/test_pretrain.py",
    ("train", "quantise"): "training/test_quantise.py",
    ("evaluate", "walk"): "test_examples.py",
    ("evaluate", "sampling"): "evaluation/test_sampling.py",
    ("evaluate", "demonstrator"): "evaluation/test_demonstrator.py",
    ("evaluate", "adaptation"): "evaluation/adaptation/test_commands.py",
    ("evaluate", "constraints"): "evaluation/adaptation/test_constraints.py",
    ("evaluate", "terms"): "evaluation/adaptation/test_terms.py",
    ("evaluate", "compose"): "evaluation/adaptation/test_commands.py",
    ("evaluate", "height"): "evaluation/adaptation/test_experiments.py",
    ("evaluate", "energy"): "evaluation/adaptation/test_experiments.py",
    ("evaluate", "balance"): "evaluation/adaptation/test_experiments.py",
    ("evaluate", "execution"): "evaluation/test_execution.py",
    ("evaluate", "caching"): "evaluation/test_execution.py",
    ("evaluate", "tuning"): "evaluation/test_tuning.py",
    ("evaluate", "networks"): "commands/test_networks.py",
    ("evaluate", "estimator"): "evaluation/test_estimator.py",
    ("evaluate", "faults"): "faults/test_faults_run.py",
    ("evaluate", "film"): "evaluation/test_film.py",
    ("say",): "nodes/test_say.py",
    ("rewards", "get"): "nodes/test_processes.py",
    ("rewards", "set"): "nodes/test_processes.py",
    ("rewards", "undo"): "nodes/test_processes.py",
    ("release",): "nodes/test_robot_controller.py",
    ("doctor",): "commands/test_doctor.py",
    ("bench", "planner"): "commands/test_bench.py",
    ("bench", "rollouts"): "commands/test_bench_rollouts.py",
    ("bench", "models"): "commands/test_bench_models.py",
    ("bench", "delay"): "closed_loop/test_delay.py",
    ("adapt", "dynamics"): "training/d_mpc/test_adapt.py",
    ("declare", "payload"): "commands/test_declare.py",
    ("declare", "motor"): "commands/test_declare.py",
    ("declare", "friction"): "commands/test_declare.py",
    ("declare", "slope"): "commands/test_declare.py",
    ("declare", "file"): "commands/test_declare.py",
    ("declare", "show"): "commands/test_declare.py",
    ("declare", "clear"): "commands/test_declare.py",
    ("train", "finetune"): "training/finetuning/test_finetune.py",
    ("train", "gate"): "training/test_gate.py",
    ("train", "proposal"): "training/d_mpc/test_models.py",
    ("train", "dynamics"): "training/d_mpc/test_models.py",
    ("train", "walks"): "training/d_mpc/test_walks.py",
    ("train", "value"): "training/d_mpc/test_models.py",
    ("train", "d-mpc"): "training/d_mpc/test_models.py",
    ("train", "distil"): "training/d_mpc/test_distil.py",
    ("evaluate", "finetune"): "evaluation/test_finetune.py",
    ("evaluate", "hybrid"): "evaluation/test_hybrid.py",
    ("evaluate", "d-mpc"): "evaluation/d_mpc/test_open_loop.py",
    ("evaluate", "jump"): "evaluation/test_tasks.py",
    ("evaluate", "crate"): "evaluation/test_tasks.py",
}
# Parsed, not run.
PARSED = {
    ("view",): "waits for a browser; closed_loop/test_view.py starts it with the launch",
    ("simulate",): "ends with Ctrl-C; it starts the node go2_simulator, as other tests do",
    ("train", "demonstrator"): "an hour; training/test_demonstrator.py takes its steps",
    ("train", "scratch"): "an hour; training/finetuning/ tries its motions and the loop that goes on from them",
    ("evaluate", "picture"): "draws a robot's meshes, which takes a graphics driver",
    ("evaluate", "stops"): "a thousand stops in real time; faults/ tries one by one",
    ("evaluate", "soak"): "an hour; faults/test_soak_statistics.py reads what it counts",
    ("artefact", "load"): "calls load_artefact of a running planner, as nodes/test_artefact_loading.py does",
}
# Real robots, ROS installations, networks and other projects are never touched: their commands are parsed.

OPTION = r"--[a-z][\w.-]*"
COMMANDS = documented()
OURS = [command for command in COMMANDS if command.words[0] == PROGRAM]


def leaves(group: cli.Group = cli.COMMANDS, words: tuple[str, ...] = ()) -> dict[tuple[str, ...], cli.Command]:
    """Every command of ``diffusion-mpc`` by its words."""
    found: dict[tuple[str, ...], cli.Command] = {}
    for name, entry in group.commands.items():
        found |= leaves(entry, (*words, name)) if isinstance(entry, cli.Group) else {(*words, name): entry}
    return found


def understand(arguments: tuple[str, ...]) -> None:
    """Parse the arguments of ``diffusion-mpc``; a bare name of a command or group has only to be there."""
    command, words, rest = cli.find(arguments)
    if rest and isinstance(command, cli.Command):
        status = 0
        try:
            cli.parse(command, words, rest)
        except SystemExit as ended:  # 0 after --help
            status = ended.code
        assert status == 0, f"{' '.join(arguments)} is not understood"


def test_pages_and_their_commands_are_found() -> None:
    assert len(PAGES) > 20 and len(OURS) > 100
    assert Documented("docs/two_robots.md", (PROGRAM, "teleop", "--namespace", "dog1")) in COMMANDS
    assert {command.words[0] for command in COMMANDS} <= PROGRAMS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_block_with_commands_is_overlooked_and_bash_reads_it(page) -> None:
    for block in blocks(page):
        if is_shell(block):
            read = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False)
            assert read.returncode == 0 and not read.stderr, f"{read.stderr}{block}"
        else:
            assert not re.search(rf"^\s*(\S*/)?({PROGRAM}|make|ros2) ", block, re.MULTILINE), block


@pytest.mark.parametrize("command", OURS, ids=str)
def test_our_command_line_understands_it(command: Documented) -> None:
    understand(command.words[1:])


@pytest.mark.parametrize("command", [c for c in OURS if c.words[1:3] == ("rewards", "set")], ids=str)
def test_the_reward_composer_takes_it(command: Documented) -> None:
    _, config = cli.parse(*cli.find(command.words[1:]))
    weights, parameters = rewards.parse_assignments(config.assignments)
    weights.pop("hip_speed", None)  # the term that docs/rewards.md adds
    request = reward_requests.reward_request(
        preset=config.preset.replace("NAME", "none"),
        weights=weights,
        parameters=parameters,
        enable=config.enable,
        disable=config.disable,
    )
    if weights or parameters or config.preset or config.enable or config.disable:
        reward_requests.apply(objectives.make_composer(), request, 0.0)


@pytest.mark.parametrize("words", leaves(), ids=" ".join)
def test_the_examples_of_a_help_are_understood(words: tuple[str, ...]) -> None:
    text = importlib.import_module(f"diffusion_mpc_ros.{leaves()[words].module}").__doc__ or ""
    examples = re.findall(rf"^  (?:\w+=\S+ )?{PROGRAM} (.*?)(?:   .*)?$", text, re.MULTILINE)
    for example in examples:
        understand(tuple(example.split()))


@pytest.fixture(scope="module")
def options() -> dict[tuple[str, ...], set[str]]:
    """The options that the help of every command names."""
    found = {}
    for words, command in leaves().items():
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            cli.parse(command, words, ["--help"])
        found[words] = set(re.findall(OPTION, said.getvalue()))
    return found


# Of programs beside ours, or of pip.
FOREIGN_OPTIONS = {"--no-build-isolation", "--no-deps", "--require-hashes", "--show-args"}


def test_options_within_the_text_are_there(options) -> None:
    said = {option for page in PAGES for text in inline(page) for option in re.findall(f"^{OPTION}", text)}
    assert said and said <= set().union(*options.values()) | FOREIGN_OPTIONS


def test_what_messages_advise_is_there(options) -> None:
    """Texts in the sources that name a command, such as a remedy: its words and its options."""
    advised = 0
    for path in (ROOT / "diffusion_mpc_ros").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
                continue
            for text in re.findall(rf"{PROGRAM} ([a-z](?:(?!\.(?:\s|$))[^;,`\n()])*)", node.value):
                words = cli.find(text.split())[1]
                asked = {option.rstrip(".") for option in re.findall(OPTION, text)}
                assert asked <= options.get(tuple(words), set()), f"{path.name}: {PROGRAM} {text}"
                advised += 1
    assert advised > 50


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.words[0] == "make"], ids=str)
def test_make_knows_it(command: Documented) -> None:
    variables = dict(word.split("=", 1) for word in command.words[1:] if "=" in word)
    assert set(variables) <= {"ARGS", "PYTHON", "ROS"}
    # -n: what would be done is only printed.
    told = subprocess.run(["make", "-n", *command.words[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    if command.words[1] == "run" and "ARGS" in variables:
        understand(("run", *variables["ARGS"].split()))


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.words[0] == "ros2"], ids=str)
def test_ros_would_find_it(command: Documented, launch_file, monkeypatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "examples")
    if command.words[1:4] == ("launch", bringup.PACKAGE, "go2.launch.py"):
        given = dict(word.split(":=", 1) for word in command.words[4:])
        assert launch_file.start(launch_arguments(launch_file, **given))
    elif command.words[1:3] == ("run", bringup.PACKAGE):
        assert command.words[3] in {*bringup.EXECUTABLES, bringup.VIEW, PROGRAM}
    elif command.words[1:3] == ("service", "call"):
        package, _, name = command.words[4].split("/")
        service = getattr(importlib.import_module(f"{package}.srv"), name)
        assert service.Request(**yaml.safe_load(command.words[5]))


def test_launch_arguments_within_the_text_are_there(launch_file) -> None:
    names = {argument.name for argument in launch_file.ARGUMENTS}
    said = {name for page in PAGES for text in inline(page) for name in re.findall(r"^([\w.]+):=", text)}
    assert said and said <= names


def test_every_command_is_run_or_it_is_said_why_not() -> None:
    assert set(HERE) | set(ELSEWHERE) | set(PARSED) == set(leaves())
    assert len(HERE) + len(ELSEWHERE) + len(PARSED) == len(leaves())


@pytest.mark.parametrize("words", ELSEWHERE, ids=" ".join)
def test_the_test_that_runs_it_is_there(words: tuple[str, ...]) -> None:
    text = (ROOT / "test" / ELSEWHERE[words]).read_text()
    module = leaves()[words].module.rpartition(".")[2]
    quoted = '", "'.join(words)
    assert re.search(rf'"{quoted}"|\b{module}\b', text)


def run_here(command: Documented) -> bool:
    """Whether it is run as it is; what writes into the checkout or needs what training has made is not."""
    _, words, rest = cli.find(command.words[1:])
    return tuple(words) in HERE and "--write" not in rest and not any("runs/" in word for word in rest)


@pytest.mark.parametrize("command", list(filter(run_here, OURS)), ids=str)
def test_it_runs(command: Documented, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "examples")
    assert cli.main(command.words[1:]) == 0
    assert capsys.readouterr().out
