import pytest
import torch

from pipeline.networks.cut import CutGenerator, PatchSampler, draw_places
from pipeline.networks.discriminators import PatchDiscriminator
from pipeline.networks.residual import ResidualBlock


def test_features_are_read_where_the_paper_reads_them() -> None:
    network = CutGenerator(width=4, blocks=9)
    assert network.read_layers == (0, 4, 8, 12, 16)
    blocks = [index for index, layer in enumerate(network.layers) if isinstance(layer, ResidualBlock)]
    assert (blocks[0], blocks[4]) == (12, 16)
    features = network.features(torch.zeros(2, 3, 16, 16), network.read_layers)
    assert [tuple(maps.shape[1:]) for maps in features] == [
        (3, 22, 22),
        (8, 16, 16),
        (16, 8, 8),
        (16, 4, 4),
        (16, 4, 4),
    ]
    assert network.feature_channels(network.read_layers) == [3, 8, 16, 16, 16]


@pytest.mark.parametrize(("blocks", "layers"), [(1, (0, 4, 8, 12)), (6, (0, 4, 8, 12, 15))])
def test_with_fewer_blocks_the_middle_one_is_read(blocks: int, layers: tuple[int, ...]) -> None:
    assert CutGenerator(width=4, blocks=blocks).read_layers == layers


def test_reading_all_layers_ends_with_the_translation() -> None:
    network, images = CutGenerator(width=4, blocks=2).eval(), torch.rand(1, 3, 16, 24)
    everything = network.features(images, range(len(network.layers)))
    assert len(everything) == len(network.feature_channels(range(len(network.layers))))
    assert torch.equal(everything[-1], network(images))
    assert everything[-1].shape == images.shape
    alone = network.features(images, [2])[0]
    assert torch.equal(alone, everything[2])  # the ReLU after it has left it as it was


def test_patches_become_vectors_of_length_1_from_the_same_places_of_both_images() -> None:
    features = [torch.rand(2, 3, 6, 6), torch.rand(2, 8, 2, 2)]
    sampler = PatchSampler([3, 8], width=16)
    places = draw_places(features, 10, torch.Generator().manual_seed(1))
    vectors = sampler(features, places)
    assert [tuple(part.shape) for part in vectors] == [(2, 10, 16), (2, 4, 16)]
    assert all(torch.allclose(part.norm(dim=-1), torch.ones(())) for part in vectors)

    first = int(places[0][0])
    pixel = features[0][1, :, first // 6, first % 6]
    torch.testing.assert_close(vectors[0][1, 0], torch.nn.functional.normalize(sampler.mlps[0](pixel), dim=0))


def test_places_differ_from_each_other_and_depend_on_the_seed_alone() -> None:
    features = [torch.rand(1, 3, 6, 6)]
    first, again, other = (
        draw_places(features, 36, torch.Generator().manual_seed(seed))[0] for seed in (1, 1, 2)
    )
    assert sorted(first.tolist()) == list(range(36))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_antialiased_discriminator_halves_as_often_as_the_other() -> None:
    images = torch.zeros(1, 3, 64, 64)
    plain, blurred = (PatchDiscriminator(width=2, antialiased=on)(images).shape for on in (False, True))
    assert plain == blurred == (1, 1, 6, 6)
