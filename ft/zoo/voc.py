"""What torchvision publishes for segmentation: weights trained on COCO's pictures with the 21 classes of Pascal VOC.

Source: torchvision's weights enumerations.
"""

from ft.data.images.preprocess import Preprocess
from ft.zoo.card import Pretrained
from ft.zoo.published import MEAN, SITE, STD

NAME = "COCO_WITH_VOC_LABELS_V1"
SIZE = 520  # of a picture's short side
VOC_CLASSES = (
    *("__background__", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
COCO_NAMES = {"airplane": "aeroplane", "couch": "sofa", "motorcycle": "motorbike", "tv": "tvmonitor"}
# network -> first digits of the file's sha256, mean IoU on COCO's pictures of 2017, parameters
FILES = {
    "fcn_resnet50": ("coco-1167a1af", 60.5, 35_322_218),
    "fcn_resnet101": ("coco-7ecb50ca", 63.7, 54_314_346),
    "deeplabv3_resnet50": ("coco-cd0a2569", 66.4, 42_004_074),
    "deeplabv3_resnet101": ("coco-586e9e4e", 67.4, 60_996_202),
    "deeplabv3_mobilenet_v3_large": ("fc3c493d", 60.3, 11_029_328),
    "lraspp_mobilenet_v3_large": ("d234d4ea", 57.9, 3_221_538),
}


def voc_number(name: str) -> int | None:
    """Return the number of the class of a name, None for none: "potted plant", "TV" and "Background" are known."""
    plain = "".join(filter(str.isalnum, name.lower()))
    known = {"".join(filter(str.isalnum, own)): number for number, own in enumerate(VOC_CLASSES)}
    return known.get(COCO_NAMES.get(plain, plain))


def voc_weights(network: str) -> tuple[Pretrained, ...]:
    """Return the published weights of a whole segmentation network, none where there are none."""
    if network not in FILES:
        return ()
    mark, mean_iou, _ = FILES[network]
    filename = f"{network}{'_' if mark.startswith('coco') else '-'}{mark}.pth"
    return (
        Pretrained(
            name=NAME,
            filename=filename,
            sha256=mark.removeprefix("coco-"),
            url=SITE + filename,
            preprocess=Preprocess(resize=SIZE, crop=SIZE, interpolation="bilinear", mean=MEAN, std=STD),
            mean_iou=mean_iou,
            classes=VOC_CLASSES,
        ),
    )
