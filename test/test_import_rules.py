"""Who may import whom (the layers of the package), read from the sources and checked in a fresh interpreter."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = "diffusion_mpc_ros"
SOURCES = Path(__file__).resolve().parents[1] / PACKAGE
MODULES = sorted(SOURCES.rglob("*.py"))

# Sub-package -> the sub-packages it may import beside itself.
ALGORITHMS = {"rewards", "constraints", "artefacts", "diffusion", "estimation", "control", "realtime"}
# Planners that roll robots out, and what they share.
ROLLING_OUT = ("dial_mpc", "hybrid", "sampling")
LAYERS: dict[str, set[str]] = {
    "core": set(),
    **{name: {"core"} for name in ALGORITHMS},
    "diffusion": {"core", "artefacts", "constraints"},
    "planners": {"core", *ALGORITHMS},
    **{f"planners/{name}": {"core", *ALGORITHMS, "simulation"} for name in ROLLING_OUT},
    "bags": {"core", "control", "realtime"},
    "go2": {"core"},
    "simulation": {"core"},
    "language": {"core", "rewards"},
    "view": {"core", "estimation", "rewards", "language"},
    "policies": {"core", *ALGORITHMS, "planners", "simulation"},
    "nodes": {"core", *ALGORITHMS, "planners", "bags", "go2", "simulation", "view", "language"},
    "training": {"core", *ALGORITHMS, "planners", "bags", "simulation", "policies"},
    "evaluation": {"core", *ALGORITHMS, "planners", "simulation", "policies"},
}
# Library -> the only sub-packages in which it may be imported.
OWNERS: dict[str, set[str]] = {
    "rclpy": {"nodes", "faults"},
    "torch": {"training", "evaluation"},
    "rsl_rl": {"training", "evaluation"},
    "tensordict": {"training", "evaluation"},
    "mujoco": {"simulation"},
    "fast_simplification": {"simulation"},
    "viser": {"view"},
    "unitree_sdk2py": {"go2"},
    "cyclonedds": {"go2"},
    "fastcrc": {"go2"},
    "cma": {"planners"},
    "dacite": {"core"},
    "onnxruntime": {"diffusion", "policies", "training"},
    "openvino": {"diffusion"},
    "safetensors": {"artefacts", "language"},
    "tokenizers": {"language"},
    "matplotlib": {"commands", "evaluation"},
    "scipy": {"policies", "planners"},
    "psutil": {"commands", "faults"},
    "array_api_compat": {"rewards", "constraints"},
    "mcap": {"bags"},
    "mcap_ros2": {"bags"},
    "zstandard": {"bags"},
}
# Nobody else starts or trains a robot by importing it.
NOT_IMPORTED = {
    "nodes": {"bringup", "commands", "cli", "faults"},
    "training": {"commands", "cli"},
    "faults": {"commands", "cli"},
}
# NumPy, and what reads configuration files, in one place for all.
CORE_LIBRARIES = {"numpy", "yaml", "dacite"}


def imports_of(path: Path) -> set[str]:
    """Every dotted name that ``path`` imports, also inside functions and in ``importlib.import_module("...")``.

    Imports for type checkers only (``if TYPE_CHECKING:``) never run and are left out.
    """
    names: set[str] = set()
    pending: list[ast.AST] = [ast.parse(path.read_text(), str(path))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.update(f"{_absolute(node, path)}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in {"import_module", "__import__"}:
            names.update(argument.value for argument in node.args[:1] if isinstance(argument, ast.Constant))
        pending.extend(ast.iter_child_nodes(node))
    return names


def _absolute(node: ast.ImportFrom, path: Path) -> str:
    if not node.level:
        return node.module or ""
    package = [PACKAGE, *path.relative_to(SOURCES).parts[: -node.level]]
    return ".".join([*package, *([node.module] if node.module else [])])


def layer_of(path: Path) -> str:
    """The sub-package of a module; a module of the package's root is its own layer."""
    return path.relative_to(SOURCES).with_suffix("").parts[0]


def allowed_layers(path: Path) -> set[str] | None:
    """The sub-packages that a module may import beside its own; a folder with a rule of its own is one of those."""
    folder = path.relative_to(SOURCES).parent.as_posix()
    return LAYERS.get(folder, LAYERS.get(layer_of(path)))


def own_layers(names: set[str]) -> set[str]:
    """The sub-packages among the imported names."""
    parts = [name.split(".") for name in names]
    return {part[1] for part in parts if part[0] == PACKAGE and len(part) > 1 and (SOURCES / part[1]).is_dir()}


def libraries(names: set[str]) -> set[str]:
    """The top-level packages among the imported names, without the standard library and this package."""
    return {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {PACKAGE}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCES)))
def test_module_keeps_to_its_layer(path: Path) -> None:
    names, layer, allowed = imports_of(path), layer_of(path), allowed_layers(path)
    if allowed is not None:
        assert own_layers(names) <= allowed | {layer}
    if layer == "core":
        assert libraries(names) <= CORE_LIBRARIES
    for library in libraries(names) & set(OWNERS):
        assert layer in OWNERS[library], f"{library} may be imported in {sorted(OWNERS[library])} only"
    for target in own_layers(names) & set(NOT_IMPORTED):
        assert layer in NOT_IMPORTED[target] | {target}, f"{layer} may not import {target}"


def test_no_other_planner_rolls_out() -> None:
    planners = [path for path in MODULES if "planners" in path.parts]
    rolling = {path.parent.name for path in planners if "simulation" in own_layers(imports_of(path))}
    assert rolling == {*ROLLING_OUT}


def test_the_rules_see_imports_wherever_they_are(tmp_path: Path) -> None:
    source = tmp_path / "module.py"
    source.write_text(
        "from typing import TYPE_CHECKING\n"
        "import importlib\n"
        "if TYPE_CHECKING:\n    import only_for_types\n"
        "def late():\n    import torch.nn\n    importlib.import_module('rclpy.node')\n"
        "    from diffusion_mpc_ros import nodes\n"
    )
    names = imports_of(source)
    assert libraries(names) == {"torch", "rclpy"}
    assert own_layers(names) == {"nodes"}


def loaded_by(module: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after importing ``module``."""
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=SOURCES.parent)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        (f"{PACKAGE}.planners.diffusion_mpc", {"rclpy", "torch", "mujoco", "unitree_sdk2py", "cyclonedds"}),
        (f"{PACKAGE}.planners.dial_mpc.settings", {"rclpy", "torch", "mujoco", "unitree_sdk2py", "onnxruntime"}),
        (f"{PACKAGE}.planners.hybrid.settings", {"rclpy", "torch", "mujoco", "unitree_sdk2py", "onnxruntime"}),
        (f"{PACKAGE}.control.supervisor", {"rclpy", "torch", "mujoco", "unitree_sdk2py", "onnxruntime"}),
        (f"{PACKAGE}.bags.episodes", {"rclpy", "torch", "mujoco", "onnxruntime", "diffusion_mpc_msgs"}),
        (f"{PACKAGE}.nodes.planner", {"torch", "mujoco", "unitree_sdk2py", "cyclonedds", "viser"}),
        (f"{PACKAGE}.nodes.view", {"torch", "onnxruntime", "unitree_sdk2py", "cyclonedds"}),
        (f"{PACKAGE}.nodes.command_publisher", {"torch", "mujoco", "onnxruntime"}),
        (f"{PACKAGE}.nodes.watchdog", {"rclpy", "torch", "mujoco", "onnxruntime"}),
    ],
)
def test_importing_loads_nothing_foreign(module: str, forbidden: set[str]) -> None:
    loaded = loaded_by(module)
    assert PACKAGE in loaded
    assert not loaded & forbidden
