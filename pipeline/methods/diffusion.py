"""Stable Diffusion: a model of all the web's images that makes of a face what a prompt says, or what it was taught.

Document 002 tried it twice: image to image as it is, and with LoRA on pairs from before and after surgery, which it
dropped because the prompt decided too much. Its training showed the U-Net no image of before. Here it does, as
InstructPix2Pix does (Brooks et al. 2023), and prompt and image are each withheld now and then, so that a translation
can weigh the one against the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.optim import AdamW

from pipeline.datasets.arrays import Dataset, DomainArrays
from pipeline.datasets.conditions import to_tensor
from pipeline.datasets.loading import Batch, Draws
from pipeline.experiments import diffusing
from pipeline.methods.base import Losses, Phase, Translator, Turn, Way, validation_faces
from pipeline.methods.published_base import find_base
from pipeline.methods.validation_pairs import validation_pairs
from pipeline.networks.stable_diffusion import Denoiser, StableDiffusion

_ADAM_BETAS = (0.9, 0.999)
_NOTHING = ""


class Diffusion(Translator):
    """Low-rank changes of a frozen U-Net (`lora`), and its layer that takes the source's face (`conv_in`).

    Only these are learnt, saved and shipped; the model that they change is read again from its folder. Of the eight
    channels of InstructPix2Pix's first layer the four that the model has taken all along stay as they are.

    What `translate` takes of a face are its image and two planes, each of one number: the seed of its noise, and the
    prompts that its labels ask for.
    """

    def __init__(self, experiment: diffusing.Diffusion, generator: torch.Generator) -> None:
        super().__init__(experiment)
        self.options = experiment
        self._base = StableDiffusion(find_base(experiment.base))
        self._schedule = self._base.schedule()
        self._prompts = _Prompts(experiment)
        self._is_told_source = experiment.conditioning == "instruct"
        if experiment.lora == "none":
            return
        layers = self._base.lora_layers(experiment.rank)
        layers.start(generator)
        self.networks["lora"] = layers
        if self._is_told_source:
            self.networks["conv_in"] = self._base.added_input()
        rates = {"lora": experiment.learning_rate * experiment.rank / experiment.alpha}
        groups = [
            {"params": self.parameters(name), "lr": rates.get(name, experiment.learning_rate)}
            for name in self.networks
        ]
        self.optimizers["adapter"] = AdamW(
            groups, betas=_ADAM_BETAS, weight_decay=experiment.weight_decay, fused=experiment.fused
        )

    @property
    def draws(self) -> Draws:
        """Partners where the U-Net is told the source's face, else the target's faces."""
        return "pairs" if self._is_told_source else "target"

    @property
    def shipped(self) -> tuple[str, ...]:
        """What was learnt: nothing where the model is used as it is."""
        return tuple(self.networks)

    def device(self) -> torch.device:
        """Return where the networks are; where nothing is learnt, a GPU if there is one."""
        if self.networks or not torch.cuda.is_available():
            return super().device()
        return torch.device("cuda", torch.cuda.current_device())

    def learning_rate_factor(self, step: int, steps: int) -> float:
        """Return a factor that rises over `warmup_steps` (steps are counted from 0) and then stays 1."""
        return min(1.0, (step + 1) / max(self.options.warmup_steps, 1))

    def phases(self) -> Sequence[Phase]:
        """Update what is learnt, if anything is."""
        if not self.networks:
            return ()
        return (Phase("adapter", ("adapter",), self._losses, clip_norm=self.options.clip_norm),)

    def _losses(self, turn: Turn) -> Losses:
        """Compare the noise that is found in the target's latents with the noise that was put there."""
        faces = turn["target"]
        with torch.no_grad():
            latents = self._base.encode(faces).sample() * self._base.latent_scale(faces.device)
            noise = torch.randn_like(latents)
            ends = self._schedule.config.num_train_timesteps
            steps = torch.randint(ends, (len(latents),), device=latents.device)
            noisy = self._schedule.add_noise(latents, noise, steps)
            wanted = self._wanted(latents, noise, steps)
            keeps_prompt, keeps_source = self._kept(len(faces), faces.device)
            texts = self._base.texts(self._prompts.of_labels(turn["target_labels"]), faces.device)
            nothing = self._base.texts([_NOTHING], faces.device)
            texts = torch.where(keeps_prompt[:, None, None], texts, nothing)
            if self._is_told_source:
                source = self._base.encode(turn["source"]).mode() * keeps_source[:, None, None, None]
                noisy = torch.cat([noisy, source], dim=1)
        found = self._denoiser(faces.device)(noisy, steps, texts)
        return {"denoising": F.mse_loss(found.float(), wanted.float())}

    def _wanted(self, latents: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
        if self._schedule.config.prediction_type == "v_prediction":
            return self._schedule.get_velocity(latents, noise, steps)
        return noise

    def _kept(self, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Draw of which faces the prompt and the source are told: one draw decides of both, as the paper has it."""
        share = self.options.caption_dropout
        drawn = torch.rand(count, device=device)
        return drawn >= 2 * share, (drawn < share) | (drawn >= 3 * share)

    def _denoiser(self, device: torch.device) -> Denoiser:
        networks = self.networks
        return self._base.denoiser(device, networks.get("lora"), networks.get("conv_in"), self.options.alpha)

    def ways(self) -> Sequence[Way]:
        """Return the one way that is learnt."""
        return self.one_way()

    def inputs(self, domain: DomainArrays, indices: np.ndarray) -> Tensor:
        """Return of these faces the image, the seed of the noise and the number of the prompt, Bx5xSxS."""
        images = to_tensor(domain.images[indices])
        numbers = torch.tensor(
            [indices.tolist(), self._prompts.numbers(domain.rows.take(indices)["labels"].to_pylist())]
        )
        planes = numbers.T[:, :, None, None].expand(-1, -1, *images.shape[-2:])
        return torch.cat([images, planes.to(images)], dim=1)

    @torch.inference_mode()
    def translate(self, inputs: Tensor, to: str) -> Tensor:
        """Return Bx3xSxS images of the target domain for Bx5xSxS, as `inputs` gives them, one by one.

        The noise that a face starts from is its own and always the same.
        """
        if to != self.target:
            raise ValueError(f"diffusion makes images of {self.target} only, not of {to}")
        return torch.cat([self._translate_face(face[None]) for face in inputs])

    def _translate_face(self, told: Tensor) -> Tensor:
        image, (seed, prompt) = told[:, :3], told[0, 3:, 0, 0].long().tolist()
        options, denoise = self.options, self._denoiser(told.device)
        schedule = self._base.schedule()
        schedule.set_timesteps(options.inference_steps, device=told.device)
        count = max(1, round(options.inference_steps * options.start_strength))
        steps = schedule.timesteps[-count:]
        source = self._base.encode(image).mode()
        noise = torch.randn(source.shape, generator=torch.Generator().manual_seed(seed)).to(source)
        start = source * self._base.latent_scale(told.device)
        latents = schedule.add_noise(start, noise, steps[:1]) if options.start_strength < 1 else noise
        for step in steps:
            found = self._guided(denoise, latents, step, source, self._prompts.texts[prompt])
            latents = schedule.step(found, step, latents).prev_sample
        return self._base.decode(latents)

    def _guided(
        self, denoise: Denoiser, latents: Tensor, step: Tensor, source: Tensor, prompt: str
    ) -> Tensor:
        """Return the noise that prompt and source ask for, away from what nothing asks for."""
        options = self.options
        if not self._is_told_source:
            texts = self._base.texts([prompt, _NOTHING], latents.device)
            told, free = denoise(latents.expand(2, -1, -1, -1), step, texts).chunk(2)
            return free + options.guidance * (told - free)
        texts = self._base.texts([prompt, _NOTHING, _NOTHING], latents.device)
        sources = torch.cat([source, source, torch.zeros_like(source)])
        both = torch.cat([latents.expand(3, -1, -1, -1), sources], dim=1)
        told, imaged, free = denoise(both, step, texts).chunk(3)
        return free + options.image_guidance * (imaged - free) + options.guidance * (told - imaged)

    def sample_inputs(self, dataset: Dataset, count: int) -> Batch:
        """Return validation faces of the source and, where pairs are known, what should become of them."""
        source = dataset.domains[self.source]
        if dataset.pairs is None:
            return {"source": self.inputs(source, validation_faces(dataset, self.source, count))}
        faces, partners = validation_pairs(dataset, count)
        target = to_tensor(dataset.domains[self.target].images[partners])
        return {"source": self.inputs(source, faces), "target": target}

    def sample_columns(self, inputs: Batch) -> list[Tensor]:
        """Return the source, what becomes of it and, where that is known, what should."""
        shown = [inputs["source"][:, :3], self.translate(inputs["source"], self.target)]
        return [*shown, inputs["target"]] if "target" in inputs else shown


class _Prompts:
    """What each face is called: the prompts of its labels, joined, or the one for all; by number.

    A number has a bit for each label that has a prompt of its own.
    """

    def __init__(self, experiment: diffusing.Diffusion) -> None:
        labels = list(experiment.labels)
        self._columns = [labels.index(label) for label in experiment.prompts]
        own = list(experiment.prompts.values())
        self.texts = [
            ", ".join(text for bit, text in enumerate(own) if number >> bit & 1) or experiment.prompt
            for number in range(2 ** len(own))
        ]

    def numbers(self, labels: Sequence[Sequence[float] | None]) -> list[int]:
        """Return the number of each face, given its labels."""
        return [
            sum(1 << bit for bit, column in enumerate(self._columns) if own and own[column]) for own in labels
        ]

    def of_labels(self, labels: Tensor) -> list[str]:
        """Return the prompt of each face of a batch, given its labels BxL."""
        if not self._columns:
            return len(labels) * self.texts
        return [self.texts[number] for number in self.numbers(labels.tolist())]
