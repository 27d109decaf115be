"""Graph rewrite that takes a log-likelihood from its gradient's kernel where both are computed: one run, not two."""

from __future__ import annotations

from typing import Any

from pytensor.compile.mode import optdb
from pytensor.graph.rewriting.basic import in2out, node_rewriter
from pytensor.graph.traversal import ancestors


def share_value(name: str, value_op: Any, gradient_op: Any) -> None:
    """Register the rewrite of a pair of Ops.

    Parameters
    ----------
    name : str
        Of the rewrite.
    value_op, gradient_op : type of Op
        The gradient takes the inputs of the value, then weights; its first output is the value. Both have the same
        `__props__`.
    """

    @node_rewriter([value_op])
    def value_from_gradient(fgraph, node):
        for client, _ in fgraph.clients[node.inputs[0]]:
            if (
                isinstance(client.op, gradient_op)
                and client.op._props() == node.op._props()
                and client.inputs[:-1] == node.inputs
                and node.outputs[0] not in ancestors([client.inputs[-1]])
            ):
                return [client.outputs[0]]
        return None

    optdb["specialize"].register(name, in2out(value_from_gradient), "fast_run", "numba")
