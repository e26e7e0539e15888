"""Pixels go to the device as bytes and become numbers there."""

import torch
from torch import Tensor


def look_up(table: Tensor, pixels: Tensor) -> Tensor:
    """Return what a table (C, 256) has for the values of pixels, uint8 (..., C)."""
    places = [pixels[..., channel].reshape(-1).int() for channel in range(len(table))]
    channels = [row.index_select(0, place) for row, place in zip(table, places, strict=True)]
    return torch.stack([x.reshape(pixels.shape[:-1]) for x in channels], dim=-1)
