"""What the exporter leaves to be done on ONNX files: no trace of the machine, constants where they are used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import onnx


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
