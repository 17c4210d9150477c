"""The tables that `evaluate` leaves for the report, one schema each."""

from __future__ import annotations

import pyarrow as pa

TRANSLATED = pa.schema(
    [
        ("translation", pa.string()),
        ("face_id", pa.string()),
        ("url", pa.string()),
        ("page_url", pa.string()),
        ("licence", pa.string()),
        ("author", pa.string()),
        ("input", pa.binary()),
        ("output", pa.binary()),
        ("truth", pa.binary()),
        ("truth_face_id", pa.string()),
        ("nearest", pa.binary()),
        ("nearest_face_id", pa.string()),
        ("nearest_distance", pa.float32()),
        ("landmark_error", pa.float32()),
    ]
)

_MISTAKE = pa.struct(
    [
        *[(name, pa.string()) for name in ("face_id", "url", "page_url", "licence", "author")],
        ("image", pa.binary()),
        ("probability", pa.float32()),
    ]
)
TAGS = pa.schema(
    [
        ("tag", pa.string()),
        *[(name, pa.int32()) for name in ("training_faces", "test_faces", "of")],
        *[(name, pa.float32()) for name in ("average_precision", "low", "high")],
        *[(name, pa.float32()) for name in ("precision", "recall", "f1", "threshold")],
        ("is_tuned", pa.bool_()),
        ("imagined", _MISTAKE),
        ("missed", _MISTAKE),
    ]
)
# `rank`: 0 is the worst. `features`: whose; `*_closeness` as `pipeline.metrics.nearest.Nearest` has it. The origin and
# `training_face_id` are of the training image, `face_id` is of the face that the output was made of.
COPIES = pa.schema(
    [
        ("translation", pa.string()),
        ("rank", pa.int32()),
        ("output", pa.binary()),
        ("training", pa.binary()),
        ("face_id", pa.string()),
        ("training_face_id", pa.string()),
        ("url", pa.string()),
        ("page_url", pa.string()),
        ("licence", pa.string()),
        ("author", pa.string()),
        ("features", pa.string()),
        *[
            (f"{measure}_{name}", kind)
            for measure in ("pixels", "features")
            for name, kind in (
                ("distance", pa.float32()),
                ("closeness", pa.float32()),
                ("suspected", pa.bool_()),
            )
        ],
    ]
)
# `of`: what differs from the inputs, `OUTPUTS` or `TRUTH`; `faces`: how many it is the mean of; `map`: the mean |Δ|
# (0 to 255) of each pixel, row by row; `mean_face`: what it is drawn on; `points`: the mean landmarks, x and y in turn,
# as parts of the side.
CHANGES = pa.schema(
    [
        ("translation", pa.string()),
        ("of", pa.string()),
        ("faces", pa.int32()),
        ("map", pa.list_(pa.float32())),
        ("mean_face", pa.binary()),
        ("points", pa.list_(pa.float32())),
    ]
)
