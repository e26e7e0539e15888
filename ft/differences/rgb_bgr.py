"""The channels of an image: red, green, blue, or the other way round."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding
from ft.parity.probes.pixels import channel_map, differing_images


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See whether one batch is the other with its channels reversed, each perhaps scaled and shifted."""
    for row, a, b in differing_images(evidence):
        if a.shape[-1] == 3 and channel_map(a, b) is None and channel_map(a[..., ::-1], b) is not None:
            detail = f"{evidence.b.label} has {evidence.a.label}'s channels from the last to the first"
            yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, detail)


ENTRY = Entry(
    name="rgb-bgr",
    title="The order of the channels: RGB or BGR",
    torch="torchvision's weights want red, green, blue",
    tf="keras.applications' caffe-style networks (ResNet50, VGG16 ...) want blue, green, red; the others red, green, "
    "blue. OpenCV's imread gives blue, green, red to either framework",
    why="Caffe read its images with OpenCV, and networks whose weights came from Caffe kept the order",
    shows="everything runs and nothing warns; red and blue change places, and a pretrained network loses some accuracy",
    mend_torch="x = x.flip(1) for x of N, C, H, W; or cv2.cvtColor(image, cv2.COLOR_BGR2RGB) where OpenCV reads",
    mend_tf="x = x[..., ::-1]; or call the preprocess_input of the network whose weights you load, and nothing besides",
    probe=probe,
)
