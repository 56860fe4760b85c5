"""ONNX files that hold the model and nothing of the machine that made them."""

from __future__ import annotations

from collections.abc import Iterable

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
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                _strip(inner)


def _clear(entries: Iterable) -> None:
    for entry in entries:
        entry.ClearField("metadata_props")
        entry.doc_string = ""
