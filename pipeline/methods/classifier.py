"""What methods that tell what faces are have in common: labelled faces, and how their learning rate falls."""

from __future__ import annotations

import math

from pipeline.datasets.loading import Draws
from pipeline.experiments.common import Classifying
from pipeline.methods.base import Method


class Classifier(Method):
    """A method that learns from the faces of all its domains and their labels."""

    def __init__(self, experiment: Classifying) -> None:
        super().__init__(experiment)
        self.schedule = experiment.schedule

    @property
    def draws(self) -> Draws:
        """Faces of all domains with their labels."""
        return "labelled"

    def learning_rate_factor(self, step: int, steps: int) -> float:
        """Return 1 at first and 0 in the end: along half a cosine, or on a line over the second half."""
        if self.schedule == "linear":
            return super().learning_rate_factor(step, steps)
        return (1 + math.cos(math.pi * step / steps)) / 2
