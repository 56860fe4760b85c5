"""What was understood, in words for a person."""

from __future__ import annotations

from diffusion_mpc_ros.language.meaning import UNITS, Height, Meaning
from diffusion_mpc_ros.language.understanding import Finding, Understood


def report(understood: Understood) -> str:
    """Return lines: which words led to what and how sure that is, what was not understood, what is near, why not."""
    lines = [_line(finding) for finding in understood.findings]
    lines += [f"  {part!r} is not understood" for part in understood.unknown]
    if understood.unknown and understood.nearest:
        lines.append(f"  the nearest that are known: {'; '.join(understood.nearest)}")
    lines += [f"  {refusal}" for refusal in understood.refusals]
    if not understood.meaning:
        lines.append("Nothing is done.")
    return "\n".join(lines)


def _line(finding: Finding) -> str:
    what = describe(finding.meaning)
    return f"  {finding.said!r} -> {finding.wish}{f': {what}' if what else ''} ({finding.sureness:.0%} sure)"


def describe(meaning: Meaning) -> str:
    """A meaning in a line; "" for nothing."""
    parts = [f"preset {name}" for name in meaning.presets]
    if meaning.height is not None:
        parts.append(_height(meaning.height))
    parts += [f"{name} = {value:g}" for name, value in meaning.parameters.items()]
    parts += [f"{axis} {value:+.2f} {UNITS[axis]}" for axis, value in meaning.velocity.items()]
    if meaning.speed is not None:
        parts.append(f"{meaning.speed:.0%} of the speed")
    if meaning.action:
        parts.append(meaning.action.replace("_", " "))
    return ", ".join(parts)


def _height(height: Height) -> str:
    if height.to is not None:
        return f"base height {height.to:g} m"
    if height.by is not None:
        return f"base height {height.by:+g} m"
    return f"base height to {height.factor:.0%}"
