"""Style transfer: faces of one domain with the look of the other, as document 002 tried it.

By optimising each image (Gatys et al. 2016), or by a decoder that is trained once (AdaIN, Huang and Belongie 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.optim import LBFGS, Adam

from pipeline.datasets.arrays import Dataset
from pipeline.datasets.loading import Batch, Draws
from pipeline.errors import UserError
from pipeline.experiments import styles
from pipeline.methods.base import Losses, Phase, Translator, Turn, Way, adam
from pipeline.methods.dataset_tagger import dataset_tagger
from pipeline.methods.losses import relative_distance, total_variation
from pipeline.methods.published_weights import weight_file
from pipeline.networks.adain import AdaInDecoder
from pipeline.networks.backbones import Backbone, load_backbone
from pipeline.networks.initialise import initialise
from pipeline.networks.munit import adaptive_instance_norm
from pipeline.networks.style_features import Encoder, FaceStyle, build_encoder, gram, moments
from pipeline.networks.vgg import load_vgg19

_ADAM_RATE = 0.02
# How many steps back L-BFGS remembers: two images for each.
_HISTORY = 20
# The authors' Adam keeps the usual means.
_BETAS = (0.9, 0.999)


class StyleTransfer(Translator):
    """A frozen network that looks, what it saw of the target's faces on average, and for AdaIN a decoder.

    The average is gathered over the steps, by a phase that learns nothing. Without an example a translation takes on
    this style, which is no single face's: for Gatys the mean Gram matrices, for AdaIN the mean of the maps' means and
    deviations.

    What looks is shipped too, so that a finished model translates without its file; training starts with what
    `perceptual_weights` says, never with random weights in its place.
    """

    def __init__(self, experiment: styles.StyleTransfer, generator: torch.Generator) -> None:
        super().__init__(experiment)
        self.options = experiment
        self.optimises = experiment.variant == "gatys"
        self._dataset: Path | None = None
        encoder = self._start_encoder(generator)
        content, maps = encoder.sizes(self.size_px)
        channels = content.shape[1]
        gathered = [(each.shape[1],) * 2 for each in maps] if self.optimises else [(channels,)] * 2
        self.networks = {"style": FaceStyle(encoder, gathered)}
        if not self.optimises:
            decoder = AdaInDecoder(channels, self._doublings(content.shape[-1]), experiment.adain.width)
            # PyTorch's own start lets too little through so many layers without norms: it learns half as fast.
            initialise(decoder, generator, "kaiming")
            self.networks["decoder"] = decoder
            self.optimizers = {"decoder": adam(self.parameters("decoder"), experiment, _BETAS)}

    def _start_encoder(self, generator: torch.Generator) -> Encoder:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
            return build_encoder(self.options.backbone, self.size_px, deep=self.optimises)

    def _doublings(self, side: int) -> int:
        """Return how often maps of this side grow to the size of an image; `UserError` where they cannot."""
        doublings = (self.size_px // side).bit_length() - 1
        if side < 2 or side << doublings != self.size_px:
            raise UserError(
                f"backbone: {self.options.backbone} sees images of {self.size_px} px as maps of {side}, which do not "
                "double to them; take another tagger, vgg19, or variant: gatys"
            )
        return doublings

    def equip(self, dataset: Dataset) -> None:
        """Note where the dataset is, which brings a tagger that looks."""
        self._dataset = dataset.folder

    def prepare(self) -> None:
        """Read the weights of the network that looks; never random ones in their place."""
        network = self._style.encoder.network
        if isinstance(network, Backbone):
            load_backbone(network, self._tagger() / "backbone.safetensors")
        else:
            path = weight_file(self.options.perceptual_weights, "perceptual_weights")
            network.load_state_dict(load_vgg19(path, network.slices).state_dict())

    def _tagger(self) -> Path:
        """Return the folder of the tagger; `UserError` where it is not there, or another one."""
        named, backbone = self.options.perceptual_weights, self.options.backbone
        folder, found = dataset_tagger(self._dataset, named)
        if found != backbone:
            raise UserError(f"backbone: {named} has {found}, not {backbone}; write backbone: {found}")
        return folder

    @property
    def shipped(self) -> tuple[str, ...]:
        """What looks together with what it saw, and the decoder."""
        return tuple(self.networks)

    @property
    def draws(self) -> Draws:
        """Contents and styles; for Gatys styles alone."""
        return "target" if self.optimises else "unpaired"

    def phases(self) -> Sequence[Phase]:
        """Update the decoder, where there is one; then gather the style of the target's faces."""
        gather = Phase("style", (), self._gather)
        return (gather,) if self.optimises else (Phase("decoder", ("decoder",), self._decoder_losses), gather)

    def _decoder_losses(self, turn: Turn) -> Losses:
        options = self.options.adain
        with torch.no_grad():
            content, styles = self._style(turn["source"]).content, self._style(turn["target"])
            wanted = _restyled(content, *moments(styles.content))
        turn.keep(target_features=styles.content)
        seen = self._style(self.networks["decoder"](wanted))
        distances = [
            F.mse_loss(found, meant)
            for made, style in zip(seen.style, styles.style, strict=True)
            for found, meant in zip(moments(made), moments(style), strict=True)
        ]
        return {
            "content": options.lambda_content * F.mse_loss(seen.content.float(), wanted),
            "style": options.lambda_style * torch.stack(distances).sum(),
        }

    def _gather(self, turn: Turn) -> Losses:
        """Add a batch to the target's style; return how far its faces are from it: those of a domain are not alike."""
        if self.optimises:
            values = [gram(each) for each in self._style(turn["target"]).style]
        else:
            values = list(moments(turn["target_features"]))
        self._style.add(values)
        spread = [relative_distance(*each) for each in zip(values, self._style.means, strict=True)]
        return {"style_spread": torch.stack(spread).mean()}

    @property
    def _style(self) -> FaceStyle:
        return cast(FaceStyle, self.networks["style"])

    def learning_rate_factor(self, step: int, steps: int) -> float:
        """Return the authors' slow decay, however many steps there are."""
        return 1 / (1 + self.options.adain.learning_rate_decay * step)

    def ways(self) -> Sequence[Way]:
        """Return the way to the target, whose style is known."""
        return self.one_way()

    @torch.inference_mode()
    def translate(self, inputs: Tensor, to: str) -> Tensor:
        """Return Bx3xSxS images with the mean style of the target's faces; for Gatys each is sought by itself."""
        return self._with_style(inputs, [mean[None] for mean in self._style.means])

    @torch.inference_mode()
    def translate_with(self, inputs: Tensor, to: str, like: Tensor) -> Tensor:
        """Return Bx3xSxS images, each with the style of its example.

        `like` are Bx3xSxS examples, or 1x3xSxS for one style for all.
        """
        seen = self._style(like)
        return self._with_style(
            inputs, [gram(each) for each in seen.style] if self.optimises else list(moments(seen.content))
        )

    def _with_style(self, inputs: Tensor, wanted: Sequence[Tensor]) -> Tensor:
        """Return images with this style: for each of the style's numbers one, or one for every image."""
        if self.optimises:
            own = [each.expand(len(inputs), *each.shape[1:]) for each in wanted]
            made = [self._sought(image[None], style) for image, *style in zip(inputs, *own, strict=True)]
            return torch.cat(made)
        content = self._style(inputs).content
        alpha = self.options.adain.alpha
        mixed = alpha * _restyled(content, *wanted) + (1 - alpha) * content
        return self.networks["decoder"](mixed).clamp(-1, 1)

    def _sought(self, image: Tensor, wanted: Sequence[Tensor]) -> Tensor:
        """Return the 1x3xSxS image that looks like the given one, in this style; it starts from the given one."""
        with torch.inference_mode(False), torch.enable_grad():
            content = self._style(image.clone()).content.detach()
            style = [each.clone() for each in wanted]
            made = image.clone().requires_grad_()
            optimizer = self._pixels_optimizer(made)

            def cost() -> Tensor:
                optimizer.zero_grad()
                loss = self._image_loss(made, content, style)
                loss.backward()
                return loss

            for _ in range(self.options.gatys.iterations if isinstance(optimizer, Adam) else 1):
                optimizer.step(cost)
            return made.detach().clamp(-1, 1)

    def _pixels_optimizer(self, image: Tensor) -> Adam | LBFGS:
        options = self.options.gatys
        if options.optimizer == "adam":
            return Adam([image], _ADAM_RATE)
        # It ends by the number of iterations alone: what a pixel adds to the loss is too little to end by.
        return LBFGS(
            [image],
            max_iter=options.iterations,
            tolerance_grad=0,
            tolerance_change=0,
            history_size=_HISTORY,
            line_search_fn="strong_wolfe",
        )

    def _image_loss(self, image: Tensor, content: Tensor, style: Sequence[Tensor]) -> Tensor:
        options = self.options.gatys
        seen = self._style(image)
        distances = [
            relative_distance(gram(found)[0], wanted) for found, wanted in zip(seen.style, style, strict=True)
        ]
        return (
            options.lambda_content * relative_distance(seen.content, content)
            + options.lambda_style * torch.stack(distances).mean()
            + options.lambda_tv * total_variation(image)
        )

    def sample_columns(self, inputs: Batch) -> list[Tensor]:
        """Return source, its translation, that in the style of an example, and the example."""
        given, examples = inputs["source"], inputs["target"]
        shown = examples[torch.arange(len(given)) % len(examples)]
        return [
            given,
            self.translate(given, self.target),
            self.translate_with(given, self.target, shown),
            shown,
        ]


def _restyled(content: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    return adaptive_instance_norm(content.float(), deviation, mean)
