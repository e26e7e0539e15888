"""`python docs/pictures.py`: draws the README's pictures, docs/report.png and docs/comparison.png, from real runs.

The report is that of the built-in recipe; the comparison is of two small networks, of which the Keras one pads its
strided convolutions with "same". Chromium or Chrome takes the pictures.
"""

import argparse
import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
LARGEST = 150_000  # bytes of a picture
MODELS = """
def make_torch():
    from torch import nn

    width, body = 3, []
    for i in range(4):
        body += [nn.Conv2d(width, 16, 3, stride=1 + (i == 2), padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
        width = 16
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))


def make_keras():
    from keras import Input, Sequential, layers

    body = []
    for i in range(4):
        body += [layers.Conv2D(16, 3, strides=1 + (i == 2), padding="same", use_bias=False)]
        body += [layers.BatchNormalization(momentum=0.9, epsilon=1e-5), layers.ReLU()]
    return Sequential([Input((32, 32, 3)), *body, layers.GlobalAveragePooling2D(), layers.Dense(10)])
"""


def main() -> None:
    """Train, compare, and write both pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    found = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), "chromium")
    parser.add_argument("--browser", default=found)
    browser = parser.parse_args().browser
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        ft(folder, "train", "--backend", "torch", "--quiet")
        report = folder / "runs" / "efficientnet_lite0-digits-torch-001" / "report.html"
        photograph(browser, report, HERE / "report.png", size=(1400, 1440))
        (folder / "mymodels.py").write_text(MODELS)
        pair = "--torch", "mymodels:make_torch", "--tf", "mymodels:make_keras", "--input", "3x32x32", "--classes", "10"
        ft(folder, "compare", *pair, "--steps", "3", "--html", "page.html", expected=1)
        photograph(browser, folder / "page.html", HERE / "comparison.png", size=(1160, 1070))


def ft(folder: Path, *arguments: str, expected: int = 0) -> None:
    """Run a command of ft in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    code = subprocess.run([sys.executable, "-m", "ft", *arguments], cwd=folder, env=environment).returncode
    if code != expected:
        sys.exit(f"ft {' '.join(arguments)}: exit code {code}, expected {expected}")


def photograph(browser: str, page: Path, picture: Path, *, size: tuple[int, int]) -> None:
    """Write a picture of the top of a page."""
    taken = page.with_suffix(".png")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-device-scale-factor=1"]
    window = f"--window-size={size[0]},{size[1]}"
    subprocess.run([browser, *flags, window, f"--screenshot={taken}", page.as_uri()], check=True, capture_output=True)
    content = io.BytesIO()
    with Image.open(taken) as image:
        image.convert("RGB").quantize(128).save(content, "png", optimize=True)
    if len(content.getvalue()) > LARGEST:
        sys.exit(f"{picture}: {len(content.getvalue())} bytes, expected at most {LARGEST}; make it smaller")
    picture.write_bytes(content.getvalue())
    print(f"wrote {picture}, {len(content.getvalue())} bytes")


if __name__ == "__main__":
    main()
