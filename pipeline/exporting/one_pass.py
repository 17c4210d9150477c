"""What a method's `translate` computes, as one pass of tensors through its networks that holds for any number of faces.

Most methods' `translate` is that already. A few draw numbers from a fixed seed, count their batch in Python, or send
faces through one by one, none of which a traced graph can hold; for these the same arithmetic is written here once
more. Every exported file is compared with `translate` itself, so the two cannot drift apart unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, cast

import torch
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.methods.base import Translator
from pipeline.methods.diffusion import Diffusion
from pipeline.methods.munit import STYLE_SEEDS, Munit
from pipeline.methods.pix2pix import CHANNELS, Pix2Pix
from pipeline.methods.stargan import StarGan
from pipeline.methods.starganv2 import LATENT_SEEDS, StarGanV2
from pipeline.methods.style_transfer import StyleTransfer
from pipeline.networks.munit import MunitGenerator

_IMAGE = 3
Make = Callable[[Tensor], Tensor]


class OnePass(nn.Module):
    """A function of tensors together with the networks that it passes them through."""

    def __init__(self, networks: Mapping[str, nn.Module], make: Make) -> None:
        super().__init__()
        self.networks = nn.ModuleDict(networks)
        self._make = make

    def forward(self, inputs: Tensor) -> Tensor:
        """Return Bx3xSxS images."""
        return self._make(inputs)


def one_pass(method: Translator, to: str) -> OnePass:
    """Return what the method makes of its `inputs` for the domain `to`.

    Raises `UserError` for a method that needs many passes, or draws anew at each.
    """
    _refuse(method)
    build = next((build for kind, build in _FORMS.items() if isinstance(method, kind)), _as_it_is)
    with torch.no_grad():
        return build(method, to).eval()


def _refuse(method: Translator) -> None:
    if isinstance(method, Diffusion):
        raise UserError(
            "method: diffusion goes through its networks many times for each face, and only one pass can be exported"
        )
    if isinstance(method, StyleTransfer) and method.optimises:
        raise UserError(
            "variant: gatys optimises each image and has no network that could be exported; train variant: adain"
        )
    if isinstance(method, Pix2Pix) and method.options.test_dropout:
        raise UserError(
            "test_dropout: a translation that draws anew each time cannot be exported; set it to false"
        )


def _as_it_is(method: Translator, to: str) -> OnePass:
    shipped = {name: method.networks[name] for name in method.shipped}
    return OnePass(shipped, lambda inputs: method.translate(inputs, to))


def _munit(method: Munit, to: str) -> OnePass:
    """Encode, and decode with the style that is drawn once and for all."""
    role, other = ("target", "source") if to == method.target else ("source", "target")
    encoder, decoder = (cast(MunitGenerator, method.networks[f"generator_{each}"]) for each in (other, role))
    style = _drawn(method.options.generator.style, STYLE_SEEDS[0])

    def make(inputs: Tensor) -> Tensor:
        content, _ = encoder.encode(inputs)
        return decoder.decode(content, style.expand(inputs.shape[0], -1))

    return OnePass({"encoder": encoder, "decoder": decoder}, make)


def _stargan(method: StarGan, to: str) -> OnePass:
    """Read the labels off their planes; on the way to the source ask for none."""
    generator = method.networks["generator"]

    def make(inputs: Tensor) -> Tensor:
        labels = inputs[:, _IMAGE:, 0, 0]
        return generator(inputs[:, :_IMAGE], labels if to == method.target else torch.zeros_like(labels))

    return OnePass({"generator": generator}, make)


def _starganv2(method: StarGanV2, to: str) -> OnePass:
    """Generate in the style of the latent that is drawn once and for all; what makes styles stays behind."""
    generator, domain = method.networks["generator"], torch.tensor([int(to == method.target)])
    style = method.networks["mapping_network"](_drawn(method.options.latent, LATENT_SEEDS[0]), domain)

    def make(inputs: Tensor) -> Tensor:
        masks = inputs[:, _IMAGE:] if method.options.w_hpf else None
        return generator(inputs[:, :_IMAGE], style.expand(inputs.shape[0], -1), masks).clamp(-1, 1)

    return OnePass({"generator": generator}, make)


def _pix2pix(method: Pix2Pix, to: str) -> OnePass:
    """Normalise each face by itself, which is what batch norm does where faces go through one by one."""
    generator = _normalised_alone(deepcopy(method.networks["generator"]))
    sizes = [CHANNELS[name] for name in method.told]
    place = method.told.index("colors") if method.options.colors == "film" else None

    def make(inputs: Tensor) -> Tensor:
        if place is None:
            return generator(inputs)
        planes = list(torch.split(inputs, sizes, dim=1))
        colors = planes.pop(place)[:, :, 0, 0]
        return generator(torch.cat(planes, dim=1), colors)

    return OnePass({"generator": generator}, make)


def _normalised_alone(network: nn.Module) -> nn.Module:
    """Put instance norm in the place of every batch norm without running statistics, in the network itself."""
    for name, layer in network.named_children():
        if isinstance(layer, nn.BatchNorm2d) and not layer.track_running_stats:
            alone = nn.InstanceNorm2d(layer.num_features, eps=layer.eps, affine=layer.affine)
            alone.load_state_dict(layer.state_dict())
            setattr(network, name, alone)
        else:
            _normalised_alone(layer)
    return network


def _drawn(count: int, seed: int) -> Tensor:
    return torch.randn(1, count, generator=torch.Generator().manual_seed(seed))


_FORMS: dict[type[Translator], Callable[[Any, str], OnePass]] = {
    Munit: _munit,
    StarGan: _stargan,
    StarGanV2: _starganv2,
    Pix2Pix: _pix2pix,
}
