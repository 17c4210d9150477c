"""The tag estimator of document 004, and the trainer of backbones that it is: which tags a face has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn
from torch.optim import AdamW

from pipeline.datasets.arrays import Dataset
from pipeline.datasets.conditions import to_tensor
from pipeline.datasets.loading import Batch
from pipeline.errors import UserError
from pipeline.experiments import classifying
from pipeline.methods.base import Losses, Phase, Turn, validation_faces
from pipeline.methods.classifier import Classifier
from pipeline.methods.published_weights import weight_file
from pipeline.networks.backbones import IMAGENET, Backbone, at_rest, build_backbone, load_backbone
from pipeline.networks.initialise import initialise
from pipeline.progress import note

NETWORKS = ("backbone", "head")
# Of a sample's bars: the height of a line in px, and how much wider than high the picture is.
_LINE_PX, _ASPECT = 12, 3
_BAR, _RIGHT, _WRONG, _INK = (214, 214, 214), (160, 205, 160), (236, 188, 180), (20, 20, 20)


class Tagger(Classifier):
    """A backbone, and a layer on its pooled features that gives a logit for each label."""

    def __init__(self, experiment: classifying.Tagger, generator: torch.Generator) -> None:
        super().__init__(experiment)
        self.options = experiment
        self.labels = tuple(experiment.labels)
        if not self.labels or experiment.positive_weight == "balanced":
            raise UserError("labels: the dataset has not resolved its tags; run the stage `dataset` again")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
            backbone = build_backbone(experiment.backbone)
        head = nn.Linear(backbone.features, len(self.labels))
        initialise(head, generator, "torch")
        self.networks = {"backbone": backbone, "head": head}
        weights = experiment.positive_weight
        self.positive_weight = torch.tensor(
            weights if isinstance(weights, tuple) else [1.0] * len(self.labels)
        )
        self.optimizers = {
            "tagger": AdamW(
                self.parameters(*NETWORKS),
                experiment.learning_rate,
                weight_decay=experiment.weight_decay,
                fused=experiment.fused,
            )
        }

    def prepare(self) -> None:
        """Read the backbone's weights; never random ones where others are asked for."""
        backbone = cast(Backbone, self.networks["backbone"])
        if backbone.shown_px(self.size_px) != self.size_px:
            note(f"backbone: {backbone.name} sees images of {self.size_px} px at {backbone.least_px} px")
        if (path := self._published()) is not None:
            load_backbone(backbone, path)

    def _published(self) -> Path | None:
        backbone, weights = self.options.backbone, self.options.backbone_weights
        if weights == "none":
            return None
        if weights != "imagenet":
            return weight_file(weights, "backbone_weights")
        if backbone not in IMAGENET:
            raise UserError(
                f"backbone_weights: imagenet is known for {', '.join(IMAGENET)}; for {backbone} give the path of a "
                "file with its weights, or none"
            )
        return weight_file(IMAGENET[backbone], "backbone_weights")

    @property
    def shipped(self) -> tuple[str, ...]:
        """The backbone, which others measure by, and the head."""
        return NETWORKS

    def phases(self) -> Sequence[Phase]:
        """Minimise the cross-entropy of every tag on its own."""
        return (Phase("tagger", ("tagger",), self._losses),)

    def _losses(self, turn: Turn) -> Losses:
        logits, right = self.logits(turn["images"]).float(), turn["labels"]
        weight = self.positive_weight.to(logits.device)
        turn.log(accuracy=((logits > 0) == (right > 0)).float().mean())
        return {"cross_entropy": F.binary_cross_entropy_with_logits(logits, right, pos_weight=weight)}

    def logits(self, images: Tensor) -> Tensor:
        """Return BxL of images Bx3xSxS in [-1, 1]."""
        return self.networks["head"](self.networks["backbone"](images))

    @torch.no_grad()
    def probabilities(self, images: Tensor) -> Tensor:
        """Return BxL in [0, 1] of images Bx3xSxS in [-1, 1], each independent of the others.

        They are as sure as the training's weights made them: where tags that are rare count more, they are too high.
        """
        with at_rest(*self.networks.values()):
            return torch.sigmoid(self.logits(images).float())

    def sample_inputs(self, dataset: Dataset, count: int) -> Batch:
        """Return up to `count` validation faces of each domain, and which tags they have."""
        inputs: Batch = {}
        for name in self.domains:
            faces = validation_faces(dataset, name, count)
            labels = dataset.domains[name].rows.take(faces)["labels"].to_pylist()
            inputs[name] = to_tensor(dataset.domains[name].images[faces])
            inputs[f"{name} tags"] = torch.tensor(labels, dtype=torch.float32).reshape(len(faces), -1)
        return inputs

    @torch.no_grad()
    def sample_columns(self, inputs: Batch) -> list[Tensor]:
        """Return for each domain its faces and their most probable tags, in green those that they have."""
        columns = []
        for name in self.domains:
            images = inputs[name]
            found, right = self.probabilities(images).cpu(), inputs[f"{name} tags"].cpu()
            bars = [self._bars(*each) for each in zip(found.tolist(), right.tolist(), strict=True)]
            columns += [images, to_tensor(np.stack(bars)).to(images.device)]
        return columns

    def _bars(self, found: Sequence[float], right: Sequence[float]) -> np.ndarray:
        """Draw the most probable tags below each other, SxWx3 uint8: bars as long as they are probable."""
        height = self.size_px
        width, lines = _ASPECT * height, max(height // _LINE_PX, 1)
        step = height / lines
        picture = Image.new("RGB", (width, height), "white")
        draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size=0.75 * step)
        most = sorted(range(len(found)), key=lambda tag: -found[tag])[:lines]
        for line, tag in enumerate(most):
            top = line * step
            sure = _RIGHT if right[tag] else _WRONG if found[tag] > 0.5 else _BAR
            draw.rectangle((0, top + 1, found[tag] * (width - 1), top + step - 1), fill=sure)
            draw.text((2, top), f"{found[tag]:.2f} {self.labels[tag]}", fill=_INK, font=font)
        return np.asarray(picture)
