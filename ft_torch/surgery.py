"""Surgery on a PyTorch model: modules are replaced where they stand, so the network's own code still runs it."""

import torch
from torch import Tensor, nn
from torchvision.models import GoogLeNet, Inception3
from torchvision.ops import Permute

from ft.network.surgery import Misfit, Surgery, first_convolution
from ft.recipe.changes import Change, padding_of
from ft.zoo.card import Card, under
from ft_torch.head import GlobalPool, build_head
from ft_torch.models.keras_applications.base import GlobalAvgPool2d
from ft_torch.shapes import stage_shapes
from ft_torch.weights import weight_shapes


def alter(model: nn.Module, surgery: Surgery, *, image_size: int) -> nn.Module:
    """Return the network after surgery, its new weights not set yet; the model given is used up.

    image_size: pixels a side, for the shapes. RecipeError where they do not fit each other.
    """
    like = next(model.parameters())
    classes = outputs_of(model.get_submodule(surgery.original.last))
    with torch.device(like.device):
        change_convolutions(model, surgery)
        if surgery.start is not None:
            delete_from(model, surgery)
        if surgery.original.auxiliary and not surgery.keeps_auxiliary:
            drop_auxiliary(model, surgery.original)
        if surgery.pool is not None:
            model = with_pool(model, surgery)
        if surgery.head is not None or surgery.widens:
            replace_head(model, surgery, classes, image_size)
    model.to(like.dtype)
    stage_shapes(model, surgery.card, image_size=image_size, channels=surgery.in_channels)
    return model


def change_convolutions(model: nn.Module, surgery: Surgery) -> None:
    """Give convolutions other windows, strides and dilations, and the first one the images' channels."""
    shapes = weight_shapes(model)
    changes = dict(surgery.changed_convolutions(shapes))
    first = first_convolution(shapes)
    for path in {first, *changes}:
        conv = model.get_submodule(path)
        assert isinstance(conv, nn.Conv2d)
        channels = surgery.in_channels if path == first else conv.in_channels
        if path in changes or channels != conv.in_channels:
            model.set_submodule(path, changed(conv, changes.get(path, Change(path)), channels).to(conv.weight.dtype))


def changed(conv: nn.Conv2d, change: Change, channels: int) -> nn.Conv2d:
    """Return a fresh convolution like `conv` but for the change and the channels that it takes."""
    numbers = {key: value for key in ("kernel", "dilation") if (value := getattr(change, key)) is not None}
    padding = conv.padding
    if not isinstance(padding, str):
        sides = zip(conv.kernel_size, conv.dilation, padding, strict=True)
        height, width = (padding_of(numbers, kernel=k, dilation=d, padding=p) for k, d, p in sides)
        padding = (height, width)
    return type(conv)(
        channels,
        conv.out_channels,
        both_ways(change.kernel, conv.kernel_size),
        both_ways(change.stride, conv.stride),
        padding,
        both_ways(change.dilation, conv.dilation),
        conv.groups,
        bias=conv.bias is not None,
    )


def both_ways(size: int | None, own: tuple[int, ...]) -> tuple[int, int]:
    """Return a size for height and width, or the layer's own where none is asked for."""
    return (size, size) if size else (own[0], own[1])


def delete_from(model: nn.Module, surgery: Surgery) -> None:
    """Put nn.Identity in the place of the module at the cut and of all behind it, up to the pooling or the head.

    torchvision registers modules in the order in which they run. A dense block hands its layers a list: theirs go.
    """
    paths = [path for path, _ in model.named_modules()]
    stops = (*surgery.original.tail, *surgery.original.stages["head"])
    gone: list[str] = []
    for path in paths[paths.index(str(surgery.start)) :]:
        if under(path, stops):
            break
        # Swin's Permute changes no values: it says in which layout the pooling finds the map
        if under(path, tuple(gone)) or isinstance(model.get_submodule(path), Permute):
            continue
        gone.append(path)
        outer, _, name = path.rpartition(".")
        parent = model.get_submodule(outer)
        if isinstance(parent, nn.ModuleDict):
            del parent[name]
        else:
            model.set_submodule(path, nn.Identity())


def drop_auxiliary(model: nn.Module, card: Card) -> None:
    """Take the auxiliary heads out of torchvision's GoogLeNet or Inception, as their constructors can."""
    assert isinstance(model, (GoogLeNet, Inception3))
    for path in card.auxiliary:
        setattr(model, path.partition(".")[0], None)
    model.aux_logits = False


def with_pool(model: nn.Module, surgery: Surgery) -> nn.Module:
    """Return the network with another global pooling.

    Where torchvision's code pools without a module, the network becomes the sequence of its children, names unchanged.
    """
    kind, place = str(surgery.pool), str(surgery.card.pool)
    if place in dict(model.named_modules()):
        own = model.get_submodule(place)
        model.set_submodule(place, GlobalPool(kind, flat=isinstance(own, GlobalAvgPool2d)))
        return model
    children = dict(model.named_children())
    head = children.pop(surgery.card.head)
    activation = {"relu": nn.ReLU()} if "relu" in surgery.card.tail else {}
    parts = {**children, **activation, place: GlobalPool(kind, flat=True), surgery.card.head: head}
    sequence = nn.Sequential()
    for name, module in parts.items():
        sequence.add_module(name, module)
    return sequence


def replace_head(model: nn.Module, surgery: Surgery, classes: int, image_size: int) -> None:
    """Put in the head's layers, or fit the network's own last layer to the features that it is given now."""
    place = surgery.card.head if surgery.head is not None else surgery.card.last
    features = input_shape(model, place, surgery, image_size=image_size)[1]
    if surgery.head is not None:
        for path in surgery.original.stages["head"]:
            model.set_submodule(path, nn.Identity())  # a dropout of the old head's may stand before it
        model.set_submodule(place, build_head(surgery.head, features=features, classes=classes))
        return
    last = model.get_submodule(place)
    bias = last.bias is not None
    new = (
        nn.Linear(features, classes, bias)
        if isinstance(last, nn.Linear)
        else nn.Conv2d(features, classes, 1, bias=bias)
    )
    model.set_submodule(place, new)


def outputs_of(layer: nn.Module) -> int:
    """Return how many values a linear layer or a convolution gives."""
    if isinstance(layer, nn.Linear):
        return layer.out_features
    assert isinstance(layer, nn.Conv2d)
    return layer.out_channels


class Reached(Exception):
    """Raised out of a forward pass that has shown what it was run for."""


def input_shape(model: nn.Module, path: str, surgery: Surgery, *, image_size: int) -> tuple[int, ...]:
    """Return the shape that the module at `path` is given; it need not fit, but what runs before it must."""
    shapes: list[tuple[int, ...]] = []

    def note(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        shapes.append(tuple(arguments[0].shape))
        raise Reached

    handle = model.get_submodule(path).register_forward_pre_hook(note)
    try:
        stage_shapes(model, surgery.card, image_size=image_size, channels=surgery.in_channels)
    except Reached:
        return shapes[0]
    except Misfit as error:
        raise (surgery.head_misfit(error.path) if surgery.is_own_head(error.path) else error) from None
    finally:
        handle.remove()
    raise AssertionError(f"{path} never runs")
