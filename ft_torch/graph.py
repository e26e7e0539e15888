"""Networks as torch.fx's graphs: seen layer by layer or stage by stage, and cut in two."""

from torch import fx, nn

from ft.zoo import Card
from ft.zoo.card import under
from ft_torch import layers


class LayerTracer(fx.Tracer):
    """Sees each layer as one call, those of this project included."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        own = type(m).__module__.startswith(f"{layers.__name__}.")
        return own or not any(m.children()) or super().is_leaf_module(m, module_qualified_name)


class StageTracer(fx.Tracer):
    """Sees the code between the stages, and each module of a stage as one call."""

    def __init__(self, card: Card) -> None:
        super().__init__()
        self.card = card

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        in_stage = any(under(module_qualified_name, prefixes) for prefixes in self.card.stages.values())
        return in_stage or not any(m.children()) or super().is_leaf_module(m, module_qualified_name)


def trace(model: nn.Module, card: Card) -> fx.Graph:
    """Return the graph of a network without auxiliary logits."""
    training, model.training = model.training, False  # the network's own flag, not its layers'
    try:
        return StageTracer(card).trace(model)
    finally:
        model.training = training


def cut(model: nn.Module, graph: fx.Graph, crossing: fx.Node) -> tuple[fx.GraphModule, fx.GraphModule]:
    """Return the graph up to a node, and from it on."""
    first, rest = fx.Graph(), fx.Graph()
    first.output(copy_into(first, graph, crossing, {}))
    start = {crossing: rest.placeholder("features")}
    rest.output(copy_into(rest, graph, graph.output_node().all_input_nodes[0], start))
    return fx.GraphModule(model, first), fx.GraphModule(model, rest)


def copy_into(part: fx.Graph, graph: fx.Graph, end: fx.Node, copies: dict[fx.Node, fx.Node]) -> fx.Node:
    """Copy what a node needs, and is not among the copies yet, into another graph and return its own copy."""
    needed, waiting = set(), [end]
    while waiting:
        node = waiting.pop()
        if node not in needed and node not in copies:
            needed.add(node)
            waiting += node.all_input_nodes
    for node in graph.nodes:
        if node in needed:
            copies[node] = part.node_copy(node, copies.__getitem__)
    return copies[end]
