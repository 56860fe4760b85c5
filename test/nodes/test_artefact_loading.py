"""Another model artefact while the planner plans: between two plans, checked by whoever follows them, or not at all."""

from __future__ import annotations

import json
import shutil

import onnx
import pytest
from diffusion_mpc_msgs.msg import Plan, RobotState
from diffusion_mpc_msgs.srv import CheckArtefact, LoadArtefact

from diffusion_mpc_ros.core.errors import ArtefactError, PlanError
from diffusion_mpc_ros.core.files import file_sha256
from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.types import Timing
from diffusion_mpc_ros.nodes.checked_artefact import CheckedArtefact
from diffusion_mpc_ros.nodes.qos import RELIABLE, STREAM

TIMING = Timing(11, 3, 2)


@pytest.fixture(scope="module")
def other_artefact(random_artefact, tmp_path_factory):
    """The same networks in another file, so with another identity."""
    folder = shutil.copytree(random_artefact, tmp_path_factory.mktemp("other") / "other")
    model = onnx.load(folder / "model.onnx")
    model.doc_string = "other"
    onnx.save_model(model, folder / "model.onnx")
    change_card(folder, lambda card: card["files"].update({"model.onnx": file_sha256(folder / "model.onnx")}))
    return folder


def change_card(folder, change) -> None:
    card = json.loads((folder / "card.json").read_text())
    change(card)
    (folder / "card.json").write_text(json.dumps(card))


def identity(folder) -> str:
    return file_sha256(folder / "model.onnx")


def test_another_artefact_takes_over_between_two_plans(start_node, probe, random_artefact, other_artefact, tmp_path):
    plans, publisher = [], CheckedArtefact(str(random_artefact), TIMING, any_margin=False)
    refuse = []

    def take(plan):
        publisher.check(plan)  # raises where command_publisher would not follow it
        plans.append(plan)

    def offer(request, response):
        try:
            response.success, response.message = not refuse, publisher.offer(request, response) if not refuse else "no"
        except ArtefactError as error:
            response.message = str(error)
        return response

    probe.create_subscription(Plan, "plan", take, RELIABLE)
    probe.create_service(CheckArtefact, "command_publisher/check_artefact", offer)
    load = probe.create_client(LoadArtefact, "load_artefact")
    states = probe.create_publisher(RobotState, "robot_state", STREAM)
    node = start_node(
        "planner", artefact=random_artefact, candidates=2, steps=2, replan_margin=3, backend="onnxruntime"
    )
    message = RobotState(joint_pos=DEFAULT_JOINT_POS, previous_action=DEFAULT_JOINT_POS)
    message.orientation.w = 1.0

    def go_on() -> bool:
        assert node.process.poll() is None, node.output
        message.tick += 1
        states.publish(message)
        return bool(plans)

    def ask(folder, sha256="") -> LoadArtefact.Response:
        future = load.call_async(LoadArtefact.Request(artefact=str(folder), sha256=sha256))
        probe.until(lambda: go_on() and future.done())
        before = len(plans)
        probe.until(lambda: go_on() and len(plans) > before + 3)
        return future.result()

    probe.until(go_on)
    answer = ask(other_artefact, identity(other_artefact)[:12])
    assert answer.success, answer.message
    assert "planning with random, onnxruntime" in answer.message
    known, new = identity(random_artefact), identity(other_artefact)
    assert answer.identity == new
    made_by = [plan.artefact for plan in plans]
    change = made_by.index(new)
    assert set(made_by[:change]) == {known} and set(made_by[change:]) == {new}

    damaged = shutil.copytree(random_artefact, tmp_path / "damaged")
    (damaged / "model.onnx").write_bytes((damaged / "model.onnx").read_bytes()[:-1])
    refuse_next = [
        (damaged, "", "model.onnx is corrupt: SHA-256"),
        (random_artefact, "00", "asked for is '00'"),
        (model_folder("demonstrator"), "", "is a demonstrator, a prior is needed"),
        ("nowhere", "", "no model artefact 'nowhere'"),
    ]
    for folder, sha256, reason in refuse_next:
        answer = ask(folder, sha256)
        assert not answer.success and reason in answer.message and answer.identity == new
    refuse.append(True)
    answer = ask(random_artefact)
    assert not answer.success and "command_publisher does not follow it: no" in answer.message
    assert {plan.artefact for plan in plans[change:]} == {new}
    refuse.clear()
    answer = ask(random_artefact)
    assert answer.success and answer.identity == known, answer.message
    assert plans[-1].artefact == known  # and back
    assert node.terminate() == 0 and "Traceback" not in node.output


def request(folder, **changes) -> CheckArtefact.Request:
    values = {"artefact": str(folder), "sha256": identity(folder), "horizon": 11, "replan_margins": [3]}
    return CheckArtefact.Request(**{**values, **changes})


def test_the_old_one_counts_until_the_first_plan_of_the_new_one(random_artefact, other_artefact):
    publisher = CheckedArtefact(str(random_artefact), TIMING, any_margin=False)
    known, new = Plan(artefact=identity(random_artefact)), Plan(artefact=identity(other_artefact))
    publisher.check(known)
    with pytest.raises(PlanError, match="checked was"):
        publisher.check(new)
    publisher.offer(request(other_artefact), None)
    publisher.check(known)
    publisher.check(new)
    with pytest.raises(PlanError, match="checked was"):
        publisher.check(known)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sha256": "00"}, "the planner's is 00"),
        ({"horizon": 12}, "H = 12 rows, command_publisher executes 11"),
        ({"replan_margins": [3, 1]}, "the replan margin D = 1, executed is D = 3"),
    ],
)
def test_what_cannot_be_followed_is_not(random_artefact, other_artefact, changes, reason):
    publisher = CheckedArtefact(str(random_artefact), TIMING, any_margin=False)
    with pytest.raises(ArtefactError, match=reason):
        publisher.offer(request(other_artefact, **changes), None)
    with pytest.raises(PlanError):
        publisher.check(Plan(artefact=identity(other_artefact)))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda model: model["gains"].update(kp=90.0), "'gains' is"),
        (lambda model: model["joint_order"].reverse(), "'joint_order' is"),
        (lambda model: model.update(control_dt=0.01), "'control_dt' is 0.01"),
    ],
)
def test_an_artefact_of_another_controller_is_refused(random_artefact, other_artefact, tmp_path, change, reason):
    folder = shutil.copytree(other_artefact, tmp_path / "spoiled")
    change_card(folder, lambda card: change(card["model"]))
    publisher = CheckedArtefact(str(random_artefact), TIMING, any_margin=True)
    with pytest.raises(ArtefactError, match=reason):
        publisher.offer(request(folder), None)
    publisher.offer(request(other_artefact, replan_margins=[1, 3]), None)
    with pytest.raises(ArtefactError, match="D = 11, executed is 0 <= D < 11"):
        publisher.offer(request(other_artefact, replan_margins=[11]), None)


def test_an_artefact_that_fails_at_the_start_is_named(tmp_path, random_artefact):
    folder = shutil.copytree(random_artefact, tmp_path / "spoiled")
    (folder / "model.onnx").write_bytes(b"")
    assert "fails its check: " in CheckedArtefact(str(folder), TIMING, any_margin=False).error
    error = CheckedArtefact(str(random_artefact), Timing(9, 3, 2), any_margin=False).error
    assert "plans H = 11 rows, command_publisher executes 9" in error
    nothing = CheckedArtefact("", TIMING, any_margin=False)
    nothing.check(Plan(artefact="any"))
    assert nothing.error == ""


def test_a_plan_of_no_artefact_is_refused_and_ends_no_check(random_artefact, other_artefact, tmp_path):
    publisher = CheckedArtefact(str(random_artefact), TIMING, any_margin=False)
    known, new, of_none = (Plan(artefact=each) for each in (identity(random_artefact), identity(other_artefact), ""))
    for _ in range(2):
        with pytest.raises(PlanError, match="comes from the artefact ''"):
            publisher.check(of_none)
        with pytest.raises(PlanError, match="checked was"):
            publisher.check(new)
        publisher.check(known)
    publisher.offer(request(other_artefact), None)
    with pytest.raises(PlanError):
        publisher.check(of_none)
    publisher.check(known)
    publisher.check(new)
    # Where none has passed, nothing is followed.
    folder = shutil.copytree(random_artefact, tmp_path / "spoiled")
    (folder / "model.onnx").write_bytes(b"")
    publisher = CheckedArtefact(str(folder), TIMING, any_margin=False)
    for plan in (known, of_none):
        with pytest.raises(PlanError):
            publisher.check(plan)


def test_what_is_offered_in_the_moment_of_a_change_is_not_lost(random_artefact, other_artefact):
    """Another thread checks the next one just when the first plan of the one before has been compared."""
    publisher = CheckedArtefact(str(random_artefact), TIMING, any_margin=False)
    known, new = identity(random_artefact), identity(other_artefact)
    publisher.offer(request(other_artefact), None)

    class Compared(str):
        def __eq__(self, other: object) -> bool:
            equal = str.__eq__(self, other)
            if publisher._candidate == new and other == new:
                publisher.offer(request(random_artefact), None)
            return equal

        __hash__ = str.__hash__

    publisher.check(Plan(artefact=Compared(new)))
    publisher.check(Plan(artefact=new))
    publisher.check(Plan(artefact=known))
