"""Changed copies of the training images: what a picture goes through follows from the seed, the epoch and its number.

So the same pictures come out whatever the batch, the process or the step at which a training was taken up again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from model.transforms import resize_batch

# The part of an image that is cut out and enlarged: torchvision's recipes begin at 0.08, for a million pictures; on a
# thousand, what shows the class must stay in the picture.
MIN_AREA = 0.35
MAX_ASPECT = 4.0 / 3.0
# How far brightness and contrast change, and each colour channel on its own besides, as another white balance or
# another depth of water would: contrast as a factor, brightness in units of a typical image's standard deviation.
MAX_LIGHT = 0.2
MAX_TINT = 0.1
TYPICAL_DEVIATION = 60.0


def augment_batch(
    images: Tensor, *, size: int, augment: str, seed: int, epoch: int, samples: Sequence[int] | Tensor
) -> Tensor:
    """Return uint8 images (N, size, size, 3) made of uint8 images (N, H, W, 3), each changed in its own way.

    `augment` is `none` (shrunk only), `standard` (cut out, mirrored, relit) or `trivial` (cut out, mirrored, and one
    of TrivialAugment's changes; Müller and Hutter, 2021). `samples` are the numbers of the images in the whole set.
    """
    if augment == "none":
        return resize_batch(images, size)
    numbers = [draw_numbers(seed, epoch, int(sample)) for sample in samples]
    planes = images.permute(0, 3, 1, 2)
    cut = torch.stack([_cut(plane, size, row) for plane, row in zip(planes, numbers, strict=True)])
    if augment == "trivial":
        return torch.stack([_change(plane, row) for plane, row in zip(cut, numbers, strict=True)]).permute(0, 2, 3, 1)
    return _relight(cut, np.stack(numbers)).permute(0, 2, 3, 1)


def draw_numbers(seed: int, epoch: int, sample: int, *, count: int = 16) -> NDArray[np.float64]:
    """Return `count` numbers in [0, 1) that follow from the three alone (Philox, a counter-based generator)."""
    return np.random.Generator(np.random.Philox(key=seed, counter=[0, sample, epoch, 0])).random(count)


def _cut(image: Tensor, size: int, numbers: NDArray[np.float64]) -> Tensor:
    """Cut a random part out of an image (3, H, W), enlarge it to `size`, and mirror it in half of all cases."""
    height, width = image.shape[-2:]
    share = MIN_AREA + (1.0 - MIN_AREA) * numbers[0]
    aspect = math.exp((2.0 * numbers[1] - 1.0) * math.log(MAX_ASPECT))
    rows = min(height, round(height * math.sqrt(share / aspect)))
    columns = min(width, round(width * math.sqrt(share * aspect)))
    top, left = int(numbers[2] * (height - rows + 1)), int(numbers[3] * (width - columns + 1))
    part: Tensor = functional.resized_crop(image, top, left, rows, columns, [size, size], antialias=True)
    return part.flip(2) if numbers[4] < 0.5 else part


def _relight(images: Tensor, numbers: NDArray[np.float64]) -> Tensor:
    """Change contrast, brightness and tint of images (N, 3, H, W)."""
    moves = torch.from_numpy(2.0 * numbers - 1.0).float().to(images.device)[:, :, None, None]
    contrast = 1.0 + MAX_LIGHT * moves[:, 5:6] + MAX_TINT * moves[:, 6:9]
    brightness = TYPICAL_DEVIATION * (MAX_LIGHT * moves[:, 9:10] + MAX_TINT * moves[:, 10:13])
    values = images.float()
    middle = values.mean(dim=(1, 2, 3), keepdim=True)
    return ((values - middle) * contrast + middle + brightness).round_().clamp_(0, 255).to(torch.uint8)


def _change(image: Tensor, numbers: NDArray[np.float64]) -> Tensor:
    with torch.random.fork_rng(devices=[]):  # torchvision draws from the generator of the whole process
        torch.manual_seed(int(numbers[5] * 2**53))
        changed: Tensor = _TRIVIAL(image)
    return changed


_TRIVIAL = v2.TrivialAugmentWide(interpolation=v2.InterpolationMode.BILINEAR)
