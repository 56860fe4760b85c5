"""What a check finds, and how a list of checks is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from diffusion_mpc_ros.commands.doctor.context import Context
from diffusion_mpc_ros.core.errors import DiffusionMpcError
from diffusion_mpc_ros.go2.profile import SIGNALS

INSTALL = "make setup"


class Status(str, Enum):
    """How one check ended; only ``BAD`` makes the whole unhealthy."""

    OK = "ok"
    WARNING = "warning"
    BAD = "bad"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """What was found and, where it is not as it should be, what to do about it."""

    status: Status
    text: str
    remedy: str = ""


def ok(text: str) -> Finding:
    """As it should be, or for information."""
    return Finding(Status.OK, text)


def warning(text: str, remedy: str) -> Finding:
    """Say that it works, but not well or not surely."""
    return Finding(Status.WARNING, text, remedy)


def bad(text: str, remedy: str) -> Finding:
    """Say that it does not work, or is not safe."""
    return Finding(Status.BAD, text, remedy)


def skipped(reason: str, remedy: str = "") -> Finding:
    """Not looked at."""
    return Finding(Status.SKIPPED, reason, remedy)


@dataclass(frozen=True)
class Check:
    """One line of the report. ``needs``: checks that must have found what they looked for, else this one is skipped.

    ``signal``: what the robot must say for it (go2/profile.py); skipped for one that does not. ``slow``: takes more
    than half a second. ``remedy`` is given when ``run`` raises a
    DiffusionMpcError.
    """

    name: str
    run: Callable[[Context], Finding]
    needs: tuple[str, ...] = ()
    signal: str = ""
    slow: bool = False
    remedy: str = ""


def run_checks(
    checks: Sequence[Check], context: Context, announce: Callable[[str], object] = lambda _: None
) -> dict[str, Finding]:
    """Run ``checks`` in order; the findings by name. ``announce`` is told each name before its check runs."""
    findings: dict[str, Finding] = {}
    for check in checks:
        findings[check.name] = _obstacle(check, context, findings) or _run(check, context, announce)
    return findings


def _obstacle(check: Check, context: Context, findings: dict[str, Finding]) -> Finding | None:
    """Why ``check`` cannot be run, or None."""
    for name in check.needs:
        if findings[name].status in (Status.BAD, Status.SKIPPED):
            return skipped(f"needs {name}")
    if check.signal in context.profile.missing:
        return skipped(f"a robot of profile {context.profile.name} does not say: {SIGNALS[check.signal]}")
    if check.slow and context.quick:
        return skipped("takes more than 0.5 s, left out by --quick")
    return None


def _run(check: Check, context: Context, announce: Callable[[str], object]) -> Finding:
    announce(check.name)
    try:
        return check.run(context)
    except ImportError as error:
        return bad(str(error), INSTALL)
    except DiffusionMpcError as error:
        return bad(str(error), check.remedy)
    except OSError as error:  # a file of the system that this kernel or container hides
        return skipped(f"cannot be told here: {error}")
