"""What to say where a number has no value: the reason, as a report prints it."""

from __future__ import annotations


class NotMeasurable(ValueError):
    """These images or features are sound, but the number does not exist for them; the message is the reason."""
