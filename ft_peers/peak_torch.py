"""The machine's peak, as far as a matrix product reaches it, and the operations of a network's forward pass."""

import argparse
import json
import time

import torch
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models

FLAGS = argparse.ArgumentParser(description=__doc__)
FLAGS.add_argument("--model", default="resnet50")
FLAGS.add_argument("--size", type=int, default=224)
FLAGS.add_argument("--side", type=int, default=4096, help="rows and columns of the matrices")
FLAGS.add_argument("--seconds", type=float, default=3.0, help="how long each type is measured")


def peak(dtype, side, seconds, device):
    """Return the best of the FLOP/s of products of two square matrices.

    They grow up to `side`, or as long as one product takes no longer than `seconds`: a type that the machine has no
    units for is slow.
    """
    rows = min(side, 512)
    while True:
        pair = [torch.randn(rows, rows, device=device).to(dtype) for _ in range(2)]
        best = product_seconds(*pair, device)
        if rows >= side or 8 * best > seconds:
            break
        rows = min(2 * rows, side)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        best = min(best, product_seconds(*pair, device))
    return 2 * rows**3 / best


def product_seconds(a, b, device):
    """Return how long one product takes."""
    started = time.perf_counter()
    a @ b
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def forward_flops(name, size):
    """Return the floating-point operations of the forward pass of one image."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        model = models.get_model(name).eval()
        model(torch.empty(1, 3, size, size))
    return counter.get_total_flops()


def main(args):
    """Print one line of JSON."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    types = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    peaks = {name: peak(dtype, args.side, args.seconds, device) for name, dtype in types.items()}
    print(json.dumps({**peaks, "forward_flops": forward_flops(args.model, args.size)}))


if __name__ == "__main__":
    main(FLAGS.parse_args())
