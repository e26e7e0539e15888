"""Inception v3 as torchvision ships it, with its auxiliary head. The pixels come normalised, so it has no transform."""

from torch import nn
from torchvision.models import inception_v3 as stock

from ft_torch.layers import with_shared_noise
from ft_torch.precision import as_type


def inception_v3(*, num_classes: int = 1000, dropout: float = 0.5, dtype: str = "float32") -> nn.Module:
    """Return torchvision's Inception v3: images (N, 3, H, W) -> logits (N, num_classes), in training two of them.

    The auxiliary ones follow the main ones; they take images of 299 pixels and more.
    """
    model = stock(num_classes=num_classes, dropout=dropout, aux_logits=True, init_weights=False)
    return as_type(with_shared_noise(model), dtype)
