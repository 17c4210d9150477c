import numpy as np

from pipeline.datasets.duplicates import cluster


def hashes_of(codes: np.ndarray) -> list[str]:
    return [f"{code:016x}" for code in codes]


def test_near_hashes_are_one_cluster_and_far_ones_are_not() -> None:
    zero, near, far = "0" * 16, "000000000000003f", "00000000000000ff"
    numbers = cluster([zero, far, near], max_distance=6)
    assert numbers[0] == numbers[2]  # 6 bits apart
    assert numbers[1] == numbers[2]  # 2 bits apart: clusters chain
    assert cluster([zero, far], max_distance=6).tolist() == [0, 1]


def test_it_finds_the_pairs_that_comparing_all_with_all_finds() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2**63, 60, dtype=np.uint64)
    copies = [
        code ^ np.uint64(sum(1 << int(bit) for bit in rng.choice(64, 6, replace=False))) for code in codes
    ]
    numbers = cluster(hashes_of(np.array([*codes, *copies], np.uint64)), max_distance=6)
    assert numbers[:60].tolist() == numbers[60:].tolist()
    assert len(set(numbers)) == 60


def test_no_faces_are_no_clusters() -> None:
    assert cluster([], max_distance=6).tolist() == []
