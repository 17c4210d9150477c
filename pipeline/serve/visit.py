"""What the page knows of one visitor: the picture given, its faces, the one chosen, and the models' answers."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline import images
from pipeline.errors import UserError
from pipeline.serve.drawing import Point, Shown, shown
from pipeline.serve.looking import Face, Picture, Square
from pipeline.serve.pasting import paste
from pipeline.serve.studio import Studio
from pipeline.serve.zoo import Answer


@dataclass(frozen=True)
class Visit:
    """A picture that was looked at; its pixels are decoded again where they are needed, for they take much memory.

    `name` tells this choice of a face from every other; `chosen` is the face's number, `corner` the first of the two
    clicks that mark one, in pixels of the picture; `is_answered` once every model has had its turn.
    """

    domain: str
    data: bytes
    picture: Picture
    factor: float
    chosen: int | None
    answers: tuple[Answer, ...] = ()
    is_answered: bool = False
    corner: Point | None = None
    name: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def face(self) -> Face | None:
        """The face that is chosen."""
        return next((face for face in self.picture.faces if face.number == self.chosen), None)

    @property
    def worked(self) -> tuple[Answer, ...]:
        """The answers that have a picture."""
        return tuple(answer for answer in self.answers if answer.image is not None)

    def rgb(self) -> np.ndarray:
        """Return the picture's pixels, HxWx3 uint8 RGB."""
        return images.decode(self.data)

    def to_picture(self, x: float, y: float) -> Point:
        """Return where in the picture a pixel of what is shown lies."""
        return (x + 0.5) / self.factor, (y + 0.5) / self.factor

    def choosing(self, number: int) -> Visit:
        """Return the visit with another face and no answers yet."""
        return replace(self, chosen=number, answers=(), is_answered=False, name=secrets.token_hex(8))

    def with_corner(self, corner: Point) -> Visit:
        """Return the visit with the first of the two corners that mark a face."""
        return replace(self, corner=corner)

    def answered(self, answers: Sequence[Answer], is_answered: bool = True) -> Visit:
        """Return the visit with these answers, all or so far."""
        return replace(self, answers=tuple(answers), is_answered=is_answered)

    def answered_again(self, answer: Answer) -> Visit:
        """Return the visit with an answer in place of the same model's former one."""
        same = answer.experiment, answer.to
        return self.answered(
            [answer if (each.experiment, each.to) == same else each for each in self.answers]
        )

    def answer(self, experiment: str, to: str) -> Answer:
        """Return a model's answer; `UserError` where there is none."""
        for each in self.answers:
            if (each.experiment, each.to) == (experiment, to):
                return each
        raise UserError(f"{experiment} has not answered yet; wait until its picture is there")


def arrive(
    studio: Studio, data: bytes, domain: str, number: int | None = None, square: Square | None = None
) -> tuple[Visit, Shown | None]:
    """Look at an encoded picture; return the visit and the picture as shown, None where it cannot be decoded.

    The face with `number` is chosen, else the first that the pipeline takes, else the first with a crop. Raises
    `UserError` for a file that is too large and a square that is not in the picture.
    """
    limit = studio.limits.upload_bytes
    if len(data) > limit:
        raise UserError(f"the file has {len(data):,} bytes, at most {limit:,} are taken; reduce the picture")
    picture = studio.look(data, domain, square)
    chosen = number if any(face.number == number for face in picture.faces) else _first(picture.faces)
    drawn = None if picture.rgb is None else shown(picture.rgb, picture.faces, chosen)
    kept = replace(picture, rgb=None)
    return Visit(domain, data, kept, 1.0 if drawn is None else drawn.factor, chosen), drawn


def pasted(studio: Studio, visit: Visit, answer: Answer) -> np.ndarray | None:
    """Return the photograph with a model's answer in its face's place, HxWx3 uint8 RGB; None without an answer."""
    face = visit.face
    if face is None or face.crop is None or answer.image is None:
        return None
    whole = studio.is_whole(visit.domain)
    return paste(visit.rgb(), answer.image, face.matrix, len(face.crop), whole)


def _first(faces: Sequence[Face]) -> int | None:
    for face in (*(face for face in faces if face.reason is None), *faces):
        if face.crop is not None:
            return face.number
    return faces[0].number if faces else None
