"""Networks in TensorFlow Lite's format, run by Google's LiteRT on one thread."""

from __future__ import annotations

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from pipeline import weights


class Graph:
    """A network with one input; loaded once, run image by image."""

    def __init__(self, weights_name: str) -> None:
        self._interpreter = Interpreter(str(weights.path(weights_name)), num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = {
            int(np.prod(output["shape"])): output["index"]
            for output in self._interpreter.get_output_details()
        }

    def __call__(self, image: np.ndarray) -> dict[int, np.ndarray]:
        """Return the outputs for a HxWx3 float32 image, flat, by how many numbers each has."""
        self._interpreter.set_tensor(self._input, image[None].astype(np.float32))
        self._interpreter.invoke()
        return {size: self._interpreter.get_tensor(index).ravel() for size, index in self._outputs.items()}
