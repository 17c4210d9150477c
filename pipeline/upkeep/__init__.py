"""Keeping the workspace: take-downs and the proof of them, pruning, what DVC and Git remember."""
