"""Every parameter of every node in one table, which declarations, ``config/*.yaml`` and the command line follow."""

from __future__ import annotations

from dataclasses import replace

from diffusion_mpc_ros.control.gamepad_layouts import LAYOUT_NAMES
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.declared_parameter import Parameter
from diffusion_mpc_ros.diffusion.inference import BACKENDS, PRECISIONS
from diffusion_mpc_ros.diffusion.schedule import SAMPLERS
from diffusion_mpc_ros.rewards.registry import TERMS

# Prefix of the weights among the parameters of reward_composer.
WEIGHTS = "weights."
# Parameters of command_publisher that are the planner's own: given there, they hold for both.
PLANNER_OWNS = ("artefact", "horizon", "replan_margin")

NETWORK_INTERFACE = Parameter(
    "network_interface", "lo", "Network card of the Unitree topics; lo in simulation.", owner="network_interface"
)
DOMAIN_ID = Parameter(
    "domain_id", 1, "DDS domain of the Unitree topics: 0 on the robot, 1 in simulation.", 0, 230, owner="domain_id"
)
WAIT_FOR_INTERFACE = Parameter(
    "wait_for_interface",
    0.0,
    "How long [s] to wait for a network card that is not there or has no IPv4 address yet; 0: refuse at once.",
    0.0,
    3600.0,
    owner="wait_for_interface",
)
ROBOT = Parameter(
    "robot", "go2", "Robot profile: a name in config/robots, such as go2 or unitree_mujoco.", owner="robot"
)
SIMULATOR_ON_NETWORK = Parameter(
    "simulator_on_network",
    False,
    "The simulator of the robot profile runs on another computer: no real robot answers on the network card.",
    owner="simulator_on_network",
)
ROBOT_LINK = (NETWORK_INTERFACE, DOMAIN_ID, WAIT_FOR_INTERFACE, ROBOT, SIMULATOR_ON_NETWORK)
BASE_FRAME = Parameter("base_frame", "base", "Frame of the robot's base; IMU and feet are given in it.")
FRAME_PREFIX = Parameter(
    "frame_prefix", "auto", "Put before the names of frames; auto: <namespace>/, nothing without a namespace."
)
HORIZON = Parameter("horizon", 11, "Horizon H: rows of a plan [control ticks].", 1, 64)
REPLAN_MARGIN = Parameter(
    "replan_margin",
    3,
    "Replan margin D: first executed row of a plan [control ticks]; -1: settled at start, D = 1 with a plan every tick "
    "where this machine has the time, else D = 3.",
    -1,
    63,
)
ARTEFACT = Parameter("artefact", "go2", "Model artefact: its name in models/, or a path to its folder.")


def _realtime_priority(default: int) -> Parameter:
    """The nearer to the motors, the higher."""
    text = "SCHED_FIFO priority of what has a deadline, where the system grants it; 0: none."
    return Parameter("realtime_priority", default, text, 0, 98)


def _velocity(name: str, default: list[float], description: str) -> Parameter:
    """Bounds of vx, vy and yaw rate, or of their change."""
    return Parameter(name, default, description, 0.0, 100.0)


GO2_SIMULATOR = (
    NETWORK_INTERFACE,
    DOMAIN_ID,
    WAIT_FOR_INTERFACE,
    Parameter("viewer", False, "Open MuJoCo's viewer; needs a display.", owner="viewer"),
    Parameter("friction", 0.8, "Sliding friction coefficient of the ground.", 0.05, 3.0, read_only=False),
    Parameter("payload", 0.0, "Payload fixed to the base [kg].", 0.0, 20.0, read_only=False),
    Parameter(
        "robot_controller",
        "",
        "The robot's own controller that is active: normal, ai, advanced, mcf, or none.",
        read_only=False,
    ),
    Parameter("releases_needed", 1, "How many releases the robot's own controller takes.", 1, 100),
    _realtime_priority(50),
)
STATE_ESTIMATOR = (
    *ROBOT_LINK,
    Parameter("odom_frame", "odom", "Odometry frame (REP 105)."),
    BASE_FRAME,
    FRAME_PREFIX,
    _realtime_priority(30),
)
REWARD_COMPOSER = (
    Parameter("ramp_time", 1.0, "Time [s] over which weights move to new values.", 0.0, 60.0),
    *(
        Parameter(
            WEIGHTS + term.name,
            float(term.default_weight),
            f"Weight of {term.name} [1/({term.unit})]: {term.description}.",
            term.min_weight,
            term.max_weight,
            read_only=False,
        )
        for term in TERMS.values()
    ),
)
PLANNER = (
    Parameter("planner", "diffusion_mpc", "Name of the planner, or MODULE:FUNCTION of one's own.", owner="planner"),
    HORIZON,
    REPLAN_MARGIN,
    BASE_FRAME,
    FRAME_PREFIX,
    ARTEFACT,
    Parameter("replan_interval", 2, "Replan interval R: a new plan every R control ticks; R <= H - D.", 1, 64),
    Parameter("candidates", 10, "Number of candidates N that are sampled and ranked.", 1, 256),
    Parameter("sampler", "ddpm", "Reverse process.", choices=SAMPLERS),
    Parameter("steps", 10, "Denoising steps.", 1, 100),
    Parameter("cached_steps", 0, "Early denoising steps m that the shifted last plan replaces; 0: none.", 0, 99),
    Parameter("refresh_ticks", 50, "With cached steps: a full run at least this often [control ticks].", 1, 10_000),
    Parameter("guidance_scale", 1.0, "Guidance scale lambda of the reward gradient.", 0.0, 100.0),
    Parameter(
        "survivors",
        0.25,
        "Share of the candidates, the best ones, that goes on in the place of all where they are resampled; 1: never.",
        0.01,
        1.0,
    ),
    Parameter("hold_committed", True, "Hold the actions that are already committed fixed while sampling."),
    Parameter(
        "backend", "auto", "Inference; auto: the quicker one of those installed, measured at start.", choices=BACKENDS
    ),
    Parameter(
        "precision",
        "f32",
        "Arithmetic of the network: int8 needs VNNI, bf16 OpenVINO and AVX-512 BF16; auto, with replan_margin -1: f32, "
        "and int8 where only that has the time for a plan every tick.",
        choices=(*PRECISIONS, "auto"),
    ),
    Parameter("threads", 0, "Threads of the inference backend; 0: as many as measurement finds worth a core.", 0, 64),
    Parameter(
        "time_budget_ms",
        -1.0,
        "Time budget of a plan [ms], kept by fewer candidates, then cached steps; -1: 80 % of the shorter of max(D, 1) "
        "and R ticks; 0: none, exactly the configured settings.",
        -1.0,
        2000.0,
    ),
    Parameter("seed", 0, "Seed of the sampling noise.", 0, 2**31 - 1),
    _velocity("max_command", [1.0, 0.5, 1.0], "Bounds of the vx, vy [m/s] and yaw rate [rad/s] that are planned for."),
    _velocity("max_command_rate", [2.0, 2.0, 4.0], "Bounds of their change [m/s^2, m/s^2, rad/s^2]."),
    _realtime_priority(10),
)
COMMAND_PUBLISHER = (
    *ROBOT_LINK,
    HORIZON,
    REPLAN_MARGIN,
    Parameter("sim", False, "The robot is simulated, on the loopback; autostart needs that.", owner="sim"),
    Parameter("autostart", False, "Stand up and walk without being asked; in simulation only.", owner="autostart"),
    replace(ARTEFACT, description="The planner's model artefact; checked before arming. Empty: plans of any artefact."),
    Parameter("dry_run", False, "Send commands to rt/lowcmd_dry_run, where no robot listens.", owner="dry_run"),
    Parameter("release_robot_controller", False, "Make the robot's own controller lie down and let go at the start."),
    Parameter("restore_robot_controller", False, "Give the motors back to the released controller at the end."),
    _velocity("stick_velocity", [1.0, 0.5, 1.0], "What a stick at its stop asks for: vx, vy [m/s], yaw rate [rad/s]."),
    Parameter("command_deadband", 0.08, "Part of a stick's range around its middle that counts as zero.", 0.0, 0.5),
    Parameter("cmd_vel_timeout", 0.5, "Age [s] from which cmd_vel, joy or the remote counts as silent.", 0.05, 5.0),
    Parameter("gamepad_layout", "auto", "Layout of the gamepad on joy.", choices=LAYOUT_NAMES),
    _realtime_priority(60),
)
NODES: dict[str, dict[str, Parameter]] = {
    name: {parameter.name: parameter for parameter in declared}
    for name, declared in (
        ("go2_simulator", GO2_SIMULATOR),
        ("state_estimator", STATE_ESTIMATOR),
        ("reward_composer", REWARD_COMPOSER),
        ("planner", PLANNER),
        ("command_publisher", COMMAND_PUBLISHER),
    )
}


def find(node: str, name: str) -> Parameter:
    """Return the declaration of a parameter; raises ConfigurationError listing the nodes, or the node's parameters."""
    if node not in NODES:
        raise ConfigurationError(f"parameters for an unknown node {node!r}; there are {list(NODES)}")
    if name not in NODES[node]:
        raise ConfigurationError(f"{node} has no parameter {name!r}; it has {sorted(NODES[node])}")
    return NODES[node][name]
