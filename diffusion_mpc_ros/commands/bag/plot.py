"""Draw the walk of a bag: way, velocity against command, height and tilt, power, plan time; shaded where not fit.

examples:
  diffusion-mpc bag plot walk.mcap
  diffusion-mpc bag plot walk.mcap --output walk.svg
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import matplotlib
import numpy as np
import tyro
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from diffusion_mpc_ros.bags.bag import NANOSECOND, Bag, load
from diffusion_mpc_ros.bags.episodes import SHORTEST
from diffusion_mpc_ros.bags.timeline import Fitness, Timeline, make_stretches, make_timeline
from diffusion_mpc_ros.core import rotations
from diffusion_mpc_ros.core.errors import BagError, ConfigurationError

FORMATS = ("png", "svg", "pdf")
SIZE, DPI = (11.0, 11.0), 110  # [inch]
NOT_FIT = {"color": "0.92", "zorder": 0}


@dataclass(frozen=True)
class Config:
    """Which bag to draw, and where to."""

    bag: Annotated[Path, tyro.conf.Positional]
    """The MCAP file, or the folder that `ros2 bag record` has written."""
    output: Path | None = None
    """The picture (png, svg, pdf); default beside the bag, as png."""
    namespace: str | None = None
    """ROS namespace of the robot, where the bag holds several."""

    def __post_init__(self) -> None:
        if self.output is not None and self.output.suffix.lstrip(".") not in FORMATS:
            raise ConfigurationError(f"{self.output} is no picture: its name must end with one of {', '.join(FORMATS)}")


def main(config: Config) -> None:
    """Write the picture and say where."""
    matplotlib.use("Agg")
    bag = load(config.bag, config.namespace)
    if not bag.states:
        raise BagError(f"{config.bag}: nothing to draw: {bag.missing()[0]}")
    output = config.output or config.bag.with_suffix(".png")
    draw(bag).savefig(output, dpi=DPI)
    print(f"drew {output}")


def draw(bag: Bag) -> Figure:
    """Return the figure of a bag that holds robot states; what else it lacks stays empty."""
    figure = Figure(figsize=SIZE, layout="constrained")
    way, *over_time = figure.subplots(5, 1, height_ratios=(1.6, 1, 1, 1, 1))
    for axes in over_time[1:]:
        axes.sharex(over_time[0])
    _draw_way(bag, way)
    for axes, draw_one in zip(over_time, (_draw_velocity, _draw_posture, _draw_power, _draw_plans)):
        draw_one(bag, axes)
        axes.grid(alpha=0.3)
    over_time[-1].set_xlabel("time [s]")
    if not bag.missing():
        _shade(bag, make_timeline(bag), over_time)
    figure.suptitle(bag.path.name)
    return figure


def _seconds(bag: Bag, log_time: np.ndarray) -> np.ndarray:
    return (log_time - bag.start) * NANOSECOND


def _draw_way(bag: Bag, axes: Axes) -> None:
    position = bag.odometry.get("position", np.zeros((0, 3)))
    axes.set(
        xlabel="x [m]", ylabel="y [m]", title="way by odometry" if len(position) else "way: no odometry in the bag"
    )
    axes.set_aspect("equal", adjustable="datalim")
    axes.grid(alpha=0.3)
    if len(position):
        axes.plot(position[:, 0], position[:, 1])
        axes.plot(*position[0, :2], "go", label="begin")
        axes.plot(*position[-1, :2], "rs", label="end")
        axes.legend(loc="best")


def _draw_velocity(bag: Bag, axes: Axes) -> None:
    velocity = np.column_stack([bag.states["base_lin_vel"][:, :2], bag.states["base_ang_vel"][:, 2]])
    time = _seconds(bag, bag.states["log_time"])
    for column, name in enumerate(("vx [m/s]", "vy [m/s]", "yaw rate [rad/s]")):
        (line,) = axes.plot(time, velocity[:, column], linewidth=0.8, label=name)
        if bag.commands:
            asked = _seconds(bag, bag.commands["log_time"]), bag.commands["velocity"][:, column]
            axes.plot(*asked, "--", color=line.get_color())
    axes.set_ylabel("estimated, -- asked")
    axes.legend(loc="upper left", ncols=3)


def _draw_posture(bag: Bag, axes: Axes) -> None:
    time = _seconds(bag, bag.states["log_time"])
    axes.plot(time, bag.states["base_height"], label="height [m]")
    gravity = rotations.projected_gravity(bag.states["base_quat_wxyz"])
    axes.plot(time, rotations.tilt(gravity), label="tilt [rad]")
    axes.set_ylabel("base")
    axes.legend(loc="upper left", ncols=2)


def _draw_power(bag: Bag, axes: Axes) -> None:
    power = np.abs(bag.states["joint_torque"] * bag.states["joint_vel"]).sum(axis=1)
    axes.plot(_seconds(bag, bag.states["log_time"]), power, linewidth=0.6)
    axes.set_ylabel("power at the joints [W]")


def _draw_plans(bag: Bag, axes: Axes) -> None:
    time = _seconds(bag, np.array([recorded.log_time for recorded in bag.plans]))
    axes.plot(time, [recorded.plan.plan_time * 1e3 for recorded in bag.plans], ".", markersize=3)
    axes.set_ylabel("plan time [ms]")
    axes.set_ylim(bottom=0.0)


def _shade(bag: Bag, timeline: Timeline, plots: list[Axes]) -> None:
    """Shade what is not fit for training."""
    time = _seconds(bag, timeline.log_time)
    for stretch in make_stretches(timeline, SHORTEST):
        if stretch.fitness is not Fitness.FIT:
            end = time[min(stretch.last, len(time) - 1)]
            for axes in plots:
                axes.axvspan(time[stretch.first], end, **NOT_FIT)
