"""Kinds of ground by name, each with a difficulty in a unit of its own: what ``--ground NAME[:DIFFICULTY]`` knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.core.go2 import NOMINAL_FRICTION
from diffusion_mpc_ros.simulation.ground.surfaces import Boxes, Contact, HeightField, Plane, Rings, Surface

# A height field: half its size and its cell [m]. At 0.5 m/s nobody leaves it within 20 s.
HALF_SIZE, CELL = 16.0, 0.08
# Round the origin, where the simulated robot lies, the ground is level within this radius [m].
LEVEL_RADIUS = 0.6
# Length over which bumps are smooth [m]; width of a cobble and of a stair's tread, in cells of the field and in metres.
BUMP_LENGTH, COBBLE_CELLS, TREAD = 0.25, 2, 0.30
# Stairs: half the width of the level middle and of the landings [m], steps of a flight, flights.
MIDDLE, LANDING, FLIGHT_STEPS, FLIGHTS = 0.8, 1.0, 6, 6
# Tiles of a mixed course, and the edge within which a tile comes down to level ground [m].
TILE, TILE_EDGE = 3.2, 0.24
# Patches of soft and slippery ground: so many, of such half widths [m], this much above the rest.
PATCHES, PATCH_HALF, PATCH_TOP = 160, (0.3, 0.8), 0.002
# A standing robot's foot sinks in by the first [m/s^2] over the stiffness, less the second [m] (measured).
SINK, SINK_OFFSET = 45.0, 0.0013
# A crate to climb: its middle and half its sizes along x and y [m] (arXiv 2409.15610, the authors' code).
CRATE_CENTRE, CRATE_HALF_SIZE = (1.3, 0.0), (0.31, 0.46)


@dataclass(frozen=True)
class Kind:
    """A kind of ground; ``easiest`` and ``hardest`` bound its difficulty, in ``unit``.

    ``make(difficulty, rng)`` gives its surfaces. ``heading`` [rad]: where robots look at the start, None at random;
    ``spread`` [m]: how far from the origin they start, along x and y.
    """

    name: str
    unit: str
    easiest: float
    default: float
    hardest: float
    description: str
    make: Callable[[float, np.random.Generator], list[Surface]]
    heading: float | None = None
    spread: float = 0.0

    def at(self, share: float) -> float:
        """Return the difficulty at ``share`` 0 (easiest) to 1 (hardest)."""
        return self.easiest + share * (self.hardest - self.easiest)


def _flat(difficulty: float, rng: np.random.Generator) -> list[Surface]:
    return [Plane()]


def _slope(degrees: float, rng: np.random.Generator) -> list[Surface]:
    return [Plane(float(np.deg2rad(degrees)))]


def _bumps(amplitude: float, rng: np.random.Generator) -> list[Surface]:
    return [_below(), _field(_smooth_noise(_cells(), rng) * amplitude)]


def _cobbles(amplitude: float, rng: np.random.Generator) -> list[Surface]:
    return [_below(), _field(_blocks(_cells(), rng) * amplitude)]


def _stairs(step: float, rng: np.random.Generator) -> list[Surface]:
    """Square rings round the middle: a flight up, a landing, a flight down, a landing, and so on."""
    tops, edges = [], [MIDDLE]
    for flight in range(FLIGHTS):
        for stair in range(FLIGHT_STEPS):
            tops.append(step * (stair + 1 if flight % 2 == 0 else FLIGHT_STEPS - 1 - stair))
            edges.append(edges[-1] + (LANDING if stair == FLIGHT_STEPS - 1 else TREAD))
    return [Plane(), Rings(np.array(edges), np.array(tops))]


def _crate(height: float, rng: np.random.Generator) -> list[Surface]:
    return [Plane(), Boxes(np.array([CRATE_CENTRE]), np.array([CRATE_HALF_SIZE]), np.array([height]))]


def _soft(depth: float, rng: np.random.Generator) -> list[Surface]:
    return [Plane(contact=_give(depth))]


def _slippery(friction: float, rng: np.random.Generator) -> list[Surface]:
    return [Plane(contact=Contact(grip=friction / NOMINAL_FRICTION))]


def _patches(share: float, rng: np.random.Generator) -> list[Surface]:
    centres = rng.uniform(-HALF_SIZE, HALF_SIZE, size=(PATCHES, 2))
    return [Plane(), *_patch_pair(centres, rng.uniform(*PATCH_HALF, size=(PATCHES, 2)), share)]


def _mixed(share: float, rng: np.random.Generator) -> list[Surface]:
    """Tiles of bumps, cobbles, ramps, steps and patches in random order."""
    tiles, cells = round(2 * HALF_SIZE / TILE), round(TILE / CELL)
    heights, patches = np.zeros((tiles * cells + 1,) * 2), []
    for row in range(tiles):
        for column in range(tiles):
            kind = rng.integers(len(_TILES) + 1)
            if kind < len(_TILES):
                tile = _TILES[kind](cells + 1, share, rng)
                part = slice(row * cells, (row + 1) * cells + 1), slice(column * cells, (column + 1) * cells + 1)
                heights[part] = np.maximum(heights[part], tile * _edge(cells + 1))
            else:
                patches.append(((np.array([column, row]) + 0.5) * TILE - HALF_SIZE).tolist())
    centres = np.array(patches).reshape(-1, 2)
    return [_below(), _field(heights, heights.shape[0]), *_patch_pair(centres, np.full(centres.shape, 1.2), share)]


def _ramps(cells: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return a plateau with ramps of up to 20 degrees on its four sides."""
    return np.tan(np.deg2rad(20.0 * share)) * np.minimum(_distance_to_edge(cells), 0.9)


def _steps(cells: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return a plateau with steps of up to 8 cm on its four sides."""
    return 0.08 * share * np.minimum(np.floor(_distance_to_edge(cells) / TREAD), 3.0)


_TILES: tuple[Callable[[int, float, np.random.Generator], np.ndarray], ...] = (
    lambda cells, share, rng: np.zeros((cells, cells)),
    lambda cells, share, rng: 0.06 * share * (1.0 + _smooth_noise(cells, rng)),
    lambda cells, share, rng: 0.06 * share * (1.0 + _blocks(cells, rng)),
    _ramps,
    _steps,
)


def _below() -> Plane:
    """Return what is under a height field and round it."""
    return Plane()


def _cells() -> int:
    return round(2 * HALF_SIZE / CELL) + 1


def _field(heights: np.ndarray, cells: int | None = None) -> HeightField:
    """Return a field above height 0, level round the origin."""
    axis = (np.arange(len(heights)) - (len(heights) - 1) / 2) * CELL
    distance = np.hypot(axis[:, None], axis[None, :])
    near = distance < LEVEL_RADIUS
    # From level to the full height within another radius.
    blend = np.clip((distance - LEVEL_RADIUS) / LEVEL_RADIUS, 0.0, 1.0)
    heights = heights[near].mean() + blend * (heights - heights[near].mean())
    return HeightField(heights - heights.min(), CELL)


def _smooth_noise(cells: int, rng: np.random.Generator) -> np.ndarray:
    """Noise ``(cells, cells)`` in -1 .. 1 that is smooth over ``BUMP_LENGTH``."""
    frequency = 2.0 * np.pi * np.fft.fftfreq(cells, CELL)
    squared = frequency[:, None] ** 2 + frequency[None, :] ** 2
    spectrum = np.fft.fft2(rng.normal(size=(cells, cells))) * np.exp(-0.5 * squared * BUMP_LENGTH**2)
    noise = np.fft.ifft2(spectrum).real
    noise /= noise.std()
    # Bounded, and often near the bounds.
    return noise / np.sqrt(1.0 + noise**2)


def _blocks(cells: int, rng: np.random.Generator) -> np.ndarray:
    """Flat blocks ``(cells, cells)`` of random heights in -1 .. 1."""
    count = -(-cells // COBBLE_CELLS)
    return np.kron(rng.uniform(-1.0, 1.0, size=(count, count)), np.ones((COBBLE_CELLS,) * 2))[:cells, :cells]


def _distance_to_edge(cells: int) -> np.ndarray:
    """Distance ``(cells, cells)`` [m] to the nearest edge of a tile."""
    axis = np.minimum(np.arange(cells), np.arange(cells)[::-1]) * CELL
    return np.minimum(axis[:, None], axis[None, :])


def _edge(cells: int) -> np.ndarray:
    return np.minimum(_distance_to_edge(cells) / TILE_EDGE, 1.0)


def _give(depth: float) -> Contact:
    """Ground in which a standing robot's feet sink by ``depth`` [m]; half critically damped."""
    stiffness = SINK / (depth + SINK_OFFSET)
    return Contact(stiffness=stiffness, damping=float(np.sqrt(stiffness)))


def _patch_pair(centres: np.ndarray, half_sizes: np.ndarray, share: float) -> list[Surface]:
    """Every second patch soft, the others slippery, as hard as ``share`` says."""
    contacts = (_give(0.005 + 0.015 * share), Contact(grip=1.0 - 0.75 * share))
    return [
        Boxes(centres[first::2], half_sizes[first::2], np.full(len(centres[first::2]), PATCH_TOP), contact)
        for first, contact in enumerate(contacts)
        if len(centres[first::2])
    ]


_SLOPE = ("deg", 0.0, 15.0, 30.0)
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("flat", "-", 0.0, 0.0, 0.0, "flat ground", _flat),
        Kind("slope", *_SLOPE, "a plane that rises along x, robots look anywhere", _slope),
        Kind("slope_up", *_SLOPE, "the same, robots look uphill", _slope, heading=0.0),
        Kind("slope_down", *_SLOPE, "the same, robots look downhill", _slope, heading=np.pi),
        Kind("slope_across", *_SLOPE, "the same, robots look along the slope, uphill to the right", _slope, np.pi / 2),
        Kind("bumps", "m", 0.0, 0.06, 0.12, "smooth bumps, up and down by the difficulty", _bumps, spread=3.0),
        Kind("cobbles", "m", 0.0, 0.06, 0.12, "blocks of 16 cm, up and down by the difficulty", _cobbles, spread=3.0),
        Kind("stairs", "m", 0.0, 0.08, 0.16, "flights of six steps of that height, up and down in turn", _stairs),
        Kind("crate", "m", 0.05, 0.25, 0.6, "a crate of that height a metre ahead", _crate, heading=0.0),
        Kind("soft", "m", 0.005, 0.015, 0.02, "a standing robot's feet sink in by the difficulty", _soft),
        Kind("slippery", "-", 0.8, 0.3, 0.1, "flat ground of that friction coefficient", _slippery),
        Kind("patches", "-", 0.0, 0.5, 1.0, "soft and slippery patches", _patches, spread=3.0),
        Kind("mixed", "-", 0.0, 0.5, 1.0, "tiles of bumps, cobbles, ramps, steps and patches", _mixed, spread=3.0),
    )
}
