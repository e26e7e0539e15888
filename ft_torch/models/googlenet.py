"""GoogLeNet as torchvision ships it, with its auxiliary heads. The pixels come normalised, so it has no transform."""

from torch import nn
from torchvision.models import googlenet as stock

from ft_torch.layers import with_shared_noise
from ft_torch.precision import as_type


def googlenet(*, num_classes: int = 1000, dropout: float = 0.2, dtype: str = "float32") -> nn.Module:
    """Return torchvision's GoogLeNet: images (N, 3, H, W) -> logits (N, num_classes), in training three of them.

    Those of aux2 and of aux1 follow the main ones. `dropout` is that of the head; the auxiliary ones keep their 0.7.
    """
    model = stock(num_classes=num_classes, dropout=dropout, aux_logits=True, init_weights=False)
    return as_type(with_shared_noise(model), dtype)
