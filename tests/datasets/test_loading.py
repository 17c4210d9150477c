from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor

from pipeline.datasets import loading
from pipeline.datasets.arrays import PAIRS, ROWS, Dataset, DomainArrays
from pipeline.datasets.conditions import landmark_planes
from pipeline.datasets.loading import Batch, Draws, Loader, rotate, show
from pipeline.errors import UserError
from pipeline.experiments import Experiment, read_experiment

SIZE = 64
STILL = {"enlarge": 1.0, "flip": False}


def options(**changed: Any) -> Experiment:
    values = {"method": "pix2pix", "domains": ["photo", "anime"], "size_px": SIZE, "steps": 10}
    return read_experiment({**values, "augment": STILL, **changed})


def in_rows(rows: list[dict[str, Any]]) -> pa.Table:
    complete = [{"split": "train", "weight": 1.0, "labels": []} | row for row in rows]
    return pa.Table.from_pylist(complete, ROWS)


def marked(count: int, side: int, seed: int = 0) -> DomainArrays:
    """Return faces of `side` px, black with bright blocks at the landmarks: the left eye red, the right one blue."""
    rng = np.random.default_rng(seed)
    grid = np.stack([np.arange(68) % 9 * 4 + 16, np.arange(68) // 9 * 4 + 18], axis=-1)
    places = np.stack([grid[rng.permutation(68)] for _ in range(count)])
    images = np.zeros((count, side, side, 3), np.uint8)
    for image, face in zip(images, places, strict=True):
        for number, (x, y) in enumerate(face):
            color = (255, 0, 255) if number < 36 or number >= 48 else (255, 255, 0)
            image[y - 1 : y + 2, x - 1 : x + 2] = (0, 255, 255) if 42 <= number < 48 else color
    points = (places + 0.5) * SIZE / side - 0.5
    small = np.zeros((count, SIZE, SIZE, 3), np.uint8) if side != SIZE else images
    large = images if side != SIZE else None
    return DomainArrays(small, points.astype(np.float32), in_rows([{}] * count), large)


def numbered(rows: list[dict[str, Any]], known: bool = True) -> DomainArrays:
    """Return faces that are grey by their number."""
    images = np.stack([np.full((SIZE, SIZE, 3), number, np.uint8) for number in range(len(rows))])
    points = np.full((len(rows), 68, 2), 30.0 if known else np.nan, np.float32)
    return DomainArrays(images, points, in_rows(rows))


def numbers(images: Tensor) -> list[int]:
    return ((images[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


def loader(
    photo: DomainArrays, anime: DomainArrays, draws: Draws = "unpaired", seed: int = 0, **changed: Any
) -> Loader:
    experiment = options(**changed)
    told = changed.get("conditions", ["landmarks"])
    return Loader(Dataset({}, {"photo": photo, "anime": anime}), experiment, seed, draws, told)


def same(one: Batch, other: Batch) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def at_points(images: Tensor, points: Tensor) -> Tensor:
    """Return Bx68x3: the pixels under the landmarks."""
    x, y = points.round().long().unbind(-1)
    assert x.min() >= 0
    assert y.min() >= 0
    return torch.stack([image[:, y[n], x[n]].T for n, image in enumerate(images)])


@pytest.mark.parametrize(
    "augment",
    [
        {"enlarge": 1.0, "flip": False},
        {"enlarge": 1.0, "flip": True},
        {"enlarge": 1.125, "flip": False},
        {"enlarge": 1.0, "flip": False, "rotation_deg": 20},
        {"enlarge": 1.125, "flip": True, "rotation_deg": 10},
    ],
    ids=["still", "flip", "crop", "rotation", "all"],
)
def test_landmarks_go_with_the_image(augment: dict[str, Any]) -> None:
    side = round(SIZE * augment["enlarge"])
    batches = loader(marked(4, side), marked(4, side, 1), augment=augment, batch_size=4)
    seen = set()
    for number in range(6):
        batch = batches.batch(number)
        for role in ("source", "target"):
            pixels = at_points(batch[role], batch[f"{role}_points"])
            assert pixels.amax(dim=2).min() > 0.99
            if "rotation_deg" not in augment:
                whole = batch[f"{role}_points"].round()
                torch.testing.assert_close(batch[f"{role}_points"], whole, atol=1e-3, rtol=0)
            seen |= {tuple(face.flatten().tolist()) for face in batch[f"{role}_points"]}
    assert len(seen) == 8 if augment == STILL else len(seen) > 8


def test_a_mirrored_face_has_its_landmarks_in_ibug_order_again() -> None:
    face = marked(1, SIZE)
    batches = loader(face, face, augment={"enlarge": 1.0}, batch_size=8)
    batch = batches.batch(0)
    pixels = at_points(batch["source"], batch["source_points"])
    straight = torch.tensor([[1.0, 1, -1], [-1, 1, 1]])
    for eyes in torch.stack([pixels[:, 36], pixels[:, 42]], dim=1):
        assert torch.equal(eyes, straight) or torch.equal(eyes, straight.flip(0))
    is_mirrored = pixels[:, 36, 0] < 0
    assert 0 < is_mirrored.sum() < 8
    torch.testing.assert_close(batch["source"][is_mirrored][0].flip(-1), batch["source"][~is_mirrored][0])


def test_crops_are_taken_anywhere_in_the_larger_image() -> None:
    side = 72
    ramp = np.broadcast_to(np.arange(side, dtype=np.uint8)[None, :, None], (side, side, 3))[None]
    small = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    face = DomainArrays(small, np.full((1, 68, 2), 30.0, np.float32), in_rows([{}]), np.array(ramp))
    batches = loader(face, face, augment={"enlarge": 1.125, "flip": False}, batch_size=64)
    images = batches.batch(0)["source"]
    assert images.shape == (64, 3, SIZE, SIZE)
    assert set(numbers(images)) == set(range(9))


def test_brightness_moves_all_pixels_of_a_face_alike() -> None:
    grey = numbered([{}] * 200)
    batches = loader(grey, grey, augment={**STILL, "brightness": 0.1}, batch_size=32)
    batch = batches.batch(3)
    for image in batch["source"]:
        assert image.unique().numel() == 1
    faces = loader(grey, grey, batch_size=32).batch(3)["source"]
    change = (batch["source"] - faces)[:, 0, 0, 0]
    lighter = change[faces[:, 0, 0, 0] > -0.7]
    assert lighter.abs().max() <= 0.2 + 1e-6
    assert lighter.min() < -0.05
    assert lighter.max() > 0.05


def test_brightness_stays_between_black_and_white() -> None:
    images = torch.full((8, 8, 3), 250, dtype=torch.uint8)
    view = loading.View(0, 0, flip=False, rotation_deg=0, brightness=0.5)
    assert (show(images, torch.zeros(68, 2), view, 8)[0] == 1).all()


def test_a_positive_angle_turns_counter_clockwise_as_seen() -> None:
    image = -torch.ones(1, 3, 9, 9)
    image[:, :, 4, 7] = 1  # right of the middle
    turned, points = rotate(image, torch.tensor([[7.0, 4.0]]), 90)
    torch.testing.assert_close(points, torch.tensor([[4.0, 1.0]]))
    assert turned[0, 0, 1, 4] == pytest.approx(1, abs=1e-4)


def test_partners_are_seen_alike() -> None:
    side = 72
    face = marked(6, side)
    pairs = pa.table({"source": range(6), "target": range(6), "split": ["train"] * 6, "distance": [None] * 6})
    experiment = options(
        conditions=["image", "landmarks"],
        pairing="pair_id",
        batch_size=4,
        augment={"enlarge": 1.125, "rotation_deg": 20, "brightness": 0.2},
    )
    dataset = Dataset({}, {"photo": face, "anime": face}, pairs.cast(PAIRS))
    batch = Loader(dataset, experiment, 0, "pairs", ("landmarks",)).batch(0)
    assert torch.equal(batch["source"], batch["target"])
    assert torch.equal(batch["source_planes"], batch["target_planes"])
    unpaired = Loader(dataset, experiment, 0, "unpaired", ("landmarks",)).batch(0)
    assert not torch.equal(unpaired["source"], unpaired["target"])


def test_partners_come_together_once_in_each_epoch() -> None:
    photo, anime = numbered([{"split": "val"}, *[{}] * 5]), numbered([{}] * 9)
    rows = {"source": [1, 2, 4, 0], "target": [8, 0, 3, 1], "split": ["train", "train", "train", "val"]}
    pairs = pa.table({**rows, "distance": [None] * 4}).cast(PAIRS)
    experiment = options(conditions=["image"], pairing="pair_id", batch_size=3)
    batches = Loader(Dataset({}, {"photo": photo, "anime": anime}, pairs), experiment, 0, "pairs")
    for number in range(4):
        batch = batches.batch(number)
        together = set(zip(numbers(batch["source"]), numbers(batch["target"]), strict=True))
        assert together == {(1, 8), (2, 0), (4, 3)}


def test_partners_without_landmarks_are_left_out_where_landmarks_are_told() -> None:
    photo, anime = numbered([{}] * 3), numbered([{}] * 3)
    photo.points[1] = np.nan
    pairs = pa.table({"source": range(3), "target": range(3), "split": ["train"] * 3, "distance": [None] * 3})
    dataset = Dataset({}, {"photo": photo, "anime": anime}, pairs.cast(PAIRS))
    experiment = options(conditions=["image", "landmarks"], pairing="pair_id", batch_size=2)
    batches = Loader(dataset, experiment, 0, "pairs", ("landmarks",))
    assert set(numbers(batches.batch(0)["source"])) == {0, 2}


@pytest.mark.parametrize("batch_size", [1, 3])
def test_every_face_comes_once_in_each_epoch(batch_size: int) -> None:
    photo = numbered([{"split": "val"}, *[{}] * 6, {"split": "test"}])
    batches = loader(photo, numbered([{}] * 9), conditions=["landmarks"], batch_size=batch_size)
    seen: dict[str, list[int]] = {"source": [], "target": []}
    for batch in islice(batches.batches(0), 36 // batch_size):
        for role in seen:
            seen[role] += numbers(batch[role])
    for role, faces in (("source", list(range(1, 7))), ("target", list(range(9)))):
        epochs = np.reshape(seen[role], (-1, len(faces)))
        assert (np.sort(epochs, axis=1) == faces).all()
        assert len({tuple(epoch) for epoch in epochs}) > 1


def test_faces_are_drawn_as_often_as_their_weights_say() -> None:
    photo = numbered([{"weight": weight} for weight in (0.0, 0.5, 1.0, 2.5, 0.0)])
    batches = loader(photo, numbered([{}] * 4), batch_size=100, conditions=["colors"])
    counts = Counter(number for n in range(20) for number in numbers(batches.batch(n)["source"]))
    assert set(counts) == {1, 2, 3}
    assert counts[2] / counts[1] == pytest.approx(2, rel=0.2)
    assert counts[3] / counts[1] == pytest.approx(5, rel=0.2)
    assert set(Counter(numbers(batches.batch(0)["target"])).values()) == {25}


def test_chances_end_with_1_whatever_the_rounding() -> None:
    """A number just below 1 would else be a face after the last one."""
    weights = np.random.default_rng(0).uniform(0.1, 3, 100_000).astype(np.float32)
    photo = numbered([{}])
    assert loader(photo, photo)._choices["source"].cumulated is None
    assert loading._cumulated(weights)[-1] == 1


def test_faces_without_landmarks_are_drawn_only_where_none_are_needed() -> None:
    photo, anime = numbered([{}] * 4), numbered([{}] * 4)
    anime.points[2] = np.nan
    with_landmarks = loader(photo, anime, batch_size=12)
    assert set(numbers(with_landmarks.batch(0)["target"])) == {0, 1, 3}
    without = loader(photo, anime, batch_size=12, conditions=["colors"])
    assert set(numbers(without.batch(0)["target"])) == {0, 1, 2, 3}


def test_where_only_the_target_is_learnt_the_source_may_have_no_landmarks() -> None:
    batches = loader(numbered([{}] * 2, known=False), numbered([{}] * 2), draws="target")
    assert {name.split("_")[0] for name in batches.batch(0)} == {"target"}


def test_a_batch_says_what_each_face_is() -> None:
    rows = [{"skin_rgb": [255, 0, 0], "labels": [1, 0]}, {"labels": [0, 1]}]
    batch = loader(numbered(rows), numbered([{}] * 3), batch_size=2).batch(0)
    order = numbers(batch["source"])
    torch.testing.assert_close(batch["source_labels"], torch.eye(2)[order])
    expected = torch.tensor([[1.0, -1, -1], [0, 0, 0]])
    torch.testing.assert_close(batch["source_colors"][:, :3], expected[order])
    assert batch["target_labels"].shape == (2, 0)
    assert batch["target_points"].shape == (2, 68, 2)


def test_planes_show_the_landmarks_of_the_image_as_it_is_shown() -> None:
    face = marked(4, 72)
    augment = {"enlarge": 1.125, "rotation_deg": 15}
    batch = loader(face, face, augment=augment, batch_size=4, landmark_shape="lines").batch(1)
    planes = landmark_planes(batch["target_points"], SIZE, "lines")
    assert torch.equal(batch["target_planes"], planes)
    assert not torch.equal(batch["source_planes"], batch["target_planes"])


def test_a_batch_is_a_pure_function_of_seed_and_number() -> None:
    changed: dict[str, Any] = {
        "conditions": ["landmarks", "colors", "noise"],
        "color_jitter": 0.1,
        "condition_dropout": 0.3,
        "augment": {"enlarge": 1.125, "rotation_deg": 5, "brightness": 0.1},
        "batch_size": 2,
    }
    faces = marked(5, 72), marked(7, 72, 1)
    batches = loader(*faces, **changed)
    first = batches.batch(9)
    batches.batch(2)
    assert same(batches.batch(9), first)
    assert same(loader(*faces, **changed).batch(9), first)
    assert not same(batches.batch(10), first)
    assert not same(loader(*faces, seed=1, **changed).batch(9), first)


@pytest.mark.parametrize("threads", [1, 4])
def test_threads_that_work_ahead_change_nothing(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    monkeypatch.setattr(loading, "_THREADS", threads)
    batches = loader(marked(5, 72), marked(3, 72), augment={"enlarge": 1.125}, conditions=["colors", "noise"])
    plain = [batches.batch(number) for number in range(4, 34, 2)]
    monkeypatch.setattr(batches, "_works_ahead", True)
    ahead = batches.batches(4, stride=2)
    assert all(same(*both) for both in zip(plain, ahead, strict=False))
    ahead.close()


def test_a_training_goes_on_at_its_exact_position() -> None:
    faces = marked(5, SIZE), marked(3, SIZE)
    whole = list(islice(loader(*faces).batches(0), 8))
    rest = list(islice(loader(*faces).batches(5), 3))
    assert all(same(*both) for both in zip(whole[5:], rest, strict=True))


def test_jitter_changes_known_colors_anew_at_each_access() -> None:
    face = numbered([{"skin_rgb": [128, 128, 128]}])
    batches = loader(face, face, conditions=["colors"], color_jitter=0.05, batch_size=64)
    one, other = batches.batch(0), batches.batch(1)
    assert not torch.equal(one["target_colors"], other["target_colors"])
    told = one["target_planes"]
    assert told.shape == (64, 9, SIZE, SIZE)
    torch.testing.assert_close(told, one["target_colors"][:, :, None, None].expand_as(told))
    assert one["target_colors"][:, :3].std() == pytest.approx(0.05, rel=0.2)
    assert (one["target_colors"][:, 3:] == 0).all(), "unknown colours stay unknown"


def test_noise_is_drawn_anew_at_each_access() -> None:
    face = numbered([{}])
    batches = loader(face, face, conditions=["landmarks", "noise"], batch_size=2)
    first, second = (batches.batch(number)["target_planes"][:, 1] for number in (0, 1))
    assert first.std() == pytest.approx(1, rel=0.05)
    assert not torch.equal(first, second)
    assert not torch.equal(first[0], first[1])


def test_conditions_are_withheld_all_at_once() -> None:
    face = numbered([{"skin_rgb": [255, 255, 255]}])
    told = {"conditions": ["landmarks", "colors"], "landmark_pixels": [0, 255], "batch_size": 200}
    batch = loader(face, face, condition_dropout=0.25, **told).batch(0)
    withheld = _is_empty(batch["target_planes"])
    assert 30 < withheld.sum() < 70
    assert torch.equal(withheld, (batch["target_colors"] == 0).all(dim=1))
    assert not _is_empty(loader(face, face, **told).batch(0)["target_planes"]).any()


def _is_empty(planes: Tensor) -> Tensor:
    return (planes == 0).flatten(1).all(dim=1)


@pytest.mark.parametrize(
    ("draws", "photo", "message"),
    [
        ("unpaired", [{"split": "val"}], "photo: the dataset has no face to train on"),
        ("pairs", [{}], "pairing: the dataset has no pairs; set pairing to pair_id or nearest_landmarks"),
    ],
)
def test_nothing_to_draw_from_is_said(draws: Draws, photo: list[dict], message: str) -> None:
    with pytest.raises(UserError, match=message):
        loader(numbered(photo), numbered([{}]), draws=draws)


def test_pairs_without_training_pairs_are_said() -> None:
    photo = numbered([{"split": "val"}])
    pairs = pa.table({"source": [0], "target": [0], "split": ["val"], "distance": [None]}).cast(PAIRS)
    experiment = options(conditions=["image"], pairing="pair_id")
    with pytest.raises(UserError, match="pairing: pair_id found no pair to train on"):
        Loader(Dataset({}, {"photo": photo, "anime": photo}, pairs), experiment, 0, "pairs")


def labelled(count: int, first: int, domain: int, **known: Any) -> DomainArrays:
    """Return faces whose grey is their number, and whose labels say number and domain."""
    rows = [{"labels": [(first + n) % 2, domain]} for n in range(count)]
    arrays = numbered(rows)
    return replace(arrays, images=arrays.images + np.uint8(first), **known)


def of_two_domains(**known: Any) -> Dataset:
    return Dataset({}, {"photo": labelled(3, 0, 0, **known), "anime": labelled(5, 100, 1, **known)})


def tagging(**changed: Any) -> Experiment:
    return options(method="tagger", batch_size=4, **changed)


def test_labelled_batches_mix_the_faces_of_all_domains_each_once_an_epoch() -> None:
    loader = Loader(of_two_domains(), tagging(), 0, "labelled")
    batches = [loader.batch(number) for number in range(2)]
    assert sorted(n for batch in batches for n in numbers(batch["images"])) == [0, 1, 2, *range(100, 105)]
    for batch in batches:
        assert batch.keys() == {"images", "labels"}
        assert batch["labels"].tolist() == [[n % 2, float(n >= 100)] for n in numbers(batch["images"])]
    assert numbers(loader.batch(2)["images"]) != numbers(batches[0]["images"]), "each epoch has its own order"


def test_one_domain_is_enough_for_labelled_batches() -> None:
    dataset = Dataset({}, {"photo": labelled(4, 0, 0)})
    batch = Loader(dataset, tagging(domains=["photo"]), 0, "labelled").batch(0)
    assert sorted(numbers(batch["images"])) == [0, 1, 2, 3]


def test_embeddings_come_with_labelled_faces_where_all_domains_have_them() -> None:
    photo = labelled(3, 0, 0, embeddings=np.arange(3, dtype=np.float32)[:, None])
    anime = labelled(5, 100, 1, embeddings=np.arange(100, 105, dtype=np.float32)[:, None])
    batch = Loader(Dataset({}, {"photo": photo, "anime": anime}), tagging(), 0, "labelled").batch(0)
    assert batch["embeddings"].flatten().tolist() == numbers(batch["images"])
    without = replace(anime, embeddings=None)
    batch = Loader(Dataset({}, {"photo": photo, "anime": without}), tagging(), 0, "labelled").batch(0)
    assert "embeddings" not in batch


def test_labelled_faces_are_drawn_by_weight_and_augmented() -> None:
    weighty = {"weight": 0.0, "labels": [0]}
    photo = numbered([weighty, weighty, {"weight": 3.0, "labels": [1]}])
    loader = Loader(
        Dataset({}, {"photo": photo}),
        tagging(domains=["photo"], augment={"enlarge": 1.0, "brightness": 0.5}),
        0,
        "labelled",
    )
    batch = loader.batch(0)
    assert batch["labels"].tolist() == [[1]] * 4
    assert len(set(numbers(batch["images"]))) > 1


def test_a_domain_without_labelled_faces_to_train_on_is_named() -> None:
    held_out = numbered([{"split": "test", "labels": [0]}])
    with pytest.raises(UserError, match="anime: the dataset has no face to train on"):
        Loader(Dataset({}, {"photo": labelled(3, 0, 0), "anime": held_out}), tagging(), 0, "labelled")
