"""Changed copies of the training images: what a picture goes through follows from the seed, the epoch and its number.

So the same pictures come out whatever the batch, the process or the step at which a training was taken up again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.transforms import v2

from model.threads import computing_alone
from model.transforms import divide_for_cache, repeat_for_row, resize_batch, scale_rows, write_bytes

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
    numbers = np.stack([draw_numbers(seed, epoch, int(sample)) for sample in samples])
    if images.is_cuda:
        cut = cut_together(images.permute(0, 3, 1, 2), size, numbers).permute(0, 2, 3, 1).contiguous()
        return _recolour(cut, augment, numbers)
    # Single images are too small to share: two threads took a fifth longer than one, and the cores of who decodes.
    with computing_alone():
        return _recolour(_cut_each(images, size, numbers), augment, numbers)


def draw_numbers(seed: int, epoch: int, sample: int, *, count: int = 16) -> NDArray[np.float64]:
    """Return `count` numbers in [0, 1) that follow from the three alone (Philox, a counter-based generator)."""
    return np.random.Generator(np.random.Philox(key=seed, counter=[0, sample, epoch, 0])).random(count)


def cut_together(images: Tensor, size: int, numbers: NDArray[np.float64]) -> Tensor:
    """Do to uint8 images (N, 3, H, W) what `_cut_each` does, but for rounding: a GPU waits for single ones.

    Nothing is smoothed where a part is shrunk: an eighth at most, as images are kept that much larger.
    """
    height, width = images.shape[-2:]
    rows = []
    for row in numbers:
        part = _choose_part(row, height, width)
        middle_x, middle_y = (2 * part.left + part.columns) / width - 1.0, (2 * part.top + part.rows) / height - 1.0
        across = part.columns / width * (-1.0 if part.is_mirrored else 1.0)
        rows.append([[across, 0.0, middle_x], [0.0, part.rows / height, middle_y]])
    maps = torch.tensor(rows).to(images.device, non_blocking=True)
    grid = nn.functional.affine_grid(maps, [len(images), 3, size, size], align_corners=False)
    sampled = nn.functional.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)
    return sampled.round_().to(torch.uint8)


def _recolour(images: Tensor, augment: str, numbers: NDArray[np.float64]) -> Tensor:
    if augment == "trivial":
        changed = [_change(plane, row) for plane, row in zip(images.permute(0, 3, 1, 2), numbers, strict=True)]
        return torch.stack(changed).permute(0, 2, 3, 1).contiguous()
    return relight(images, numbers)


class _Part(NamedTuple):
    top: int
    left: int
    rows: int
    columns: int
    is_mirrored: bool


def _choose_part(numbers: NDArray[np.float64], height: int, width: int) -> _Part:
    share = MIN_AREA + (1.0 - MIN_AREA) * numbers[0]
    aspect = math.exp((2.0 * numbers[1] - 1.0) * math.log(MAX_ASPECT))
    rows = min(height, round(height * math.sqrt(share / aspect)))
    columns = min(width, round(width * math.sqrt(share * aspect)))
    top, left = int(numbers[2] * (height - rows + 1)), int(numbers[3] * (width - columns + 1))
    return _Part(top, left, rows, columns, is_mirrored=bool(numbers[4] < 0.5))


def _cut_each(images: Tensor, size: int, numbers: NDArray[np.float64]) -> Tensor:
    """Cut a random part out of each image, enlarge it to `size`, and mirror it in half of all cases."""
    cut = torch.empty((len(images), size, size, 3), dtype=torch.uint8)
    for image, target, row in zip(torch.split(images, 1), cut, numbers, strict=True):
        part = _choose_part(row, images.shape[1], images.shape[2])
        window = image[:, part.top : part.top + part.rows, part.left : part.left + part.columns].permute(0, 3, 1, 2)
        resized = interpolate(window, (size, size), mode="bilinear", antialias=True)[0].permute(1, 2, 0)
        target.copy_(resized.flip(1) if part.is_mirrored else resized)
    return cut


def relight(images: Tensor, numbers: NDArray[np.float64]) -> Tensor:
    """Change contrast, brightness and tint of images (N, H, W, 3)."""
    moves = torch.from_numpy(2.0 * numbers - 1.0).float().to(images.device, non_blocking=True)
    contrast = 1.0 + MAX_LIGHT * moves[:, 5:6] + MAX_TINT * moves[:, 6:9]
    brightness = TYPICAL_DEVIATION * (MAX_LIGHT * moves[:, 9:10] + MAX_TINT * moves[:, 10:13])
    relit = torch.empty_like(images, memory_format=torch.contiguous_format)
    factors = [repeat_for_row(factor, images.shape[2]) for factor in (contrast, brightness, 1.0 - contrast)]
    room = torch.empty(next(divide_for_cache(images))[0].shape, device=images.device)
    for part, scale, move, rest, target in divide_for_cache(images, *factors, relit):
        values = room[: len(part)].copy_(part)
        middle = _measure_middle(values)[:, None, None]
        # Half a level more, as bytes are made of floats by leaving out what comes after the point.
        scale_rows(values, scale, middle * rest + move + 0.5)
        write_bytes(values.clamp_(0, 255), target)
    return relit


def _measure_middle(values: Tensor) -> Tensor:
    """Return the mean (N,) of images (N, H, W, 3) that hold whole numbers, the same for any number of threads.

    The sums of a row are exact as floats, and those of the rows as doubles: their order does not matter.
    """
    return (values.flatten(2).sum(dim=2).double().sum(dim=1) / values[0].numel()).float()


def _change(image: Tensor, numbers: NDArray[np.float64]) -> Tensor:
    with torch.random.fork_rng(devices=[]):  # torchvision draws from the generator of the whole process
        torch.manual_seed(int(numbers[5] * 2**53))
        changed: Tensor = _TRIVIAL(image)
    return changed


_TRIVIAL = v2.TrivialAugmentWide(interpolation=v2.InterpolationMode.BILINEAR)
