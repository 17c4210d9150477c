"""What every trained model makes of a face, one after the other; none keeps the others from answering."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.serve.looking import Face
from pipeline.serve.studio import Studio
from pipeline.serve.zoo import Answer


@dataclass(frozen=True)
class Waiting:
    """A model that has not answered yet."""

    experiment: str


def answers(studio: Studio, face: Face, domain: str) -> Iterator[list[Answer | Waiting]]:
    """Yield all models' answers to an aligned face of a domain as often as there is one more, first none.

    A model is read when its turn comes. One that cannot be read answers with its problem; one that turns out not to
    translate from this domain gives no answer.
    """
    names = studio.candidates(domain)
    done: list[Answer | Waiting] = []
    for index, name in enumerate(names):
        yield done + [Waiting(later) for later in names[index:]]
        done += _answers_of(studio, name, face, domain)
    yield done


def _answers_of(studio: Studio, name: str, face: Face, domain: str) -> list[Answer]:
    try:
        targets = [way.to for way in studio.zoo.ways(name) if way.of == domain]
    except Exception as error:  # a model that cannot be read must not take the others with it
        return [Answer(name, "", None, 0.0, str(error) or type(error).__name__)]
    return [studio.zoo.translate(name, face, domain, to) for to in targets]
