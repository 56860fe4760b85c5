"""The list of processes: what is started with which parameters, and what is refused."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.bringup import BringupOptions, ProcessSpec, processes, ros_arguments
from diffusion_mpc_ros.commands.launch import parse_parameters
from diffusion_mpc_ros.core import resources
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.settings import written
from diffusion_mpc_ros.nodes.settings_lookup import NODES, declarations_of_node, find
from diffusion_mpc_ros.shell import DISCOVERY_VARIABLES, FASTDDS_PROFILE_VARIABLES


def by_name(options: BringupOptions) -> dict[str, ProcessSpec]:
    return {spec.name: spec for spec in processes(options)}


def test_simulation_has_five_processes_on_the_loopback():
    specs = by_name(BringupOptions())
    assert set(specs) == set(bringup.EXECUTABLES)
    for name in bringup.ROBOT_LINK_NODES:
        assert specs[name].parameters["network_interface"] == "lo"
        assert specs[name].parameters["domain_id"] == 1


def test_the_real_robot_has_no_simulator_and_its_own_interface():
    options = BringupOptions(sim=False, network_interface="eth0", namespace="dog")
    specs = by_name(options)
    assert set(specs) == set(bringup.EXECUTABLES) - {"go2_simulator"}
    assert specs["command_publisher"].parameters["network_interface"] == "eth0"
    assert specs["command_publisher"].parameters["domain_id"] == 0
    assert specs["command_publisher"].parameters["autostart"] is False
    assert all(spec.namespace == "dog" for spec in specs.values())


def test_the_view_is_started_where_it_is_asked_for():
    assert by_name(BringupOptions(view=True, namespace="dog"))["view"].parameters["browser"] is True
    assert by_name(BringupOptions(view=True)).keys() == {*bringup.EXECUTABLES, "view"}
    assert by_name(BringupOptions(markers=True))["view"].parameters["browser"] is False
    with pytest.raises(ConfigurationError, match="set by the option --view"):
        BringupOptions(parameters={"view": {"browser": False}})
    parameters = parse_parameters(["view.port=8081", "view.address=0.0.0.0"])
    values = by_name(BringupOptions(view=True, parameters=parameters))["view"].parameters
    assert (values["port"], values["address"], values["rate"]) == (8081, "0.0.0.0", 20.0)


def test_another_simulator_takes_the_place_of_this_one():
    options = BringupOptions(robot="unitree_mujoco", autostart=True)
    specs = by_name(options)
    assert options.simulated and set(specs) == set(bringup.EXECUTABLES) - {"go2_simulator"}
    for name in ("state_estimator", "command_publisher"):
        parameters = specs[name].parameters
        assert (parameters["network_interface"], parameters["domain_id"]) == ("lo", 1)
        assert (parameters["robot"], parameters["simulator_on_network"]) == ("unitree_mujoco", False)
    assert specs["command_publisher"].parameters["sim"] and specs["command_publisher"].parameters["autostart"]


def test_another_simulator_stays_on_the_loopback_unless_asked():
    with pytest.raises(ConfigurationError, match="a real robot may answer.*simulator_on_network"):
        BringupOptions(robot="unitree_mujoco", network_interface="eth0")
    options = BringupOptions(robot="unitree_mujoco", network_interface="eth0", simulator_on_network=True)
    assert by_name(options)["command_publisher"].parameters["simulator_on_network"] is True
    with pytest.raises(ConfigurationError, match="no robot profile 'b2'"):
        BringupOptions(robot="b2")
    with pytest.raises(ConfigurationError, match="set by the option --robot"):
        BringupOptions(parameters={"command_publisher": {"robot": "unitree_mujoco"}})
    with pytest.raises(ConfigurationError, match="viewer is that of go2_simulator"):
        BringupOptions(robot="unitree_mujoco", viewer=True)


PROFILE = str(resources.config_file("fastdds.xml"))
LOOPBACK = {
    "ROS_AUTOMATIC_DISCOVERY_RANGE": "SYSTEM_DEFAULT",
    "FASTRTPS_DEFAULT_PROFILES_FILE": PROFILE,
    "FASTDDS_DEFAULT_PROFILES_FILE": PROFILE,
}


@pytest.mark.parametrize(
    ("variables", "added"),
    [
        ({}, LOOPBACK),
        ({"ROS_DISTRO": "jazzy"}, LOOPBACK),
        ({"ROS_DISTRO": "jazzy", "RMW_IMPLEMENTATION": "rmw_fastrtps_cpp"}, LOOPBACK),
        ({"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"}, {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}),
        ({"ROS_DISTRO": "humble"}, {"ROS_LOCALHOST_ONLY": "1"}),
    ],
)
@pytest.mark.parametrize("sim", [True, False], ids=["simulated", "real"])
def test_ros_topics_stay_on_this_machine(monkeypatch, sim, variables, added):
    for name in (*DISCOVERY_VARIABLES, "ROS_DISTRO", "RMW_IMPLEMENTATION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert bringup.environment(sim) == {"OMP_NUM_THREADS": "1", **added}


OPENING = {
    "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET",
    "ROS_LOCALHOST_ONLY": "0",
    **dict.fromkeys(FASTDDS_PROFILE_VARIABLES, "/etc/mine.xml"),
}


@pytest.fixture
def shell(monkeypatch):
    """A shell in which nothing of ROS is set."""
    for variable in (*DISCOVERY_VARIABLES, "ROS_DISTRO", "RMW_IMPLEMENTATION"):
        monkeypatch.delenv(variable, raising=False)
    return monkeypatch


@pytest.mark.parametrize(("name", "value"), OPENING.items())
def test_the_real_robots_topics_are_opened_by_whoever_asks_for_it(shell, name, value):
    shell.setenv(name, value)
    assert bringup.environment(sim=False) == {"OMP_NUM_THREADS": "1"}
    assert bringup.environment(sim=True).items() >= LOOPBACK.items()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST"),
        ("ROS_LOCALHOST_ONLY", "1"),
        ("FASTDDS_DEFAULT_PROFILES_FILE", PROFILE),
    ],
)
def test_who_limits_the_topics_gets_the_profile_that_binds_them(shell, name, value):
    """ROS's own way to limit them leaves the sockets bound to every address."""
    shell.setenv(name, value)
    variables = bringup.environment(sim=False)
    assert variables.items() >= LOOPBACK.items()
    assert variables.get("ROS_LOCALHOST_ONLY", "0") == "0"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"sim": False}, "network_interface"),
        ({"planner": "clairvoyant"}, "diffusion_mpc"),
        ({"namespace": "two words"}, "two words"),
        ({"domain_id": 400}, "400"),
        ({"sim": False, "network_interface": "eth0", "autostart": True}, "autostart"),
        ({"network_interface": "eth0", "domain_id": 0, "autostart": True}, "autostart"),
        ({"parameters": {"cook": {"salt": 1}}}, "cook"),
        ({"parameters": {"planner": {"candidate": 3}}}, "candidates"),
        ({"parameters": {"command_publisher": {"autostart": True}}}, "--autostart"),
        ({"parameters": {"command_publisher": {"dry_run": False}}}, "--dry-run"),
        ({"parameters": {"command_publisher": {"sim": True}}}, "--sim"),
        ({"parameters": {"state_estimator": {"network_interface": "eth0"}}}, "--network-interface"),
        ({"parameters": {"go2_simulator": {"domain_id": 0}}}, "--domain-id"),
        ({"parameters": {"go2_simulator": {"viewer": True}}}, "--viewer"),
        ({"parameters": {"command_publisher": {"replan_margin": 1}}}, "planner.replan_margin"),
        ({"parameters": {"command_publisher": {"artefact": ""}}}, "planner.artefact"),
    ],
)
def test_options_that_do_not_fit_are_refused_in_words(options, named):
    with pytest.raises(ConfigurationError, match=named):
        BringupOptions(**options)


def test_overrides_reach_their_node():
    specs = by_name(BringupOptions(parameters={"planner": {"candidates": 3, "max_command": [1, 0.5, 1]}}))
    assert specs["planner"].parameters["candidates"] == 3
    assert list(map(type, specs["planner"].parameters["max_command"])) == [float] * 3


def test_what_the_planner_owns_holds_for_command_publisher():
    overrides = {"replan_margin": 1, "horizon": 9, "artefact": "1e6"}
    parameters = by_name(BringupOptions(parameters={"planner": overrides}))["command_publisher"].parameters
    assert {name: parameters[name] for name in overrides} == overrides


def test_timing_that_does_not_fit_is_refused_before_anything_starts():
    with pytest.raises(ConfigurationError, match="0 <= D < H"):
        processes(BringupOptions(parameters={"planner": {"replan_margin": 11}}))


def test_the_simulator_behind_a_relay_has_a_domain_of_its_own():
    specs = by_name(BringupOptions(domain_id=3, simulator_domain_id=4))
    assert [specs[name].parameters["domain_id"] for name in bringup.ROBOT_LINK_NODES] == [4, 3, 3]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("planner.artefact=1e6", "1e6"), ("planner.artefact=true", "true"),
        ("planner.artefact='a b'", "a b"),
        ("planner.artefact=[x", "[x"),
        ("planner.guidance_scale=2", 2.0), ("planner.guidance_scale=1e1", 10.0),
        ("planner.seed=7", 7), ("planner.hold_committed=off", False),
        ("planner.max_command=[1, 0.5, .25]", (1, 0.5, 0.25)), ("planner.replan_interval=1", 1),
        ("state_estimator.odom_frame=", ""),
    ],
)  # fmt: skip
def test_texts_are_read_as_the_declared_type(text, value):
    ((node, parameters),) = parse_parameters([text]).items()
    ((name, found),) = parameters.items()
    assert found == value
    assert type(written(found)) is type(written(find(node, name).default))


@pytest.mark.parametrize(
    "text",
    [
        "planner.seed=1.5", "planner.seed=010", "planner.seed='1'", "planner.seed=", "planner.seed=true",
        "planner.steps=0", "planner.hold_committed=1", "planner.guidance_scale=.nan", "planner.guidance_scale=1e999",
        "planner.max_command=[1, 2]", "planner.max_command=[1, true, 1]", "planner.max_command=[1, [2], 3]",
        "planner.max_command={a: 1}", "planner.max_command=[-1, 0, 0]", "planner.sampler=clairvoyant",
        "planner.seed=" + "9" * 4000, "planner.seed=" + "[" * 4000, "planner.seed=" + "9" * 10**5,
        "planner.seed=*a", "planner.max_command=&a [*a, *a, *a]", "planner.seed=[1",
        "planner.seed=!!python/name:os.system",
        "planner.seed=\x00", "planner.artefact=a\nb",
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_short_line(text):
    with pytest.raises(ConfigurationError) as raised:
        parse_parameters([text])
    assert len(str(raised.value).splitlines()) == 1 and len(str(raised.value)) < 500


@given(node=st.sampled_from(sorted(NODES)), data=st.data(), text=st.text(max_size=60))
def test_any_text_is_a_value_of_the_declared_type_or_refused(node, data, text):
    name = data.draw(st.sampled_from(sorted(declarations_of_node(node))))
    try:
        value = parse_parameters([f"{node}.{name}={text}"])[node][name]
    except ConfigurationError:
        return
    assert value is None or type(value) in (find(node, name).base, str)


def test_a_parameter_given_twice_is_refused():
    with pytest.raises(ConfigurationError, match="twice"):
        parse_parameters(["planner.seed=1", "planner.seed=2"])


@pytest.mark.parametrize("name", NODES)
def test_the_configuration_files_hold_every_parameter_at_its_default(name):
    assert bringup.load_parameters(name) == {n: written(d.default) for n, d in declarations_of_node(name).items()}


def with_file(monkeypatch, tmp_path, node, text):
    """The shipped files, but for ``node`` one that says ``text`` alone."""
    shipped = bringup.config_file
    path = tmp_path / f"{node}.yaml"
    path.write_text(f"/**:\n  ros__parameters:\n    {text}\n")
    monkeypatch.setattr(bringup, "config_file", lambda name: path if name == path.name else shipped(name))


@pytest.mark.parametrize(
    ("node", "text"),
    [
        ("command_publisher", "{network_interface: lo, horizon: 11, replan_margin: auto, artefact: go2, sim: false}"),
        ("planner", "{planner: diffusion_mpc, replan_margin: auto, time_budget_ms: 0}"),
        ("reward_composer", "{weights.energy: 0.5}"),
        ("go2_simulator", "{}"),
    ],
)
def test_a_file_may_leave_out_anything_and_repeat_what_others_say(monkeypatch, tmp_path, node, text):
    with_file(monkeypatch, tmp_path, node, text)
    assert set(bringup.load_parameters(node)) == set(declarations_of_node(node))


@pytest.mark.parametrize(
    ("node", "text", "words"),
    [
        ("state_estimator", "network_interface: eth0", "is set by the option --network-interface"),
        ("command_publisher", "autostart: true", "is set by the option --autostart"),
        ("command_publisher", "replan_margin: 1", "replan_margin = 1, but planner.yaml says 'auto' for both nodes"),
        (
            "planner",
            "replan_margin: -1",
            "replan_margin = -1: needed is a whole number in 0 .. 63 control ticks, or auto",
        ),
        ("planner", "max_command: []", r"max_command = \(\): needed is 3 numbers"),
        ("planner", "guidance_scale: .nan", "guidance_scale = '.nan': needed is a number in 0 .. 100"),
        ("planner", "candidats: 3", "no setting 'candidats'; did you mean candidates"),
        ("planner", "cached_steps: 10", "0 <= m < steps is needed"),
        ("reward_composer", "weights: {enregy: 1.0}", "did you mean weights.energy"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_words(monkeypatch, tmp_path, node, text, words):
    with_file(monkeypatch, tmp_path, node, text)
    with pytest.raises(ConfigurationError, match=words) as raised:
        processes(BringupOptions())
    assert str(tmp_path) in str(raised.value)


def test_a_margin_settled_at_start_is_one_for_both_nodes():
    for text in ("planner.replan_margin=auto", "planner.replan_margin='auto'"):
        specs = by_name(BringupOptions(parameters=parse_parameters([text])))
        assert {specs[name].parameters["replan_margin"] for name in ("planner", "command_publisher")} == {"auto"}


def test_arguments_are_yaml_that_reads_back_as_the_parameters():
    parameters = {"text": "go2", "number": "1e6", "empty": "",
                  "flag": True, "count": 3, "real": 2.0, "list": [1.0, 0.5], "w.a": 0.0}  # fmt: skip
    arguments = ros_arguments(ProcessSpec("planner", "planner", parameters, "dog", (("plan", "other"),)))
    assert arguments[:3] == ["--ros-args", "-r", "__node:=planner"]
    assert "__ns:=/dog" in arguments and "plan:=other" in arguments
    assigned = [argument.split(":=", 1) for flag, argument in zip(arguments, arguments[1:]) if flag == "-p"]
    assert {name: yaml.safe_load(text) for name, text in assigned} == parameters


def test_what_the_file_leaves_at_the_default_planners_defaults_is_none_of_another_planners(monkeypatch, tmp_path):
    own = bringup.load_settings("planner", "d_mpc")[1]
    assert (own.artefact, own.candidates) == ("d_mpc", 24)
    specs = by_name(BringupOptions(planner="d_mpc"))
    assert specs["planner"].parameters["artefact"] == specs["command_publisher"].parameters["artefact"] == "d_mpc"
    # What was changed in it counts for any planner that has a setting of that name.
    with_file(monkeypatch, tmp_path, "planner", "{artefact: go2, candidates: 12, seed: 0}")
    own = bringup.load_settings("planner", "d_mpc")[1]
    assert (own.artefact, own.candidates) == ("d_mpc", 12)
