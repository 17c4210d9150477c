"""From pixels to aligned, coloured faces: detectors, landmarks, pose, alignment, quality, colours."""
