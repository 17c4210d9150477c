import torch

from pipeline.networks.discogan import DiscoDiscriminator, DiscoGenerator


def test_the_generator_works_in_0_to_1_with_and_without_its_extra_layers() -> None:
    for extra_layers in (False, True):
        images = DiscoGenerator(width=4, extra_layers=extra_layers)(torch.rand(2, 3, 64, 64))
        assert images.shape == (2, 3, 64, 64)
        assert 0 < images.min() < images.max() < 1


def test_the_discriminator_gives_one_probability_and_three_maps_of_features() -> None:
    probability, maps = DiscoDiscriminator(width=4)(torch.rand(2, 3, 64, 64))
    assert probability.shape == (2, 1, 1, 1)
    assert ((probability > 0) & (probability < 1)).all()
    assert [tuple(features.shape) for features in maps] == [(2, 8, 16, 16), (2, 16, 8, 8), (2, 32, 4, 4)]


def test_in_eval_an_image_is_translated_as_if_it_were_alone() -> None:
    network, images = DiscoGenerator(width=4).eval(), torch.rand(3, 3, 64, 64)
    torch.testing.assert_close(network(images)[1:2], network(images[1:2]))
