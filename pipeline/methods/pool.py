"""The pool of earlier fakes that CycleGAN's discriminators learn from beside the newest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class ImagePool:
    """Keeps up to `size` generated images with randomness of its own (Shrivastava et al. 2017)."""

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._images: list[Tensor] = []
        self._generator = torch.Generator().manual_seed(seed)

    def exchange(self, fakes: Tensor) -> Tensor:
        """Return a batch like `fakes` (BxCxHxW, detached): each image is new, or an old one half of the time."""
        return torch.stack([self._exchange_one(fake) for fake in fakes.detach()])

    def _exchange_one(self, fake: Tensor) -> Tensor:
        if len(self._images) < self._size:
            self._images.append(fake.clone())
            return fake
        if not self._images or torch.rand((), generator=self._generator) < 0.5:
            return fake
        place = int(torch.randint(self._size, (), generator=self._generator))
        old, self._images[place] = self._images[place], fake.clone()
        return old

    def state_dict(self) -> dict[str, Any]:
        """Return the images and the state of the randomness."""
        return {"images": list(self._images), "generator": self._generator.get_state()}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Go on from a state that `state_dict` returned."""
        self._images = [image.to(device) for image in state["images"]]
        self._generator.set_state(state["generator"])


def image_pools(names: Sequence[str], size: int, generator: torch.Generator) -> dict[str, ImagePool]:
    """Return a pool for each name, with its randomness drawn from `generator`."""
    return {name: ImagePool(size, seed=int(torch.randint(2**62, (), generator=generator))) for name in names}
