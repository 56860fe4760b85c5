"""Say what is in a bag: topics with rates and gaps, the clock, faults, and which stretches are fit for training.

Exit status: 0 the bag is whole and some of it is fit, 1 not; 2 it cannot be read at all.

examples:
  diffusion-mpc bag check walk.mcap
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from diffusion_mpc_ros.bags import topics
from diffusion_mpc_ros.bags.bag import NEEDED, Bag, load
from diffusion_mpc_ros.bags.episodes import SHORTEST, find_ending
from diffusion_mpc_ros.bags.events import events
from diffusion_mpc_ros.bags.timeline import Fitness, Stretch, Timeline, make_stretches, make_timeline
from diffusion_mpc_ros.core.errors import BagError
from diffusion_mpc_ros.core.go2 import CONTROL_DT

# A table that nobody would read to its end is cut here, and says so.
MOST_ROWS = 40


@dataclass(frozen=True)
class Config:
    """Which bag to look at, and how long a stretch has to be."""

    bag: Annotated[Path, tyro.conf.Positional]
    """The MCAP file, or the folder that `ros2 bag record` has written."""
    namespace: str | None = None
    """ROS namespace of the robot, where the bag holds several."""
    shortest: int = SHORTEST
    """Ticks that a stretch needs at least to be fit for training."""


def main(config: Config) -> int:
    """Print the tables; the exit status."""
    bag, console = load(config.bag, config.namespace), Console()
    _print_head(bag, console)
    console.print(_topics(bag))
    try:
        timeline = make_timeline(bag)
    except BagError as error:
        console.print(f"not fit for training: {error}", style="red", markup=False)
        return 1
    console.print(_table("Events", ("at [s]", "what"), ((f"{e.time:.2f}", e.text) for e in events(bag))))
    for line in clock_lines(bag, timeline):
        console.print(line, markup=False)
    stretches = make_stretches(timeline, config.shortest)
    console.print(_stretches(bag, timeline, stretches))
    fit = sum(len(stretch) for stretch in stretches if stretch.fitness is Fitness.FIT)
    console.print(verdict(timeline, stretches), style="green" if fit else "red", markup=False)
    return 0 if fit and not bag.damage else 1


def _print_head(bag: Bag, console: Console) -> None:
    began = datetime.fromtimestamp(bag.start * 1e-9, timezone.utc)
    console.print(f"{bag.path}: {bag.duration:.1f} s from {began:%Y-%m-%d %H:%M:%S} UTC", markup=False)
    for line in [*origin_lines(bag), *damage_lines(bag)]:
        console.print(line, markup=False)


def origin_lines(bag: Bag) -> Iterable[str]:
    """Yield who recorded the bag, of which robot and with which model."""
    if bag.manifest is None:
        yield (bag.manifest_problem or "no manifest: another recorder wrote it, and its settings are not known")
        return
    planner = bag.manifest.planner
    simulated = bag.manifest.nodes.get("command_publisher", {}).get("sim")
    kind = "" if simulated is None else ", simulated" if simulated else ", real"
    yield f"recorded by version {bag.manifest.version} from robot {bag.manifest.robot or 'not told'}{kind}"
    seen = ", ".join(sha256[:12] for sha256 in bag.manifest.artefacts) or "none in its plans"
    yield f"planner {planner.get('planner', 'not told')}, artefact {planner.get('artefact') or 'not told'} ({seen})"


def damage_lines(bag: Bag) -> Iterable[str]:
    """Yield what is not whole about the file and what its recorder did not get."""
    yield from (f"damaged: {line}" for line in bag.damage)
    if bag.summary is not None:
        dropped = {name: count for name, count in dict(bag.summary.get("dropped", {})).items() if count}
        if dropped:
            yield f"dropped while recording: {', '.join(f'{name} {count}' for name, count in dropped.items())}"
        if bag.summary.get("end") not in ("asked", None):
            yield f"the recording ended early: {bag.summary['end']}"


def clock_lines(bag: Bag, timeline: Timeline) -> Iterable[str]:
    """Yield how the robot's clock went beside the recorder's, and how many of its ticks are missing."""
    steps = np.diff(timeline.tick)
    missing, restarts = int((steps[steps > 1] - 1).sum()), int((steps <= 0).sum())
    yield f"ticks: {len(timeline)} in the bag, {missing} missing, the robot's clock began anew {restarts} times"
    times = (timeline.log_time - timeline.log_time[0]) * 1e-9
    if restarts == 0 and len(times) > 1 and times[-1] > 0.0:
        clock = (timeline.tick - timeline.tick[0]) * CONTROL_DT
        late = times - clock
        rate = round((np.polyfit(times, clock, 1)[0] - 1.0) * 1e6)
        spread = (late.max() - late.min()) * 1e3
        yield f"clock: {rate:+d} ppm against the recorder's, states come up to {spread:.0f} ms late"
    backwards = sum(stream.backwards for stream in bag.streams.values())
    if backwards:
        yield f"stamps: {backwards} messages are stamped before the one in front of them"


def verdict(timeline: Timeline, stretches: Sequence[Stretch]) -> str:
    """Return in one sentence how much is fit, and what keeps the rest from it."""
    ticks = Counter[Fitness]()
    for stretch in stretches:
        ticks[stretch.fitness] += len(stretch)
    fit, episodes = ticks.pop(Fitness.FIT, 0), sum(stretch.fitness is Fitness.FIT for stretch in stretches)
    rest = "; ".join(f"{count * CONTROL_DT:.1f} s {fitness.text}" for fitness, count in ticks.most_common())
    text = f"fit for training: {fit * CONTROL_DT:.1f} s of {len(timeline) * CONTROL_DT:.1f} s, in {episodes} episodes"
    return f"{text}; the rest: {rest}" if rest else text


def _topics(bag: Bag) -> Table:
    known = {bag.name_of(topic.name): topic for topic in topics.TOPICS}
    rows = []
    for name, stream in sorted(bag.streams.items()):
        remarks = [] if name in known else [stream.type_name or "of no type"]
        remarks += [f"{stream.rejected} refused: {stream.reason}"] if stream.rejected else []
        remarks += [f"{stream.backwards} stamps go back"] if stream.backwards else []
        rate = f"{stream.rate:.1f}" if stream.rate else "-"
        rows.append((name, str(len(stream.log_times)), rate, f"{stream.longest_gap:.2f}", "; ".join(remarks)))
    for name in sorted(set(known) - set(bag.streams)):
        missing = known[name].name in NEEDED
        remark = f"missing ({' or '.join(known[name].types)})" if missing else "nobody published"
        rows.append((name, "0", "-", "-", remark))
    return _table("Topics", ("topic", "messages", "rate [Hz]", "longest gap [s]", "remarks"), rows)


def _stretches(bag: Bag, timeline: Timeline, stretches: Sequence[Stretch]) -> Table:
    def at(index: int) -> str:
        return f"{(timeline.log_time[index] - bag.start) * 1e-9:.2f}"

    def why(stretch: Stretch) -> str:
        if stretch.fitness is not Fitness.FIT:
            return stretch.fitness.text
        ending = find_ending(bag, timeline, stretch)
        return f"ends: {ending.cause}{', and the robot fell' if ending.fell else ''}"

    rows = (
        (at(stretch.first), at(stretch.last - 1), str(len(stretch)), "no" if stretch.fitness else "yes", why(stretch))
        for stretch in stretches
    )
    return _table("Stretches", ("from [s]", "to [s]", "ticks", "fit", "why"), rows)


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table, rows = Table(title=title), list(rows)
    for column in columns:
        right = column.endswith("]") or column in ("messages", "ticks")
        table.add_column(escape(column), justify="right" if right else "left", no_wrap=column == "topic")
    for row in rows[:MOST_ROWS]:
        table.add_row(*map(escape, row))
    if len(rows) > MOST_ROWS:
        table.add_row(*["..."] * (len(columns) - 1), f"and {len(rows) - MOST_ROWS} more")
    return table
