"""What torchvision publishes for detection: weights trained on COCO's pictures of 2017 with its 80 classes.

Their numbers leave gaps, which torchvision calls "N/A". Source: torchvision's weights enumerations.
"""

from ft.data.images.preprocess import Preprocess
from ft.zoo.card import Pretrained
from ft.zoo.published import MEAN, SITE, STD

NAME = "COCO_V1"
NAMES = (
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,N/A,stop sign,"
    "parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,N/A,backpack,umbrella,N/A,"
    "N/A,handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,baseball glove,"
    "skateboard,surfboard,tennis racket,bottle,N/A,wine glass,cup,fork,knife,spoon,bowl,banana,apple,"
    "sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,bed,N/A,dining table,"
    "N/A,N/A,toilet,N/A,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,"
    "N/A,book,clock,vase,scissors,teddy bear,hair drier,toothbrush"
)
COCO_CLASSES = tuple(NAMES.split(","))
# network -> end of the file's name, mean AP on COCO's pictures of 2017, parameters
FILES = {
    "fasterrcnn_resnet50_fpn": ("_coco-258fb6c6", 37.0, 41_755_286),
    "fasterrcnn_resnet50_fpn_v2": ("_coco-dd69338a", 46.7, 43_712_278),
    "fasterrcnn_mobilenet_v3_large_fpn": ("-fb6a3cc7", 32.8, 19_386_354),
    "fasterrcnn_mobilenet_v3_large_320_fpn": ("-907ea3f9", 22.8, 19_386_354),
    "retinanet_resnet50_fpn": ("_coco-eeacb38b", 36.4, 34_014_999),
    "retinanet_resnet50_fpn_v2": ("_coco-5905b1c5", 41.5, 38_198_935),
    "fcos_resnet50_fpn": ("_coco-99b0c9b7", 39.2, 32_269_600),
    "ssd300_vgg16": ("_coco-b556d3b4", 25.1, 35_641_826),
    "ssdlite320_mobilenet_v3_large": ("_coco-a79551df", 21.3, 3_440_060),
    "maskrcnn_resnet50_fpn": ("_coco-bf2d0c1e", 37.9, 44_401_393),
    "maskrcnn_resnet50_fpn_v2": ("_coco-73cbd019", 47.4, 46_359_409),
    "keypointrcnn_resnet50_fpn": ("_coco-fc266e95", 54.6, 59_137_258),
}
LEGACY = (
    "fasterrcnn_resnet50_fpn",
    "retinanet_resnet50_fpn",
    "maskrcnn_resnet50_fpn",
    "keypointrcnn_resnet50_fpn",
)  # trained before FrozenBatchNorm2d added anything to its variances


def coco_weights(network: str, size: int, classes: tuple[str, ...] = COCO_CLASSES) -> tuple[Pretrained, ...]:
    """Return the published weights of a whole detector, none where there are none. size: of its pictures."""
    if network not in FILES:
        return ()
    end, mean_ap, _ = FILES[network]
    filename = f"{network}{end}.pth"
    return (
        Pretrained(
            name=NAME,
            filename=filename,
            sha256=end.rpartition("-")[2],
            url=SITE + filename,
            preprocess=Preprocess(resize=size, crop=size, interpolation="bilinear", mean=MEAN, std=STD),
            mean_ap=mean_ap,
            norm_eps=0.0 if network in LEGACY else None,
            classes=classes,
        ),
    )
