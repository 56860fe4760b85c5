"""Constants, on small graphs made by hand."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from diffusion_mpc_ros.training.onnx_files import fold_transposed_constants, give_branches_their_constants


def branch(name, factor):
    node = helper.make_node("Mul", ["x", factor], [f"{name}_y"])
    return helper.make_graph([node], name, [], [helper.make_tensor_value_info(f"{name}_y", TensorProto.FLOAT, [2])])


def make_model():
    """``y = (positive ? x * two : x * three) + two``."""
    nodes = [
        helper.make_node(
            "If", ["positive"], ["scaled"], then_branch=branch("then", "two"), else_branch=branch("else", "three")
        ),
        helper.make_node("Add", ["scaled", "two"], ["y"]),
    ]
    constants = [numpy_helper.from_array(np.full(2, value, np.float32), name) for name, value in
                 (("two", 2.0), ("three", 3.0))]  # fmt: skip
    inputs = [
        helper.make_tensor_value_info("positive", TensorProto.BOOL, []),
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [2]),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def test_branches_hold_what_they_use_and_compute_as_before():
    model = make_model()
    give_branches_their_constants(model)
    onnx.checker.check_model(model)
    then, other = (attribute.g for attribute in model.graph.node[0].attribute)
    names = [[tensor.name for tensor in graph.initializer] for graph in (model.graph, then, other)]
    assert names == [["two"], ["two"], ["three"]] or names == [["two"], ["three"], ["two"]]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    x = np.array([1.0, -4.0], np.float32)
    for positive, expected in ((True, [4.0, -6.0]), (False, [5.0, -10.0])):
        assert session.run(None, {"positive": np.asarray(positive), "x": x})[0].tolist() == expected


def test_a_transposed_constant_becomes_one_of_its_own():
    """In a branch, ``y = x W^T W^TT = x W^T W``, as a network and its gradient multiply by one weight."""
    weight = np.array([[1.0, 2.0], [3.0, 5.0]], np.float32)
    nodes = [
        helper.make_node("Transpose", ["w"], ["wt"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "wt"], ["xwt"]),
        helper.make_node("Transpose", ["wt"], ["wtt"], perm=[1, 0]),
        helper.make_node("MatMul", ["xwt", "wtt"], ["then_y"]),
    ]
    value = helper.make_tensor_value_info("then_y", TensorProto.FLOAT, [1, 2])
    then = helper.make_graph(nodes, "then", [], [value], [numpy_helper.from_array(weight, "w")])
    other = helper.make_graph(
        [helper.make_node("Transpose", ["x"], ["xt"]), helper.make_node("Transpose", ["xt"], ["else_y"])],
        "else",
        [],
        [helper.make_tensor_value_info("else_y", TensorProto.FLOAT, [1, 2])],
    )
    graph = helper.make_graph(
        [helper.make_node("If", ["positive"], ["y"], then_branch=then, else_branch=other)],
        "graph",
        [
            helper.make_tensor_value_info("positive", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    fold_transposed_constants(model)
    onnx.checker.check_model(model)
    then, other = (attribute.g for attribute in model.graph.node[0].attribute)
    if then.name != "then":
        then, other = other, then
    # w itself is read by nobody any more; what is no constant stays.
    constants = {tensor.name: numpy_helper.to_array(tensor).tolist() for tensor in then.initializer}
    assert constants == {"wt": weight.T.tolist(), "wtt": weight.tolist()}
    assert [node.op_type for node in then.node] == ["MatMul", "MatMul"]
    assert [node.op_type for node in other.node] == ["Transpose", "Transpose"]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    x = np.array([[1.0, -1.0]], np.float32)
    result = session.run(None, {"positive": np.asarray(True), "x": x})[0]
    # x W^T = (1 - 2, 3 - 5) = (-1, -2); times W: (-1 - 6, -2 - 10).
    assert result.tolist() == [[-7.0, -12.0]]
