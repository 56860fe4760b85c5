"""The Python that the documentation shows does what the page says."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from documented_commands import PAGES, ROOT, documented, tokens

from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS
from diffusion_mpc_ros.core.trajectory import FIELDS
from diffusion_mpc_ros.rewards import registry, terms
from diffusion_mpc_ros.simulation.robot import Go2Simulation, Pose

DOCS = ROOT / "docs"


def python_of(page: Path) -> list[str]:
    """The page's blocks of Python."""
    return [token.content for token in tokens(page) if token.type == "fence" and token.info == "python"]


def test_no_block_is_forgotten() -> None:
    tried = {DOCS / "rewards.md": 2, DOCS / "planners.md": 1}
    assert {page: len(blocks) for page in PAGES if (blocks := python_of(page))} == tried


def test_the_reward_term_of_the_page_is_one() -> None:
    function, line = python_of(DOCS / "rewards.md")
    names = dict(vars(terms))
    exec(function, names)
    term = eval(line, {**vars(registry), "terms": SimpleNamespace(**names)})
    sizes = {name: part.stop - part.start for name, part in FIELDS.items()}
    segment = terms.Segment(**{name: np.ones((2, 11, size)) for name, size in sizes.items()}, outcomes={})
    # 11 rows of 4 hips at 1 rad/s.
    assert term(segment, {}) == pytest.approx([-44.0, -44.0])


def test_rollouts_roll_out_as_the_page_shows() -> None:
    simulation = Go2Simulation()
    simulation.reset(Pose.STANDING)
    state = simulation.robot_state(0, DEFAULT_JOINT_POS).batched()
    names = {
        "request": SimpleNamespace(state=state, command=np.zeros((1, 3))),
        "joint_targets": np.tile(DEFAULT_JOINT_POS, (1, 2, 3, 1)),
        "observation": np.zeros((1, 45)),
    }
    (code,) = python_of(DOCS / "planners.md")
    exec(code, names)
    done = names["done"]
    assert done.ticks.base_height.shape == (1, 2, 3) and (done.ticks.base_height > 0.2).all()
    assert done.trajectory(np.zeros((1, 45)), np.zeros((1, 3))).shape == (1, 2, 4, 57)


def test_programs_that_are_started_by_python_are_there() -> None:
    started = [command.words[1] for command in documented() if command.words[0] == "python"]
    assert started and all((ROOT / path).is_file() for path in started)
