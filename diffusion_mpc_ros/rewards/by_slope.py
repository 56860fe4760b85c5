"""Which preset the slope of the ground asks for (arXiv 2510.04234, VI-B.2): one uphill, one downhill, none between."""

from __future__ import annotations

import math

UPHILL, DOWNHILL = "uphill", "downhill"
# Slope [deg] at which a preset is taken: on flat ground feet and filter say up to a degree, over stones a few.
THRESHOLD = 6.0
# A preset is left where the slope is below this share of what it is taken at.
LEFT_AT = 0.6
# A change waits until it has been asked for during this time [s]: a stone is no slope.
DWELL_TIME = 0.5


class PresetBySlope:
    """Call :meth:`update` again and again; ``threshold`` [deg]: the slope at which a preset is taken.

    Time is handed in as ``now`` [s] on any monotonic clock.
    """

    def __init__(self, threshold: float = THRESHOLD) -> None:
        self.threshold = threshold
        self.preset = ""
        self._wanted, self._since = "", 0.0

    def update(self, now: float, slope: float) -> str:
        """Return the preset ("" for none) on a ``slope`` [rad], positive uphill; NaN where nobody knows it."""
        wanted = self._preset_for(slope)
        if wanted != self._wanted:
            self._wanted, self._since = wanted, now
        if now - self._since >= DWELL_TIME:
            self.preset = wanted
        return self.preset

    def _preset_for(self, slope: float) -> str:
        for preset, steepness in ((UPHILL, slope), (DOWNHILL, -slope)):
            if math.degrees(steepness) >= self.threshold * (LEFT_AT if preset == self.preset else 1.0):
                return preset
        return ""
