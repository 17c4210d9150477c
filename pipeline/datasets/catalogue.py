"""The catalogue: one table of all faces, one of all rejections, and counts of what became of every image."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import parts
from pipeline.datasets.duplicates import cluster
from pipeline.datasets.splits import groups_of, split_of
from pipeline.reasons import DECODE_REASONS
from pipeline.reviews import Line

FACE_TABLES = ("landmarks", "aligned", "colors")
MEASURED = (
    *("yaw_deg", "pitch_deg", "roll_deg", "eye_distance_px", "landmark_quality"),
    *("sharpness", "exposure", "occlusion", "padded"),
)
_REJECTION = ["stage", "reason", "detail"]
# A face is rejected for the first limit that it fails: what for, what was measured, and the limit's name.
_VERDICTS = (
    ("profile", "yaw_deg", "max_abs_yaw_deg"),
    ("nodding", "pitch_deg", "max_abs_pitch_deg"),
    ("bad_landmarks", "landmark_quality", "min_landmark_quality"),
    ("too_small", "eye_distance_px", "min_eye_distance_px"),
    ("blurred", "sharpness", "min_sharpness"),
    ("too_dark", "exposure", "min_exposure"),
    ("too_bright", "exposure", "max_exposure"),
    ("occluded", "occlusion", "max_occlusion"),
    ("cropped", "padded", "max_padded"),
)


def faces_of_part(source: str, domain_of: Callable[[str | None], str | None], part: str) -> pa.Table:
    """Return one part's faces with what every stage says of them, in the columns of `parts.FACES`.

    `domain_of` tells the domain of the images with a role.
    """
    detections = _table("detections", source, part)
    faces = detections.filter(pc.is_null(detections["reason"]))
    own = ("face_id", "image_id", "box_xyxy", "score", "detector", "eye_size")
    columns = {name: faces[name] for name in own}
    columns |= _matched("raw", source, part, faces["image_id"], "image_id")
    for table in FACE_TABLES:
        found = _matched(table, source, part, faces["face_id"], "face_id")
        # A face is rejected once; tables after that do not know it.
        for name in _REJECTION:
            before = columns.get(name, pa.nulls(len(faces), pa.string()))
            found[name] = pc.coalesce(before, found[name])
        columns |= found
    columns["domain"] = pa.array([domain_of(role.as_py()) for role in columns["role"]], pa.string())
    for name, value in (("source", source), ("part", part)):
        columns[name] = pa.array([value] * len(faces), pa.string())
    missing = {name: pa.nulls(len(faces), parts.FACES.field(name).type) for name in parts.FACES.names}
    return pa.table({name: (missing | columns)[name] for name in parts.FACES.names}, schema=parts.FACES)


def judge(
    faces: pa.Table,
    limits: Mapping[str, Mapping[str, float]],
    max_distance: int,
    val: float,
    test: float,
    by: Sequence[str],
    bad: Mapping[int, str] | None = None,
) -> tuple[pa.Table, dict[str, int]]:
    """Fill `kept`, the reasons of the catalogue, `cluster` and `split`; sort by source, part and face.

    `limits` are those of `pipeline.params.Limits` for each domain, `by` the columns whose values have one split each,
    `bad` says by row why somebody marked a face as bad.
    The second result counts what came of the search for duplicates.
    """
    frame = faces.select(
        [
            *("face_id", "image_id", "domain", "subject", "pair_id", "page_url", "phash"),
            *MEASURED,
            *_REJECTION,
        ]
    ).to_pandas()
    aligned = frame["phash"].notna() & frame["reason"].isna()
    marked = pd.Series(bad or {}, index=frame.index, dtype=object)
    for reason, failing, detail in [("marked_bad", marked.notna(), marked), *verdicts(frame, limits)]:
        hit = aligned & frame["reason"].isna() & failing
        frame.loc[hit, "stage"] = "catalogue"
        frame.loc[hit, "detail"] = detail[hit]
        frame.loc[hit, "reason"] = reason
    frame["kept"] = frame["reason"].isna()
    frame["cluster"], duplicates = _cluster_names(frame.loc[frame["phash"].notna()], max_distance)
    groups = groups_of(frame, by)
    frame["split"] = groups.map({name: split_of(name, val, test) for name in groups.unique()})
    for name in ("kept", "cluster", "split", *_REJECTION):
        values = pa.array(frame[name], parts.FACES.field(name).type, from_pandas=True)
        faces = faces.set_column(faces.schema.get_field_index(name), parts.FACES.field(name), values)
    order = [(name, "ascending") for name in ("source", "part", "face_id")]
    return faces.take(pc.sort_indices(faces, order)), duplicates


def faces_meant(faces: pa.Table, lines: Sequence[Line]) -> list[tuple[int, Line]]:
    """Return each line with the row of `faces` that it means, by the boxes of its image; not those that mean none.

    A line meets a face in each source that has its image.
    """
    by_image: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        by_image[line.image_id].append(line)
    listed = pc.is_in(faces["image_id"], value_set=pa.array(list(by_image), pa.string()))
    boxes: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(dict)
    for row in np.flatnonzero(listed.to_numpy()).tolist():
        source, image_id, box = (faces[name][row].as_py() for name in ("source", "image_id", "box_xyxy"))
        boxes[source, image_id][row] = box
    met = []
    for (_, image_id), of_image in boxes.items():
        for line in by_image[image_id]:
            number = line.face_among(list(of_image.values()))
            if number is not None:
                met.append((list(of_image)[number], line))
    return met


def rejections_of_source(source: str, names: list[str], judged: pa.Table) -> list[dict[str, Any]]:
    """Return every rejection of a source, in the columns of `parts.REJECTIONS`, stage by stage.

    One that was never crawled has none: another's recrawl does not wait for it.
    """
    refused_path = parts.folder("raw", source) / parts.REJECTED_NAME
    refused = parts.read_rows(refused_path) if refused_path.exists() else []
    rows = [row | {"source": source} for row in refused]
    for part in names:
        detections = _table("detections", source, part)
        lost = detections.filter(pc.is_valid(detections["reason"])).select(["image_id", *_REJECTION])
        where = _matched("raw", source, part, lost["image_id"], "image_id")
        origin = pa.table({"url": where["url"], "page_url": where["page_url"]}).to_pylist()
        rows += [
            row | page | {"source": source, "part": part}
            for row, page in zip(lost.to_pylist(), origin, strict=True)
        ]
    mine = judged.filter(pc.and_(pc.equal(judged["source"], source), pc.is_valid(judged["reason"])))
    return rows + mine.select(parts.REJECTIONS.names).to_pylist()


def funnel(
    stored: int, detected_images: int, faces: pa.Table, rejections: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return how many of a source's images and faces came through each stage, and why the others did not."""
    reasons: dict[str, Counter[str]] = {}
    for row in rejections:
        reasons.setdefault(row["stage"], Counter())[row["reason"]] += 1
    lost = {stage: counter.total() for stage, counter in reasons.items()}
    broken = sum(reasons.get("detect", Counter())[reason] for reason in DECODE_REASONS)
    counts = {
        "discovered": stored + lost.get("crawl", 0),
        "crawled": stored,
        "decoded": stored - broken,
        "with_faces": detected_images,
        "faces": len(faces),
    }
    left = len(faces)
    for stage, name in (
        ("landmarks", "landmarked"),
        ("align", "aligned"),
        ("colors", "colored"),
        ("catalogue", "kept"),
    ):
        left -= lost.get(stage, 0)
        counts[name] = left
    ordered = {stage: dict(sorted(counter.items())) for stage, counter in reasons.items()}
    return {**counts, "rejected": ordered}


def funnel_by_group(groups: list[str | None], faces: pa.Table) -> dict[str, dict[str, int]]:
    """Return, by group, how many images were crawled and show a face, and how many faces are found and kept.

    `groups` holds the group of every crawled image, `faces` the source's faces. Images without one are left out.
    """
    crawled = Counter(group for group in groups if group is not None)
    frame = faces.select(["group", "image_id", "kept"]).to_pandas()
    found = frame.groupby("group").agg(
        with_faces=("image_id", "nunique"), faces=("image_id", "size"), kept=("kept", "sum")
    )
    counted = {str(group): {name: int(row[name]) for name in row.index} for group, row in found.iterrows()}
    none = {"with_faces": 0, "faces": 0, "kept": 0}
    return {group: {"crawled": crawled[group], **counted.get(group, none)} for group in sorted(crawled)}


def domain_summary(faces: pd.DataFrame) -> dict[str, Any]:
    """Return the number of kept faces of a domain and the quartiles of what was measured on them."""
    summary: dict[str, Any] = {"kept": len(faces)}
    for name in MEASURED:
        values = faces[name].dropna()
        if len(values):
            quartiles = np.quantile(values, (0.25, 0.5, 0.75)).round(2).tolist()
            summary[name] = dict(zip(("q25", "median", "q75"), quartiles, strict=True))
    return summary


def verdicts(
    frame: pd.DataFrame, limits: Mapping[str, Mapping[str, float]]
) -> list[tuple[str, pd.Series, pd.Series]]:
    """Return, for each reason, which faces fail their domain's limit, and the detail; nulls fail nothing."""
    measured = frame.assign(yaw_deg=frame["yaw_deg"].abs(), pitch_deg=frame["pitch_deg"].abs())
    judged = []
    for reason, name, limit in _VERDICTS:
        values = measured[name].astype(float)
        bounds = frame["domain"].map({domain: own[limit] for domain, own in limits.items()}).astype(float)
        failing = values < bounds if limit.startswith("min_") else values > bounds
        beyond = ", at least " if limit.startswith("min_") else ", at most "
        shown = frame[name].astype(float).round(2).astype(str)
        judged.append((reason, failing, name + " " + shown + beyond + bounds.astype(str)))
    return judged


def _cluster_names(frame: pd.DataFrame, max_distance: int) -> tuple[pd.Series, dict[str, int]]:
    """Name each cluster after the smallest of its faces' ids; count clusters, and what was not fully compared."""
    found = cluster(frame["phash"].tolist(), max_distance)
    sizes = np.bincount(found.numbers)
    counts = {
        "faces": len(frame),
        "faces_with_near_duplicates": int(sizes[sizes > 1].sum()),
        "clusters": int((sizes > 1).sum()),
        "largest_cluster": int(sizes.max(initial=0)),
        "crowded": found.crowded,
        "cut": found.cut,
    }
    return frame["face_id"].groupby(found.numbers).transform("min"), counts


def _table(table: str, source: str, part: str, columns: list[str] | None = None) -> pa.Table:
    return parts.read_table(parts.folder(table, source) / part, columns)


def _matched(
    table: str, source: str, part: str, ids: pa.ChunkedArray, key: str
) -> dict[str, pa.ChunkedArray]:
    """Return the table's columns that the catalogue has, one row for each id, null where there is none."""
    schema = {
        "raw": parts.RAW,
        "landmarks": parts.LANDMARKS,
        "aligned": parts.ALIGNED,
        "colors": parts.COLORS,
    }
    shared = [
        name
        for name in schema[table].names
        if name in parts.FACES.names and name not in ("image_id", "face_id")
    ]
    rows = _table(table, source, part, [key, *shared])
    indices = pc.index_in(ids, value_set=rows[key].combine_chunks())
    return {name: rows[name].take(indices) for name in shared}
