"""Networks of keras.applications, ported: the same layers under the same names. Shapes: ft/zoo/keras_applications."""

from ft_torch.models.keras_applications.efficientnet_b0 import efficientnet_b0
from ft_torch.models.keras_applications.mobilenet_v2 import mobilenet_v2
from ft_torch.models.keras_applications.resnet50 import resnet50
from ft_torch.models.keras_applications.vgg16 import vgg16
from ft_torch.models.keras_applications.xception import xception

__all__ = ["efficientnet_b0", "mobilenet_v2", "resnet50", "vgg16", "xception"]
