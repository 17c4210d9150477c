"""A convolutional autoencoder from a face to its partner: document 002's first model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from pipeline.datasets.arrays import Dataset
from pipeline.datasets.conditions import to_tensor
from pipeline.datasets.loading import Batch, Draws
from pipeline.experiments import autoencoding
from pipeline.methods.base import Losses, Phase, Translator, Turn, Way, adam
from pipeline.methods.losses import l1
from pipeline.methods.validation_pairs import validation_pairs
from pipeline.networks.autoencoder import ConvDecoder, ConvEncoder
from pipeline.networks.initialise import initialise

NETWORKS = ("encoder", "decoder")
_ADAM_BETAS = (0.9, 0.999)
_DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"l1": l1, "mse": F.mse_loss}


class Autoencoder(Translator):
    """An encoder and a decoder that learn from pairs what a face of the source becomes.

    All that the decoder knows of a face are the few numbers that the encoder makes of it.
    """

    # How many values the encoder gives for each of the numbers that are decoded.
    values_per_number = 1

    def __init__(self, experiment: autoencoding.Autoencoding, generator: torch.Generator) -> None:
        super().__init__(experiment)
        self.squeezing = experiment
        size_px, width, latent = experiment.size_px, experiment.width, experiment.latent
        self.networks = {
            "encoder": ConvEncoder(size_px, width, self.values_per_number * latent),
            "decoder": ConvDecoder(size_px, width, latent),
        }
        for network in self.networks.values():
            initialise(network, generator, "torch")
        self.optimizers = {"autoencoder": adam(self.parameters(*NETWORKS), experiment, _ADAM_BETAS)}

    @property
    def draws(self) -> Draws:
        """Partners."""
        return "pairs"

    @property
    def shipped(self) -> tuple[str, ...]:
        """Both halves."""
        return NETWORKS

    def phases(self) -> Sequence[Phase]:
        """Update both halves together."""
        return (Phase("autoencoder", ("autoencoder",), self._losses),)

    def _losses(self, turn: Turn) -> Losses:
        return {"reconstruction": self._distance(self._decode(self._code(turn["source"])), turn["target"])}

    def _distance(self, output: Tensor, partner: Tensor) -> Tensor:
        """Return the mean over all values of all images."""
        return _DISTANCES[self.squeezing.loss](output, partner)

    def _code(self, images: Tensor) -> Tensor:
        """Return the numbers that stand for each image, BxN."""
        return self.networks["encoder"](images)

    def _decode(self, code: Tensor) -> Tensor:
        return self.networks["decoder"](code)

    def ways(self) -> Sequence[Way]:
        """Return the one way that is learnt."""
        return self.one_way()

    @torch.inference_mode()
    def translate(self, inputs: Tensor, to: str) -> Tensor:
        """Return Bx3xSxS images of the source as images of the target, `to`."""
        if to != self.target:
            raise ValueError(f"{self.squeezing.method} makes images of {self.target} only, not of {to}")
        return self._decode(self._code(inputs))

    def sample_inputs(self, dataset: Dataset, count: int) -> Batch:
        """Return of validation pairs the source's faces and what should become of them."""
        pairs = zip((self.source, self.target), validation_pairs(dataset, count), strict=True)
        source, target = (to_tensor(dataset.domains[name].images[faces]) for name, faces in pairs)
        return {"source": source, "target": target}

    def sample_columns(self, inputs: Batch) -> list[Tensor]:
        """Return the source, what becomes of it, and what should."""
        return [inputs["source"], self.translate(inputs["source"], self.target), inputs["target"]]
