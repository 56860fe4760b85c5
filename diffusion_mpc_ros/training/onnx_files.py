"""What the exporter leaves to be done on ONNX files: no trace of the machine, constants where they are used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import onnx
from onnx import numpy_helper


def strip_debug_information(model: onnx.ModelProto) -> None:
    """Remove, in place, what the exporter notes of the source: stack traces with local paths, names of modules.

    Without it the same weights give the same file whatever line or folder the code stands in.
    """
    for graph in (model.graph, *model.functions):
        _strip(graph)


def _strip(graph: onnx.GraphProto | onnx.FunctionProto) -> None:
    graph.doc_string = ""
    graph.ClearField("metadata_props")
    _clear(graph.value_info)
    if isinstance(graph, onnx.GraphProto):
        for entries in (graph.input, graph.output, graph.initializer):
            _clear(entries)
    _clear(graph.node)
    for branch in _branches(graph):
        _strip(branch)


def give_branches_their_constants(model: onnx.ModelProto) -> None:
    """Move the constants that only branches use into them, a copy for each; in place.

    The exporter leaves all constants outside. To OpenVINO they are then inputs of the branch and not known beforehand:
    it multiplies by them in bf16, whatever precision was asked for.
    """
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    used = {name for branch in _branches(graph) for name in _copy_constants(branch, constants)}
    used.difference_update(name for node in graph.node for name in node.input)
    kept = [tensor for tensor in graph.initializer if tensor.name not in used]
    graph.ClearField("initializer")
    graph.initializer.extend(kept)


def fold_transposed_constants(model: onnx.ModelProto) -> None:
    """Put a constant of its own in the place of every Transpose of a constant of the same graph; in place.

    The gradient multiplies by weights whose transpose the network multiplies by. Where both come from one constant,
    OpenVINO's kernel for processors without AVX-512 takes the weights that it packed for the one for the other, too.
    """
    for graph in (model.graph, *_all_branches(model.graph)):
        constants = {tensor.name: tensor for tensor in graph.initializer}
        for node in [*graph.node]:
            if node.op_type != "Transpose" or node.input[0] not in constants:
                continue
            axes = next((list(entry.ints) for entry in node.attribute if entry.name == "perm"), None)
            values = numpy_helper.to_array(constants[node.input[0]]).transpose(axes)
            constants[node.output[0]] = numpy_helper.from_array(np.ascontiguousarray(values), node.output[0])
            graph.initializer.append(constants[node.output[0]])
            graph.node.remove(node)
        read = {name for each in (graph, *_all_branches(graph)) for node in each.node for name in node.input}
        read.update(value.name for value in graph.output)
        kept = [tensor for tensor in graph.initializer if tensor.name in read]
        graph.ClearField("initializer")
        graph.initializer.extend(kept)


def _all_branches(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Yield the branches of ``graph``, theirs, and so on."""
    for branch in _branches(graph):
        yield branch
        yield from _all_branches(branch)


def _copy_constants(graph: onnx.GraphProto, constants: Mapping[str, onnx.TensorProto]) -> set[str]:
    """Copy those of ``constants`` that ``graph`` or a branch of it uses; their names."""
    used = {name for node in graph.node for name in node.input if name in constants}
    graph.initializer.extend(constants[name] for name in sorted(used))
    return used.union(*(_copy_constants(branch, constants) for branch in _branches(graph)))


def _branches(graph: onnx.GraphProto | onnx.FunctionProto) -> Iterator[onnx.GraphProto]:
    for node in graph.node:
        for attribute in node.attribute:
            yield from (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs)


def _clear(entries: Iterable) -> None:
    for entry in entries:
        entry.ClearField("metadata_props")
        entry.doc_string = ""
