"""What the kernel says of the processor."""

from __future__ import annotations

from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
# Dot products of bytes summed in 32 bits (VNNI), as the kernel names them. Without them ONNX Runtime adds pairs of
# products in 16 bits, where they saturate: the plans would be slower, and wrong.
INT8_INSTRUCTIONS = frozenset({"avx512_vnni", "avx_vnni"})
# Dot products of bfloat16, on x86-64 and on AArch64.
BFLOAT16_INSTRUCTIONS = frozenset({"amx_bf16", "avx512_bf16", "bf16"})


def processor_vendor() -> str:
    """Return the processor's vendor (``GenuineIntel``, ``AuthenticAMD``), "" where the kernel does not say."""
    return cpuinfo_entry("vendor_id")


def computes_in_int8() -> bool:
    """Whether the processor has :data:`INT8_INSTRUCTIONS`; not where the kernel does not say."""
    return not INT8_INSTRUCTIONS.isdisjoint(cpuinfo_entry("flags").split())


@cache
def computes_in_bfloat16() -> bool:
    """Whether the processor has one of :data:`BFLOAT16_INSTRUCTIONS`; not where the kernel does not say."""
    return not BFLOAT16_INSTRUCTIONS.isdisjoint(f"{cpuinfo_entry('flags')} {cpuinfo_entry('Features')}".split())


def cpuinfo_entry(name: str) -> str:
    """Return the first entry ``name`` of ``/proc/cpuinfo``, "" where there is none."""
    lines = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")
