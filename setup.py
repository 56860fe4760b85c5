"""ament_python package; `colcon build --base-paths . interfaces` or `make setup`."""

from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "diffusion_mpc_ros"
NODES = ("state_estimator", "planner", "command_publisher", "reward_composer", "go2_simulator", "view")


def shared(folder: str) -> list[tuple[str, list[str]]]:
    """Every file below ``folder``, to be installed at the same place below ``share/diffusion_mpc_ros``."""
    files: dict[str, list[str]] = {}
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            files.setdefault(f"share/{PACKAGE}/{path.parent}", []).append(str(path))
    return list(files.items())


setup(
    name=PACKAGE,
    version="0.1.0",
    description="Real-time locomotion for the Unitree Go2 with Diffusion-MPC",
    license="Apache-2.0",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    package_data={PACKAGE: ["faults/clocks.c"]},
    python_requires=">=3.10",
    install_requires=["setuptools"],
    zip_safe=False,
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        *(entry for folder in ("launch", "config", "layouts", "rviz", "models") for entry in shared(folder)),
    ],
    entry_points={
        "console_scripts": [
            *(f"{node} = {PACKAGE}.nodes.{node}:main" for node in NODES),
            f"diffusion-mpc = {PACKAGE}.cli:main",
        ],
    },
)
