"""Who somebody is: a linear layer on a face's numbers, or Inception-ResNet-v1 trained as a whole (document 003)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.datasets.arrays import Dataset, DomainArrays
from pipeline.datasets.conditions import to_tensor
from pipeline.datasets.loading import Batch
from pipeline.errors import UserError
from pipeline.experiments.recognising import Recogniser as Options
from pipeline.methods.base import Losses, Phase, Turn, adam, validation_faces
from pipeline.methods.classifier import Classifier
from pipeline.methods.published_weights import weight_file
from pipeline.networks.inception_resnet_v1 import InceptionResnetV1, load_inception_resnet_v1
from pipeline.networks.initialise import initialise

PUBLISHED = "inception-resnet-v1"
EMBEDDINGS = {"dlib-resnet-128": 128, PUBLISHED: 512, "pixels": 576}
_BETAS = (0.9, 0.999)
_BATCH = 64
_LEARNT_PX = 160


class Recogniser(Classifier):
    """A batch's faces and who they show; the real ones of all domains and the generated ones are alike to it."""

    def __init__(self, experiment: Options, generator: torch.Generator) -> None:
        super().__init__(experiment)
        self.options = experiment
        self.labels = tuple(experiment.labels)
        if len(self.labels) < 2:
            raise UserError(
                f"labels: a recogniser needs at least 2, its dataset has {len(self.labels)}; "
                "run the stage `dataset` again"
            )
        self.is_linear = experiment.classifier == "linear"
        self.numbers = EMBEDDINGS[experiment.embedding if self.is_linear else PUBLISHED]
        if not self.is_linear:
            self.networks["trunk"] = _untrained(generator)
        self.networks["head"] = nn.Linear(self.numbers, len(self.labels))
        initialise(self.networks["head"], generator, "torch")
        decay = experiment.weight_decay
        self.optimizers["classifier"] = adam(self.parameters(*self.networks), experiment, _BETAS, decay)

    def prepare(self) -> None:
        """Read the weights of the network that is trained on; never random ones where others are asked for."""
        if not self.is_linear and self.options.weights != "none":
            name = PUBLISHED if self.options.weights == "auto" else self.options.weights
            learnt = load_inception_resnet_v1(weight_file(name, "weights")).state_dict()
            self.networks["trunk"].load_state_dict(learnt)

    @property
    def shipped(self) -> tuple[str, ...]:
        """All of it, but what only made the embeddings."""
        return tuple(self.networks)

    def phases(self) -> Sequence[Phase]:
        """Minimise the cross-entropy of the right label."""
        return (Phase("classifier", ("classifier",), self._losses),)

    def _losses(self, turn: Turn) -> Losses:
        if self.is_linear and "embeddings" not in turn.batch:
            raise UserError("the dataset has no embeddings; run the stage `dataset` again")
        logits = self._logits(turn["embeddings"] if self.is_linear else turn["images"])
        right = turn["labels"]
        turn.log(accuracy=(logits.argmax(1) == right.argmax(1)).float().mean())
        return {"cross_entropy": functional.cross_entropy(logits, right)}

    def _logits(self, inputs: Tensor) -> Tensor:
        """Return BxL: of embeddings BxE, or of images Bx3xSxS in [-1, 1]."""
        values = inputs if self.is_linear else self.networks["trunk"](as_learnt(inputs))
        # Of length 1, times √E: numbers of about 1, whatever the network.
        return self.networks["head"](functional.normalize(values, dim=1) * math.sqrt(self.numbers))

    @torch.no_grad()
    def log_probabilities(self, domain: DomainArrays, faces: np.ndarray) -> np.ndarray:
        """Return float64 NxL: how likely each label is for these faces of a domain, as logarithms."""
        if self.is_linear and domain.embeddings is None:
            raise UserError("the dataset has no embeddings; run the stage `dataset` again")
        found = [
            functional.log_softmax(self._logits(self._inputs(domain, faces[start : start + _BATCH])), dim=1)
            for start in range(0, len(faces), _BATCH)
        ]
        empty = torch.zeros(0, len(self.labels))
        return torch.cat([empty, *(each.cpu() for each in found)]).double().numpy()

    def _inputs(self, domain: DomainArrays, faces: np.ndarray) -> Tensor:
        if self.is_linear and domain.embeddings is not None:
            return torch.from_numpy(domain.embeddings[faces]).float().to(self.device())
        return to_tensor(domain.images[faces]).to(self.device())

    def sample_inputs(self, dataset: Dataset, count: int) -> Batch:
        """Return validation faces of each domain."""
        return {
            name: to_tensor(dataset.domains[name].images[validation_faces(dataset, name, count)])
            for name in self.domains
        }

    def sample_columns(self, inputs: Batch) -> list[Tensor]:
        """Return the faces themselves: nothing is made of them."""
        return [inputs[name] for name in self.domains]


def as_learnt(images: Tensor) -> Tensor:
    """Return Bx3xSxS images at the size of those that Inception-ResNet-v1 was trained on."""
    size = (_LEARNT_PX, _LEARNT_PX)
    return functional.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=True)


def _untrained(generator: torch.Generator) -> InceptionResnetV1:
    network = InceptionResnetV1()
    # As a whole it counts as learnt elsewhere, and would be left as it is.
    for part in network.children():
        initialise(part, generator, "kaiming")
    return network
