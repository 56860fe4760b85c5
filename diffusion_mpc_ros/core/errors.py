"""The typed errors of the project; each message names the cause, the value and the valid choices."""

import reprlib

_brief = reprlib.Repr()
_brief.maxlevel = 2


def brief(value: object) -> str:
    """Return ``repr`` for a message, of bounded length: a short YAML file can stand for more than any memory holds."""
    return _brief.repr(value)


class DiffusionMpcError(Exception):
    """Root of every error that this project raises on purpose."""


class JointOrderError(DiffusionMpcError, ValueError):
    """Foreign joint names do not map one-to-one onto the Go2's joints."""


class ConfigurationError(DiffusionMpcError, ValueError):
    """A configuration file or parameter is missing, unknown, of the wrong type or out of bounds."""


class TimingError(ConfigurationError):
    """Horizon, replan margin, replan interval or plan time do not fit together."""


class GamepadError(ConfigurationError):
    """A gamepad's buttons and axes are those of no layout, of several, or not of the one that was named."""


class ArtefactError(DiffusionMpcError):
    """A model artefact is missing, corrupt (hash), of another schema, or does not fit this robot."""


class RewardError(DiffusionMpcError, ValueError):
    """An unknown reward term, or a weight that is not finite or outside its bounds."""


class MessageError(DiffusionMpcError, ValueError):
    """A message whose content makes no sense: not finite, out of bounds, of the wrong length, of unknown names."""


class PlanError(DiffusionMpcError, ValueError):
    """A plan that is not finite, of the wrong shape, or for the wrong ticks."""


class InterfaceError(DiffusionMpcError):
    """The network interface, the DDS domain or a topic of the robot is not usable."""


class BagError(DiffusionMpcError):
    """A bag that cannot be read, or that lacks what is asked of it."""
