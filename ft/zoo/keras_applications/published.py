"""What keras.applications publishes: one file of weights a network, in Keras's old .h5 format, with an md5 or no hash.

Top-1 is that of Keras's documentation. How its images were resized is not published; here the short side becomes the
input size and the centre is cut out.
"""

from ft.data.images.preprocess import Mode, Preprocess
from ft.zoo.card import Pretrained

SITE = "https://storage.googleapis.com/"
NUMBERS = {  # mode -> mean and std
    "caffe": ((103.939, 116.779, 123.68), (1.0, 1.0, 1.0)),
    "tf": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "torch": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "raw": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}


def published(
    path: str, *, md5: str | None, mode: Mode, size: int, top1: float, licence: str = "Apache-2.0"
) -> tuple[Pretrained, ...]:
    """Return a network's one entry of weights. path: below SITE; size: pixels a side; mode: of the pixels."""
    mean, std = NUMBERS[mode]
    return (
        Pretrained(
            name="IMAGENET",
            filename=path.rpartition("/")[2],
            md5=md5,
            url=SITE + path,
            preprocess=Preprocess(size, size, "bilinear", mean, std, mode),
            top1=top1,
            licence=licence,
        ),
    )
