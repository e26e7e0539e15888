"""How a width multiplier rounds a number of channels: the rule that MobileNet brought in and its successors keep."""


def scaled(channels: int, width: float) -> int:
    """Return channels times width, rounded to a multiple of 8 that is at least nine tenths of the exact value.

    Source: torchvision/models/_utils.py, _make_divisible.
    """
    rounded = max(8, int(channels * width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels * width else rounded
