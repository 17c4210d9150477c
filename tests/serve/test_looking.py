"""A picture comes to the same faces as in the pipeline, to the last digit, and then to the same arrays."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from benchmarks.real_pictures import REPOSITORY
from pipeline import images, parts
from pipeline.datasets.arrays import load_dataset
from pipeline.errors import UserError
from pipeline.evaluation.translations import translate_faces
from pipeline.experiments import read_experiment
from pipeline.faces.alignment import transform
from pipeline.params import ByRole, load_params
from pipeline.serve.advice import ADVICE
from pipeline.serve.looking import look, ways_of
from pipeline.serve.one_face import arrays_of
from pipeline.serve.zoo import Zoo
from pipeline.sources.demo import cartoons
from pipeline.sources.demo.plan import face_count, is_hidden
from pipeline.stages import align, catalogue, colors, dataset, detect, landmarks, partwise
from pipeline.takedowns import Takedowns
from pipeline.training.checkpoints import load_translator
from tests.serve.small_zoo import ALONE, portrait, usual_params, write_model

Row = dict[str, Any]
PART = parts.part_name(0)
OF_STAGES = (parts.DETECTIONS, parts.LANDMARKS, parts.ALIGNED, parts.COLORS)


def through_the_stages(source: str, domain: str, pictures: list[bytes]) -> None:
    """Write what the stages up to `colors` make of a source's pictures, in this folder."""
    params = load_params()
    raw = [
        {"image_id": hashlib.sha256(data).hexdigest(), "bytes": data, "source": source, "url": f"file:{n}"}
        for n, data in enumerate(pictures)
    ]
    parts.write_rows(parts.folder("raw", source) / PART, raw, parts.RAW)
    settings = params.domains[domain]
    for stage, options in (
        (detect.STAGE, detect.Options(ByRole(detect.search_of(settings, params.detect)))),
        (landmarks.STAGE, landmarks.Options(ByRole(landmarks.marking_of(settings, params.landmarks)))),
        (align.STAGE, align.Options(ByRole(align.cut_of(settings, params.align)))),
        (colors.STAGE, colors.Options()),
    ):
        files = [parts.folder(table, source) / PART for table in stage.inputs]
        rows: list[Row] = []
        for group, size in enumerate(parts.row_group_sizes(files[0])):
            items = partwise.load_items(partwise.Chunk(PART, group, 0, size), files)
            rows += partwise.process_items(stage, options, {}, items)
        parts.write_rows(parts.folder(stage.output, source) / PART, rows, stage.schema)


def write_project(experiments: dict[str, Any]) -> None:
    """Write a params.yaml with two sources, of photographs and of cartoons."""
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    sources = {
        "people": {"kind": "folder", "path": ".", "domain": "photo"},
        "drawings": {"kind": "folder", "path": ".", "domain": "anime"},
    }
    params |= {"sources": sources, "experiments": experiments, "schedules": {}, "metrics": {"tagger": "none"}}
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def cartoon(index: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(cartoons.draw(0, index).pixels).resize((256, 256)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.long
def test_every_face_has_the_numbers_reasons_and_arrays_of_the_pipeline(in_folder: Path) -> None:
    options = {"conditions": ["landmarks", "colors"], "steps": 1}
    tiny = {"generator": {"width": 4, "blocks": 1}, "size_px": 32, "domains": ["photo", "anime"]}
    write_project({"x": {"method": "cyclegan", **tiny, **options}})
    hidden = [index for index in range(100) if is_hidden(index)][:4]
    several = [index for index in range(60) if face_count(index) > 1][:1]
    people = [portrait(index, 512) for index in (*ALONE[:4], *hidden, *several)]
    people += [portrait(ALONE[4], 64), portrait(ALONE[5], 72), b"<html>", portrait(ALONE[6])[:2000]]
    drawings = [cartoon(index) for index in ALONE[:3]]
    for source, domain, pictures in (("people", "photo", people), ("drawings", "anime", drawings)):
        through_the_stages(source, domain, pictures)
    catalogue.run()
    dataset.run("x")
    known = {row["face_id"]: row for row in parts.read_rows(catalogue.FOLDER / "faces.parquet")}
    lost = {row["image_id"]: row for row in parts.read_rows(catalogue.FOLDER / "rejections.parquet")}
    written = load_dataset(Path("data/datasets/x"))
    experiment = read_experiment(written.experiment)
    columns = {name for schema in OF_STAGES for name in schema.names} & set(parts.FACES.names)
    seen = dict.fromkeys(("faces", "rejected", "without", "in the dataset"), 0)
    for domain, pictures in (("photo", people), ("anime", drawings)):
        arrays = written.domains[domain]
        places = arrays.rows["face_id"].to_pylist()
        for data in pictures:
            picture = look(data, ways_of(load_params(), domain), Takedowns())
            if not picture.faces:
                seen["without"] += 1
                assert (picture.reason, picture.detail) == tuple(
                    lost[picture.image_id][name] for name in ("reason", "detail")
                )
                continue
            assert [face.row["face_id"] for face in picture.faces] == sorted(
                name for name in known if name.startswith(picture.image_id)
            )
            for face in picture.faces:
                row = known[face.row["face_id"]]
                assert {name: face.row.get(name) for name in columns} == {name: row[name] for name in columns}
                assert (face.reason is None) == row["kept"]
                seen["faces"] += 1
                seen["rejected"] += face.reason is not None
                if face.row["face_id"] in places:
                    place = places.index(face.row["face_id"])
                    one = arrays_of(face, experiment, domain)
                    np.testing.assert_array_equal(one.images[0], arrays.images[place])
                    np.testing.assert_array_equal(one.points[0], arrays.points[place])
                    same = [name for name in one.rows.column_names if name.endswith(("_rgb", "_deg", "_px"))]
                    assert one.rows.select(same).to_pylist()[0] == arrays.rows.select(same).to_pylist()[place]
                    seen["in the dataset"] += 1
    assert all(count >= 2 for count in seen.values()), seen


def test_eyes_that_a_person_has_shown_are_those_of_the_face() -> None:
    data, ways = portrait(ALONE[0]), ways_of(usual_params(), "photo")
    (before,) = look(data, ways, Takedowns()).faces
    (left, top), (right, bottom) = before.row["eyes"]
    shown = ((left + 2, top + 3), (right + 2, bottom + 3))
    corrected = {hashlib.sha256(data).hexdigest(): [shown], "0" * 64: [((1.0, 1.0), (9.0, 1.0))]}
    (after,) = look(data, ways, Takedowns(), corrected=corrected).faces
    np.testing.assert_allclose(after.row["eyes"], shown, atol=0.01)
    places = transform(np.array(before.row["eyes"]), before.matrix)
    np.testing.assert_allclose(transform(np.array(shown), after.matrix), places, atol=0.1)


def test_a_face_is_translated_as_a_face_of_a_dataset_is(tmp_path: Path) -> None:
    options = {"conditions": ["landmarks", "colors"], "domains": ["photo", "anime"]}
    write_model(tmp_path, "x", "cyclegan", **options)
    (face,) = look(portrait(ALONE[0]), ways_of(usual_params(), "photo"), Takedowns()).faces
    zoo = Zoo(tmp_path, torch.device("cpu"))
    answer = zoo.translate("x", face, "photo", "anime")
    method = load_translator(tmp_path / "x" / "weights" / "seed-0", zoo.experiment("x"))
    told = arrays_of(face, zoo.experiment("x"), "photo")
    np.testing.assert_array_equal(answer.image, translate_faces(method, told, np.array([0]), "anime")[0])


def test_several_faces_are_numbered_the_likeliest_first() -> None:
    index = next(index for index in range(60) if face_count(index) > 1)
    picture = look(portrait(index, 512), ways_of(usual_params(), "photo"), Takedowns())
    assert [face.number for face in picture.faces] == list(range(face_count(index)))
    scores = [face.row["score"] for face in picture.faces]
    assert scores == sorted(scores, reverse=True)


def test_a_rejected_face_keeps_its_crop_and_says_what_to_change() -> None:
    picture = look(portrait(ALONE[0], 64), ways_of(usual_params(), "photo"), Takedowns())
    (face,) = picture.faces
    assert (face.reason, face.advice) == ("too_small", ADVICE["too_small"])
    assert face.detail == f"eye_distance_px {face.row['eye_distance_px']:.2f}, at least 24.0"
    assert face.crop is not None


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"<!doctype html>", "not_an_image"), (b"", "not_an_image"), (portrait(ALONE[0])[:900], "undecodable")],
    ids=["html", "empty", "truncated"],
)
def test_bytes_that_are_no_picture_are_a_reason(data: bytes, reason: str) -> None:
    picture = look(data, ways_of(usual_params(), "photo"), Takedowns())
    assert (picture.rgb, picture.faces, picture.reason, picture.advice) == (None, (), reason, ADVICE[reason])


def test_a_picture_that_was_taken_down_is_not_looked_at() -> None:
    data = portrait(ALONE[0])
    taken = Takedowns(frozenset([hashlib.sha256(data).hexdigest()]))
    assert look(data, ways_of(usual_params(), "photo"), taken).reason == "taken_down"


def test_of_a_whole_picture_a_square_may_be_marked_and_leads_back_to_its_place() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (120, 200, 3), np.uint8)
    data, ways = images.encode(rgb, "png"), ways_of(usual_params(), "ultrasound")
    (whole,) = look(data, ways, Takedowns()).faces
    assert whole.box_xyxy == (0, 0, 200, 120)
    (marked,) = look(data, ways, Takedowns(), square=(30, 20, 64)).faces
    assert marked.box_xyxy == (30, 20, 94, 84)
    corners = transform(np.array([(30.0, 20.0), (94.0, 84.0)]), marked.matrix)
    np.testing.assert_allclose(corners, [(0, 0), (256, 256)], atol=1e-6)
    alone = look(images.encode(rgb[20:84, 30:94], "png"), ways, Takedowns()).faces[0]
    np.testing.assert_array_equal(marked.crop, alone.crop)


@pytest.mark.parametrize("square", [(150, 0, 64), (-1, 0, 64), (0, 0, 8)])
def test_a_square_outside_the_picture_is_refused(square: tuple[int, int, int]) -> None:
    data = images.encode(np.zeros((120, 200, 3), np.uint8), "png")
    with pytest.raises(UserError, match=r"square: .* must lie in the picture of 200x120 px"):
        look(data, ways_of(usual_params(), "ultrasound"), Takedowns(), square)


def test_a_square_is_refused_where_a_detector_finds_faces() -> None:
    data = images.encode(np.zeros((120, 200, 3), np.uint8), "png")
    with pytest.raises(UserError, match="found by a detector"):
        look(data, ways_of(usual_params(), "photo"), Takedowns(), (0, 0, 64))


def test_an_unknown_domain_is_named_with_those_that_are_known() -> None:
    with pytest.raises(UserError, match=r"'phoot' is not one of the domains: .*did you mean 'photo'"):
        ways_of(usual_params(), "phoot")
