import numpy as np
import pytest

from pipeline.datasets import duplicates
from pipeline.datasets.duplicates import cluster


def hashes_of(codes: np.ndarray) -> list[str]:
    return [f"{code:016x}" for code in codes]


def changed(code: np.uint64, bits: int, rng: np.random.Generator) -> np.uint64:
    return code ^ np.uint64(sum(1 << int(bit) for bit in rng.choice(64, bits, replace=False)))


def chained_by_comparing_all(codes: np.ndarray, max_distance: int) -> list[int]:
    near = np.bitwise_count(codes[:, None] ^ codes[None]) <= max_distance
    numbers = np.arange(len(codes))
    for _ in codes:
        numbers = np.where(near, numbers[None], len(codes)).min(axis=1)
    return np.unique(numbers, return_inverse=True)[1].tolist()


def test_near_hashes_are_one_cluster_and_far_ones_are_not() -> None:
    zero, near, far = "0" * 16, "000000000000003f", "00000000000000ff"
    numbers = cluster([zero, far, near], max_distance=6).numbers
    assert numbers[0] == numbers[2]  # 6 bits apart
    assert numbers[1] == numbers[2]  # 2 bits apart: clusters chain
    assert cluster([zero, far], max_distance=6).numbers.tolist() == [0, 1]


@pytest.mark.parametrize("max_distance", [0, 1, 4, 6, 10, 16])
def test_it_finds_the_pairs_that_comparing_all_with_all_finds(max_distance: int) -> None:
    rng = np.random.default_rng(max_distance)
    codes = rng.integers(0, 2**64, 60, dtype=np.uint64)
    copies = [changed(code, max_distance, rng) for code in codes]
    strangers = [changed(code, max_distance + 1, rng) for code in codes]
    all_codes = np.array([*codes, *copies, *strangers], np.uint64)
    found = cluster(hashes_of(all_codes), max_distance)
    assert found.numbers.tolist() == chained_by_comparing_all(all_codes, max_distance)
    assert found.numbers[:60].tolist() == found.numbers[60:120].tolist()


def test_hashes_that_are_alike_in_most_bits_are_told_apart() -> None:
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 2**20, 200, dtype=np.uint64) << np.uint64(30)
    found = cluster(hashes_of(codes), max_distance=4)
    assert found.numbers.tolist() == chained_by_comparing_all(codes, 4)


def test_a_crowd_of_blank_frames_is_cut_short_and_said_but_no_exact_duplicate_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(duplicates, "REACH", 5)
    rng = np.random.default_rng(2)
    blank = np.array([changed(np.uint64(0), 2, rng) for _ in range(300)], np.uint64)
    others = rng.integers(0, 2**64, 50, dtype=np.uint64)
    found = cluster(hashes_of(np.concatenate([blank, others, others, blank])), max_distance=4)
    assert found.crowded > 0
    assert found.numbers[:300].tolist() == found.numbers[400:].tolist()
    assert found.numbers[300:350].tolist() == found.numbers[350:400].tolist()
    assert len(set(found.numbers[300:350])) == 50


def test_a_long_chain_of_look_alikes_is_cut_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "LARGEST", 10)
    # Each differs from the next in 4 bits; two of them have a copy with 2 other bits.
    chain = [(1 << 4 * n) - 1 for n in range(14)]
    codes = np.array([*chain, chain[3] ^ 3 << 60, chain[9] ^ 3 << 62], np.uint64)
    found = cluster(hashes_of(codes), max_distance=4)
    assert found.cut == len(codes)
    assert found.numbers[14] == found.numbers[3]
    assert found.numbers[15] == found.numbers[9]
    assert len(set(found.numbers[:14])) == 14


def test_blank_frames_of_one_hash_are_no_chain() -> None:
    found = cluster(["0" * 16] * 1000, max_distance=4)
    assert (set(found.numbers), found.cut, found.crowded) == ({0}, 0, 0)


def test_no_faces_are_no_clusters() -> None:
    assert cluster([], max_distance=6).numbers.tolist() == []


def test_many_blank_frames_that_differ_by_noise_are_one_cluster() -> None:
    rng = np.random.default_rng(3)
    blank = np.array([changed(np.uint64(0), 1 + n % 2, rng) for n in range(600)], np.uint64)
    found = cluster(hashes_of(blank), max_distance=6)
    assert len(np.unique(blank)) > duplicates.LARGEST
    assert set(found.numbers) == {0}
