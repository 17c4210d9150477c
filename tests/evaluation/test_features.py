"""Features are computed once for each image, whatever set it is in and whatever happens to the process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.evaluation import features as module
from pipeline.evaluation.features import dlib_resnet128, features_of, statistics_of
from pipeline.faces import embedding
from pipeline.metrics.fid import fid, fid_of
from pipeline.networks.features import Features


def pictures(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), np.uint8)


@dataclass
class Network:
    """A network of 6 features that counts what it is asked for, and may be killed."""

    asked: list[int] = field(default_factory=list)
    dies_at: int | None = None

    def __call__(self, images: np.ndarray) -> np.ndarray:
        if len(self.asked) == self.dies_at:
            raise KeyboardInterrupt
        self.asked.append(len(images))
        return images.reshape(len(images), -1, 6).mean(axis=1).astype(np.float32)


def source(network: Callable[[np.ndarray], np.ndarray], **changed: str) -> Features:
    return replace(Features("toy", "0" * 64, "none", network), **changed)


def test_a_second_time_nothing_is_computed(tmp_path: Path) -> None:
    network, images = Network(), pictures(10)
    first = features_of(source(network), images, tmp_path)
    np.testing.assert_array_equal(first, Network()(images))
    np.testing.assert_array_equal(features_of(source(network), images, tmp_path), first)
    assert network.asked == [10]


def test_only_new_images_are_computed_each_once(tmp_path: Path) -> None:
    network, images = Network(), pictures(10)
    features_of(source(network), images[:4], tmp_path)
    shuffled = images[[9, 3, 3, 5, 0, 9]]
    np.testing.assert_array_equal(features_of(source(network), shuffled, tmp_path), Network()(shuffled))
    assert network.asked == [4, 2]


def test_images_of_the_same_bytes_and_another_size_are_others(tmp_path: Path) -> None:
    network, images = Network(), pictures(3)
    features_of(source(network), images, tmp_path)
    features_of(source(network), images.reshape(3, 4, 16, 3), tmp_path)
    assert network.asked == [3, 3]


@pytest.mark.parametrize(
    "changed", [{"weights": "1" * 64}, {"resizing": "clean"}, {"name": "other"}], ids=str
)
def test_other_weights_or_resizings_are_other_features(changed: dict[str, str], tmp_path: Path) -> None:
    network, images = Network(), pictures(3)
    features_of(source(network), images, tmp_path)
    features_of(source(network, **changed), images, tmp_path)
    assert network.asked == [3, 3]


def test_after_a_change_of_the_code_nothing_kept_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, images = Network(), pictures(3)
    features_of(source(network), images, tmp_path)
    monkeypatch.setattr(module, "_CODE", module._CODE[1:])
    features_of(source(network), images, tmp_path)
    assert network.asked == [3, 3]


def test_what_was_finished_before_a_kill_is_not_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CHUNK", 4)
    network, images = Network(dies_at=2), pictures(10)
    with pytest.raises(KeyboardInterrupt):
        features_of(source(network), images, tmp_path)
    network.dies_at = None
    np.testing.assert_array_equal(features_of(source(network), images, tmp_path), Network()(images))
    assert network.asked == [4, 4, 2]
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no archive at all"])
def test_a_damaged_file_costs_only_time(content: bytes, tmp_path: Path) -> None:
    network, images = Network(), pictures(5)
    features_of(source(network), images, tmp_path)
    statistics_of(source(network), images, tmp_path)
    for path in tmp_path.rglob("*.npz"):
        path.write_bytes(content)
    np.testing.assert_array_equal(features_of(source(network), images, tmp_path), Network()(images))
    statistics_of(source(network), images, tmp_path)
    assert network.asked == [5, 5]


def test_a_file_cut_short_costs_only_time(tmp_path: Path) -> None:
    network, images = Network(), pictures(5)
    features_of(source(network), images, tmp_path)
    for path in tmp_path.rglob("*.npz"):
        path.write_bytes(path.read_bytes()[:300])
    np.testing.assert_array_equal(features_of(source(network), images, tmp_path), Network()(images))


def test_statistics_of_a_set_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, real, outputs = Network(), pictures(20), pictures(9, seed=1)
    first = statistics_of(source(network), real, tmp_path)
    monkeypatch.setattr(module, "features_of", None)
    again = statistics_of(source(network), real, tmp_path)
    np.testing.assert_array_equal(again.root, first.root)
    monkeypatch.undo()
    assert fid_of(again, statistics_of(source(network), outputs, tmp_path)) == pytest.approx(
        fid(Network()(real), Network()(outputs))
    )


def test_images_on_the_disk_are_read_by_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 4)
    network, images = Network(), pictures(10)
    np.save(tmp_path / "images.npy", images)
    on_disk = np.load(tmp_path / "images.npy", mmap_mode="r")
    np.testing.assert_array_equal(features_of(source(network), on_disk, tmp_path), Network()(images))
    assert network.asked == [4, 4, 2]


def test_the_shipped_embedding_is_one_of_the_features(tmp_path: Path) -> None:
    faces = pictures(2)
    found = features_of(dlib_resnet128(), faces, tmp_path)
    assert dlib_resnet128().name == "dlib_resnet128"
    np.testing.assert_allclose(found, embedding.embed(faces), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("images", [pictures(0), np.zeros((2, 8, 8), np.uint8), np.zeros((2, 8, 8, 3))])
def test_what_are_no_images_is_a_clear_error(images: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="images"):
        features_of(source(Network()), images, tmp_path)
