"""What every tab of the preview application works with: params.yaml, the trained models, and what visitors may ask."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from pipeline.params import Params
from pipeline.reviews import eyes_by_image, read_corrected_eyes
from pipeline.serve.looking import Picture, Square, look, ways_of
from pipeline.serve.zoo import Zoo
from pipeline.takedowns import Takedowns, load_takedowns

MODELS = Path("models")
SHOWS = {
    "photo": "a photograph of people",
    "anime": "an anime drawing",
    "webtoon": "a webtoon",
    "ultrasound": "an ultrasound picture of a face",
    "baby": "a photograph of a baby",
    "before": "a face before surgery",
    "after": "a face after surgery",
    "vis": "a photograph in visible light",
    "nir": "a near-infrared picture",
}


@dataclass(frozen=True)
class Limits:
    """What visitors may ask for: bytes of an upload and of all models in memory, and how many may wait."""

    upload_bytes: int
    models_bytes: int | None
    waiting: int


@dataclass(frozen=True)
class Studio:
    """One for the process; what belongs to a visitor is kept elsewhere."""

    params: Params
    zoo: Zoo
    limits: Limits
    device: torch.device

    def takedowns(self) -> Takedowns:
        """Return what is listed now, so that a take-down counts at once."""
        return load_takedowns()

    def domains(self) -> list[str]:
        """Return the domains of params.yaml that a trained model was trained with."""
        return [domain for domain in self.params.domains if self.candidates(domain)]

    def candidates(self, domain: str) -> list[str]:
        """Return the trained models that may translate from a domain: which do is known once they are read."""
        return [name for name in self.zoo.names() if domain in self.zoo.experiment(name).domains]

    def is_whole(self, domain: str) -> bool:
        """Say whether a domain's pictures are the face, which is marked by hand if need be."""
        return self.params.domains[domain].faces == "whole"

    def look(self, data: bytes, domain: str, square: Square | None = None) -> Picture:
        """Return the faces of an encoded picture, as `pipeline.serve.looking.look` does, with eyes set by hand."""
        corrected = eyes_by_image(read_corrected_eyes())
        return look(data, ways_of(self.params, domain), self.takedowns(), square, corrected)


def open_studio(params: Params, device: torch.device, limits: Limits, models: Path = MODELS) -> Studio:
    """Return a studio with the models of a folder; none is read before it is asked for."""
    return Studio(params, Zoo(models, device, limits.models_bytes), limits, device)


def shows(domain: str) -> str:
    """Return in plain words what the pictures of a domain show."""
    known = SHOWS.get(domain)
    return f"{known} ({domain})" if known else domain
