"""The trainer: one loop for every method, its checkpoints, its curves and its grids of samples."""
