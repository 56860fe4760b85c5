"""The shipped artefacts were made as docs/training.md says: its commands, parsed today, beside the cards."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from diffusion_mpc_ros import cli
from diffusion_mpc_ros.training.runs import PLACES, configuration_json

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "training.md").read_text()
SECTION = TEXT.partition("## How the shipped ones were made\n")[2].partition("\n## ")[0]
CARDS = {path.parent.name: json.loads(path.read_text()) for path in sorted((ROOT / "models").glob("*/card.json"))}
TRAININGS = {"finetune", "demonstrator", "specialist", "pretrain", "reward-model", "proposal", "dynamics", "value"}


def typed() -> list[tuple[str, str, str]]:
    """Artefact, command and commit of each row, one for each command."""
    found, name = [], ""
    for line in SECTION.splitlines():
        if line.startswith("|") and "`" in line:
            cells = re.split(r"\s*\|\s*", line)[1:-1]
            name = cells[0].strip("`") or name
            if "/" not in name:
                found += [(name, command, cells[2]) for command in re.findall(r"`(train .*?)`", cells[1])]
    return found


def made(card: dict[str, Any], training: str) -> tuple[str, dict[str, Any]]:
    """Commit and configuration of a training, as the card says."""
    said = card["training"]
    if training == "pretrain":
        return said["configuration"]["source_commit"], said["configuration"]["config"]
    if training == "finetune":
        newest = said["configuration"]["finetuning"][-1]
        return newest["source_commit"], newest["config"]
    if training == "reward-model":
        return said["configuration"]["reward_model"]["source_commit"], said["configuration"]["reward_model"]["config"]
    said = said.get(training, said)
    return said["commit"], said["configuration"]


def differing(card: Any, today: Any, name: str = "") -> Iterator[str]:
    """What the card says otherwise; what there was not then is nowhere."""
    if isinstance(card, dict) and isinstance(today, dict):
        for key in card.keys() - PLACES:
            yield from differing(card[key], today.get(key), f"{name}.{key}" if name else key)
    elif isinstance(card, list) and isinstance(today, list) and len(card) == len(today):
        for index, pair in enumerate(zip(card, today)):
            yield from differing(*pair, f"{name}.{index}")
    elif card != today:
        yield f"{name}: {card}, not {today}"


COMMANDS = typed()
TRAINED = [each for each in COMMANDS if each[1].split()[1] in TRAININGS]


def test_every_shipped_artefact_has_its_commands():
    assert {name for name, _, _ in COMMANDS} == set(CARDS)
    assert {name for name, _, _ in TRAINED} == set(CARDS) and len(TRAINED) == 13


@pytest.mark.parametrize(("name", "command", "told"), TRAINED, ids=lambda text: text[:40])
def test_the_command_is_what_the_card_says(name, command, told):
    found, words, rest = cli.find(shlex.split(command))
    _, config = cli.parse(found, words, rest)
    commit, configuration = made(CARDS[name], words[-1])
    assert list(differing(configuration, configuration_json(config))) == []
    assert f"`{commit[:7]}`" in told
    assert commit.endswith("-dirty") == ("in no commit" in told)


def test_the_iterations_of_the_shipped_denoiser_add_up():
    story = re.search(r"denoiser was made so: .*?min on one core", TEXT, re.DOTALL)[0]
    steps = [int(number.replace(",", "")) for number in re.findall(r"\d+,\d+", story)]
    assert len(steps) == 3 and steps[-1] == CARDS["go2"]["training"]["configuration"]["iterations_done"]
    assert f"the shipped MLP had {sum(steps):,} iterations" in TEXT
    assert f"began with a network of {sum(steps[:2]):,} iterations" in SECTION


def test_the_page_on_int8_says_what_the_card_says():
    errors = CARDS["go2"]["scores"]["int8"]
    page = " ".join((ROOT / "docs" / "performance.md").read_text().split())
    said = f"x0 is {errors['x0_error']:.1%} off, its joint targets {errors['joint_target_rms_rad']:.4f} rad"
    assert said.replace("%", " %") in page
