"""The fast paths: a base's features computed once, leading frozen stages apart from the rest, folded or compiled."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from copy import copy
from typing import Any, ClassVar

import torch
from torch import Tensor, fx, nn
from torch.fx.proxy import TraceError
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torchvision.models.convnext import LayerNorm2d

from ft.errors import first_line
from ft.network.freeze import Freeze, leading_stages
from ft.system.cores import images_at_a_time
from ft.system.quiet import quiet_stderr
from ft.zoo import Card
from ft.zoo.card import under
from ft_torch.graph import LayerTracer, cut, trace
from ft_torch.layers import KerasBatchNorm2d, Noise
from ft_torch.models.text.network import TextNetwork
from ft_torch.taps import split_at_taps

NORMS = (nn.BatchNorm2d, KerasBatchNorm2d)


class Taps(dict[str, Tensor]):
    """What the parts of a network behind its base take, by the part's name: Features on the device."""


Base = Callable[[Any], Taps]
Head = Callable[..., Any]


def apart(model: nn.Module, card: Card) -> tuple[Base, Head]:
    """Return the network as two callables with Taps in between: images (N, C, H, W), or tokens -> these -> outputs."""
    if isinstance(model, TextNetwork):
        return lambda tokens: Taps(head=model.features(tokens)), lambda taps, **_: model.logits(taps["head"])
    if card.taps:
        return split_maps(model, card)
    base, head = split(model, card)
    return lambda images: Taps(head=base(images)), lambda taps, **_: head(taps["head"])


def split_maps(model: nn.Module, card: Card) -> tuple[Base, Head]:
    """Return the base and the head of a network for segmentation or detection, whose answers are of the images' size.

    That goes along with the maps, as the shape of images without channels (N, H, W, 0); and where images are padded,
    the "sizes" of the pictures in them.
    """
    backbone, heads = split_at_taps(model, card)

    def base(given: Tensor | Mapping[str, Tensor]) -> Taps:
        images, more = (given["images"], {"sizes": given["sizes"]}) if isinstance(given, Mapping) else (given, {})
        return Taps(backbone(images), images=images[:, :0].permute(0, 2, 3, 1), **more)

    def head(taps: Taps, **options: Any) -> dict[str, Tensor]:
        _, height, width, _ = taps["images"].shape
        return heads(taps, (height, width), **options)

    return base, head


def split(model: nn.Module, card: Card) -> tuple[Callable[[Tensor], Tensor], nn.Module]:
    """Return the network as two callables: images (N, C, H, W) -> what the head takes, and the head -> logits."""
    # flattened in between as Inception does after its dropout, and at the end where the last layer is a convolution
    parts = [part for path in card.stages["head"] for part in (model.get_submodule(path), nn.Flatten())]
    if len(parts) > 2 and takes_maps(parts[2]):
        del parts[1]
    head = nn.Sequential(*parts)

    @torch.no_grad()
    def base(images: Tensor) -> Tensor:
        taken: list[Tensor] = []
        handle = head[0].register_forward_pre_hook(lambda module, arguments: taken.append(arguments[0]))
        try:
            model(images)
        finally:
            handle.remove()
        return taken[0]

    return base, head


def takes_maps(head: nn.Module) -> bool:
    """Tell whether a head begins with a normalisation of maps (N, C, 1, 1), as ConvNeXt's does."""
    return isinstance(head, nn.Sequential) and isinstance(head[0], LayerNorm2d)


class CompiledPart:
    """A part of a network that is compiled at the first whole batch, for batches of that shape.

    Others run uncompiled, and so do all where compiling fails, after `say` was told why. names: of what it consists;
    `sizes`: how many samples a whole batch has, of several ranks also its part of one.
    """

    options: ClassVar[dict[str, Any] | None] = None  # inductor's

    def __init__(self, names: str, plain: nn.Module, *, batch_size: int, say: Callable[[str], None]) -> None:
        self.names, self.plain, self.say = names, plain, say
        self.sizes: Collection[int] = (batch_size,)
        self.compiled: Callable[..., Any] | None = None
        self.shapes: dict[int, tuple[int, ...]] = {}  # by size, those of the first whole batches

    def __call__(self, x: Tensor) -> Any:
        if len(x) in self.sizes and len(x) not in self.shapes:
            self.shapes[len(x)] = tuple(x.shape)
            self.compile(x)
        run = self.plain if self.compiled is None or tuple(x.shape) != self.shapes.get(len(x)) else self.compiled
        return run(x)

    def compile(self, x: Tensor) -> None:
        """Compile for input of this shape, and say how long it took or why it was not possible."""
        started = time.perf_counter()
        try:
            with quiet_stderr():
                compiled = torch.compile(self.plain, dynamic=False, options=self.options)
                self.attempt(compiled, x)
        except Exception as error:  # a missing C++ compiler, or any fault in inductor: none is worth ending a run for
            self.say(f"compile: not possible here ({first_line(error)}), uncompiled: {self.names}")
            return
        self.compiled = compiled
        self.say(f"compile: {self.names} compiled in {time.perf_counter() - started:.0f} s")

    def attempt(self, compiled: Callable[..., Any], x: Tensor) -> None:
        """Run what was compiled once: only then it is."""
        compiled(x)


class Prefix(CompiledPart):
    """The frozen stages that a network begins with: images (N, C, H, W) -> what `rest` makes logits of.

    They run without gradients, BatchNorm folded into the convolutions before it: by `fold`, or by inductor, which also
    takes weights for constants. is_base: whether all but the head is among them.
    """

    options: ClassVar = {"freezing": True}

    def __init__(
        self,
        stages: tuple[str, ...],
        plain: nn.Module,
        rest: nn.Module,
        *,
        is_base: bool,
        batch_size: int,
        say: Callable[[str], None],
    ) -> None:
        super().__init__(", ".join(stages), plain, batch_size=batch_size, say=say)
        self.stages, self.rest, self.is_base = stages, rest, is_base

    def fold(self, precision: str) -> None:
        """Fold BatchNorm and leave it at that, for a pass in `precision`.

        Where the code cannot be traced nothing is folded, and `say` is told.
        """
        self.sizes = ()  # nothing is compiled
        try:
            self.plain = InParts(folded(self.plain.eval()), precision)
        except (TraceError, TypeError, ValueError):  # code that asks for values
            self.say(f"compile: not possible to fold {self.names}, whose code cannot be traced")

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        self.plain.eval()  # also the layers between the stages, whose mode says nothing but would be compiled anew
        return super().__call__(x)


class Trained(CompiledPart):
    """The network, or what is left of it behind a prefix, as it trains: (N, C, H, W) -> logits.

    Evaluation, which is without gradients, runs uncompiled.
    """

    def __call__(self, x: Tensor) -> Any:
        return super().__call__(x) if torch.is_grad_enabled() else self.plain(x)

    def attempt(self, compiled: Callable[..., Any], x: Tensor) -> None:
        """Run forward and backward once, and put back what that moved: BatchNorm statistics, counts of noise layers."""
        kept = [(buffer, buffer.clone()) for buffer in self.plain.buffers()]
        try:
            outputs = compiled(x)
            total = torch.stack([y.sum() for y in (outputs if isinstance(outputs, tuple) else (outputs,))]).sum()
            torch.autograd.grad(total, [w for w in self.plain.parameters() if w.requires_grad], allow_unused=True)
        finally:
            for buffer, old in kept:
                buffer.copy_(old)
            for layer in self.plain.modules():
                if isinstance(layer, Noise):
                    layer.calls = 0


def split_prefix(
    model: nn.Module, card: Card, plan: Freeze, *, batch_size: int, say: Callable[[str], None]
) -> Prefix | None:
    """Return the leading frozen stages apart from the rest, which shares the model's modules.

    None where there are none, or where the network does not come apart: more than one tensor crosses over, or an
    auxiliary head trains.
    """
    leading = leading_stages(plan, card)
    if card.taps or card.inputs == "text":  # several maps cross over, or lengths differ from batch to batch
        return None
    if not leading or not all(map(plan.is_still, card.auxiliary)):
        return None
    try:
        graph = trace(model, card)
    except (TraceError, TypeError, ValueError):  # code that asks for values
        return None
    frozen = frozen_nodes(model, graph, card, plan)
    crossing = [node for node in frozen if node.op != "get_attr" and not frozen.issuperset(node.users)]
    if len(crossing) != 1 or crossing[0].op == "placeholder":
        return None
    plain, rest = cut(model, graph, crossing[0])
    calls = [str(node.target) for node in plain.graph.nodes if node.op == "call_module"]
    stages = tuple(stage for stage in leading if any(under(call, card.stages[stage]) for call in calls))
    is_base = len(leading) >= len(card.stages) - 1  # the head is the last stage
    return Prefix(stages, plain, rest, is_base=is_base, batch_size=batch_size, say=say)


class InParts(nn.Module):
    """A network for inference that on a CPU takes a few images at a time: (N, C, H, W) -> (N, ...)."""

    def __init__(self, network: nn.Module, precision: str) -> None:
        super().__init__()
        self.network, self.precision = network, precision

    def forward(self, x: Tensor) -> Tensor:
        few = images_at_a_time(*x.shape[2:], precision=self.precision, threads=torch.get_num_threads())
        if x.device.type != "cpu" or len(x) <= few:
            return self.network(x)
        return torch.cat([self.network(part) for part in x.split(few)])


def folded(plain: nn.Module) -> fx.GraphModule:
    """Return a network for inference, BatchNorm folded into convolutions before it, that shares its other layers."""
    graph = LayerTracer().trace(plain)
    network = fx.GraphModule(plain, graph)
    layer = {node: plain.get_submodule(str(node.target)) for node in graph.nodes if node.op == "call_module"}
    calls = Counter(node.target for node in layer)
    for node, norm in layer.items():
        before = node.all_input_nodes[0]
        conv = layer.get(before)
        alone = len(before.users) == 1 and calls[before.target] == 1
        if isinstance(norm, NORMS) and isinstance(conv, nn.Conv2d) and alone:
            network.add_submodule(str(before.target), with_norm(conv, norm))
            node.replace_all_uses_with(before)
            graph.erase_node(node)
    network.recompile()
    return network


def with_norm(conv: nn.Conv2d, norm: Any) -> nn.Conv2d:
    """Return a convolution that does what both do in inference mode."""
    both = copy(conv)  # shares what is not replaced
    both._parameters = dict(conv._parameters)
    statistics = norm.running_mean, norm.running_var, norm.eps
    both.weight, both.bias = fuse_conv_bn_weights(conv.weight, conv.bias, *statistics, norm.weight, norm.bias)
    return both


def frozen_nodes(model: nn.Module, graph: fx.Graph, card: Card, plan: Freeze) -> set[fx.Node]:
    """Return the nodes that depend on images and on frozen stages in inference mode alone."""
    frozen: set[fx.Node] = set()
    for node in graph.nodes:
        still = node.op != "output" and (node.op not in ("call_module", "get_attr") or is_still(model, node, plan))
        if still and frozen.issuperset(node.all_input_nodes):
            frozen.add(node)
    return frozen


def is_still(model: nn.Module, node: fx.Node, plan: Freeze) -> bool:
    """Tell whether a module or tensor is frozen, or between stages and without weights, statistics and noise."""
    path = str(node.target)
    if plan.is_still(path) or node.op == "get_attr":
        return plan.is_still(path)
    module = model.get_submodule(path)
    noisy = any(isinstance(part, (Noise, nn.Dropout)) and getattr(part, "p", 0) > 0 for part in module.modules())
    return not (noisy or module.state_dict())
