"""COCO's first weights want nothing added to the variances of their frozen BatchNorms."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Find nothing: the eps of a layer is batchnorm-eps's to tell."""
    yield from ()


ENTRY = Entry(
    name="coco-eps",
    title="COCO's weights: frozen BatchNorms without eps",
    torch="torchvision sets eps to 0 behind loading COCO_V1 of Faster, Mask and Keypoint R-CNN and RetinaNet on "
    "ResNet-50; a state_dict by hand keeps FrozenBatchNorm2d's 1e-5",
    tf="BatchNormalization adds 1e-3, ports of ResNet 1e-5; a converted file says nothing of it",
    why="they were trained when FrozenBatchNorm2d added nothing, and a small variance feels what it adds now",
    shows="the network runs, no tensor is missing, and it finds a little less; batchnorm-eps names the layers",
    mend_torch="torchvision.models.detection._utils.overwrite_eps(model, 0.0); here such files are told by their "
    "hash, and their variances changed",
    mend_tf="epsilon=0.0, or variances less by what is added",
    probe=probe,
)
