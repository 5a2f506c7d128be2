"""From positions to what the network takes: drawn, augmented, mixed and normalised; pixels stay uint8 until then."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from model.config import TrainConfig
from model.data.dataset import UnreadableImages
from model.data.images import Pixels
from model.data.store import PixelStore
from model.errors import UsageError
from model.training.augmentation import augment_batch
from model.training.distributed import Processes
from model.training.mixing import mix_batch
from model.training.randomness import derive_seed
from model.training.sampling import order_samples, weigh_classes
from model.transforms import normalize_batch, resize_batch

# The images reach their whole size in this share of the epochs; the rest is for the size that will be asked about.
GROWING_SHARE = 0.7
SIZE_STEP = 16
# What a set of images may take of a GPU's free memory; a larger one stays in the machine's.
MEMORY_SHARE = 0.5
# How often who waits for images looks whether a signal has come.
LOOK_SECONDS = 1.0


@dataclass(kw_only=True)
class ImageSet:
    """All images, uint8 (N, S, S, 3), and targets (N,); `mean` and `std` (3,), 0-255, are on `device`.

    While there is a `store`, it still fills `images`.
    """

    images: Tensor
    targets: Tensor
    mean: Tensor
    std: Tensor
    device: torch.device
    store: PixelStore | None = None
    seconds_waited: float = 0.0  # for images that were not there yet
    between: Callable[[], None] = lambda: None  # called while it waits for them; may raise

    def load(self, indices: Tensor) -> Tensor:
        """Return uint8 images on the device; raises UnreadableImages, and what the source of the images raises."""
        if self.store is not None:
            self._wait(self.store, indices)
        # Rows that are flat are copied as they lie: twenty times as fast as by an index into four dimensions.
        flat = self.images.flatten(1).index_select(0, indices.to(self.images.device, non_blocking=True))
        return flat.view(-1, *self.images.shape[1:]).to(self.device, non_blocking=True)

    def normalize(self, images: Tensor) -> Tensor:
        """Return float images (N, 3, H, W) around zero."""
        return normalize_batch(images, self.mean, self.std)

    def _wait(self, store: PixelStore, indices: Tensor) -> None:
        before = store.seconds_waited
        while not store.wait(indices.cpu().numpy(), seconds=LOOK_SECONDS):
            self.between()
        self.seconds_waited += store.seconds_waited - before
        self.raise_unreadable()
        if store.is_complete:
            self.images, self.store = _place(self.images, self.device), None

    def raise_unreadable(self) -> None:
        """Raise UnreadableImages where one of the images turned out to hold no picture."""
        if self.store is not None and self.store.faults:
            raise UnreadableImages


@dataclass(frozen=True, kw_only=True)
class Batch:
    """This process's rows of a batch: those from `first` on, of `total`; `targets` (n, classes) are shares.

    `images` are uint8 (n, H, W, 3), or features; `weight` is what the sum of the losses of all `total` images is
    divided by.
    """

    images: Tensor
    targets: Tensor
    first: int
    total: int
    weight: Tensor
    seed: int
    normalize: Callable[[Tensor], Tensor] | None = None

    def take(self, rows: slice) -> Tensor:
        """Return what the network takes of some rows: floats need four times the memory, so of no more than asked."""
        return self.images[rows] if self.normalize is None else self.normalize(self.images[rows])


@dataclass(frozen=True, kw_only=True)
class Loader:
    """Makes the batches of one training part; each follows from the seed and its step alone."""

    config: TrainConfig
    data: ImageSet
    indices: Tensor
    class_count: int
    processes: Processes

    @property
    def epochs(self) -> int:
        """The number of epochs of the whole training."""
        return self.config.count_epochs(len(self.indices))

    @property
    def steps_per_epoch(self) -> int:
        """The number of batches of an epoch."""
        return math.ceil(len(self.indices) / self.config.batch_size)

    def weigh_classes(self) -> Tensor:
        """Return what an image of each class counts in the loss."""
        if self.config.balance != "weights":
            return torch.ones(self.class_count, device=self.data.device)
        return weigh_classes(self.data.targets[self.indices], class_count=self.class_count).to(self.data.device)

    def draw_batches(self, epoch: int) -> Sequence[Tensor]:
        """Return the positions of each batch of an epoch, which is counted from 1."""
        order = order_samples(
            self.indices,
            self.data.targets[self.indices],
            class_count=self.class_count,
            balance=self.config.balance,
            seed=self.config.seed,
            epoch=epoch,
        )
        # Parts of nearly equal size: a last batch of one image cannot be normalised.
        return order.tensor_split(self.steps_per_epoch)

    def choose_size(self, epoch: int) -> int:
        """Return the side of the images of an epoch: it grows in steps of 16 pixels from `progressive` to the whole."""
        whole, share = self.config.image_size, self.config.progressive
        grown = min(1.0, (epoch - 1) / max(1.0, GROWING_SHARE * self.epochs))
        size = round(whole * (share + (1.0 - share) * grown) / SIZE_STEP) * SIZE_STEP
        return whole if grown == 1.0 or share == 1.0 else min(whole, max(32, size))

    def load_for_evaluation(self, indices: Tensor) -> Tensor:
        """Return whole images as the trained network judges them, normalised."""
        return self.data.normalize(resize_batch(self.data.load(indices), self.config.image_size))

    def make_batch(self, indices: Tensor, weights: Tensor, *, epoch: int, step: int) -> Batch:
        """Return this process's rows of a batch; `step` counts from 0 over all epochs."""
        config, total = self.config, len(indices)
        mine = self.processes.share(total)
        is_mixed = config.mixup > 0 or config.cutmix > 0
        # Mixing needs partners from the whole batch; all else concerns single images.
        wanted = indices if is_mixed else indices[mine]
        changed = augment_batch(
            self.data.load(wanted),
            size=self.choose_size(epoch),
            augment=config.augment,
            seed=config.seed,
            epoch=epoch,
            samples=wanted,
        )
        images, targets = mix_batch(
            changed,
            self.data.targets[wanted].to(self.data.device, non_blocking=True),
            class_count=self.class_count,
            mixup=config.mixup,
            cutmix=config.cutmix,
            seed=config.seed,
            step=step,
        )
        if is_mixed:
            weight = (targets @ weights).sum()
            images, targets = images[mine], targets[mine]
        else:
            weight = weights[self.data.targets[indices].to(self.data.device, non_blocking=True)].sum()
        return Batch(
            images=images,
            targets=targets,
            first=mine.start,
            total=total,
            weight=weight,
            seed=derive_seed(config.seed, step),
            normalize=self.data.normalize,
        )


def refuse_unfit_batches(loader: Loader) -> None:
    """Raise UsageError when a batch would leave a process without an image."""
    smallest, processes = len(loader.indices) // loader.steps_per_epoch, loader.processes.count
    if smallest < processes:
        raise UsageError(
            f"A batch of {smallest} images cannot be shared by {processes} processes.",
            hint=f"Use a larger --batch-size, or torchrun --nproc-per-node={max(1, smallest)}.",
        )


def build_image_set(
    pixels: Pixels,
    targets: Sequence[int],
    mean: Sequence[float],
    std: Sequence[float],
    device: torch.device,
    *,
    store: PixelStore | None = None,
) -> ImageSet:
    """Put images on the device where they fit beside a network, else leave them in memory.

    With `store`, which fills `pixels`, they go there when all are there.
    """
    images = torch.from_numpy(pixels)
    return ImageSet(
        images=_place(images, device) if store is None else images,
        targets=torch.tensor(targets),
        mean=torch.tensor(mean, device=device),
        std=torch.tensor(std, device=device),
        device=device,
        store=store,
    )


def _place(images: Tensor, device: torch.device) -> Tensor:
    if device.type == "cuda" and images.numel() < MEMORY_SHARE * torch.cuda.mem_get_info(device)[0]:
        return images.to(device)
    return images
