"""What PyTorch does with its own modules it does with ours: load elsewhere, save, copy, compile, export, spread."""

import copy
import io

import pytest
import torch
import torchvision
from torch import nn

import ft_torch
from ft.zoo import Card, cards, find_card

SIZES = {"inception": 299, "maxvit": 224}
QUICK = "squeezenet1_1"


def network(card: Card) -> tuple[nn.Module, torch.Tensor]:
    """Return a network as a step of a user's own loop leaves it, and images for it."""
    size = size_of(card)
    options = card.options(image_size=size) if card.sized else {}
    torch.manual_seed(0)
    model, x = ft_torch.build_model(card.name, num_classes=3, options=options), torch.randn(2, 3, size, size)
    logits = model.train()(x)
    nn.functional.cross_entropy(logits[0] if isinstance(logits, tuple) else logits, torch.tensor([0, 1])).backward()
    torch.optim.SGD(model.parameters(), lr=1e-3).step()
    return model.eval(), x


def size_of(card: Card) -> int:
    size = SIZES.get(card.family, max(64, card.min_size))
    return -(-size // card.size_step) * card.size_step


def saved_and_loaded(model, x):
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


HOWS = {
    "save": saved_and_loaded,
    "deepcopy": lambda model, x: copy.deepcopy(model),
    "DataParallel": lambda model, x: nn.DataParallel(model),
    "compile": lambda model, x: torch.compile(model, backend="aot_eager"),
    "export": lambda model, x: torch.export.export(model, (x,)).module(),
}
CASES = [pytest.param(card, marks=[] if card.name == QUICK else pytest.mark.slow, id=card.name) for card in cards()]


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("card", CASES)
def test_a_copy_predicts_the_same(card, how):
    model, x = network(card)
    with torch.no_grad():
        torch.testing.assert_close(HOWS[how](model, x)(x), model(x))


@pytest.mark.parametrize("card", [case for case in CASES if case.id in torchvision.models.list_models()])
def test_torchvision_takes_the_state_dict(card):
    model, x = network(card)
    options = {"init_weights": False, "aux_logits": True} if card.auxiliary else {}
    options |= {"image_size": size_of(card)} if card.sized and card.family == "vision_transformer" else {}
    stock = torchvision.models.get_model(card.name, num_classes=3, **options).eval()
    stock.load_state_dict(model.state_dict(), strict=True)
    with torch.no_grad():
        torch.testing.assert_close(stock(x), model(x), rtol=0, atol=0)


def test_noise_survives_a_copy():
    """A copy of a network that trains draws from torch's generator, as the network does."""
    model, x = network(find_card(QUICK))
    twins = [model.train(), saved_and_loaded(model, x).train(), torch.compile(model, backend="aot_eager")]
    outputs = []
    for twin in twins:
        torch.manual_seed(0)
        outputs.append(twin(x).detach())
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], model.eval()(x))
    torch.testing.assert_close(outputs[2], outputs[0])
