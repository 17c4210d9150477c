import pytest
import torch

from pipeline.networks.autoencoder import ConvDecoder, ConvEncoder
from pipeline.networks.halving import halved_channels


@pytest.mark.parametrize("size_px", [32, 64, 128, 256, 512])
def test_an_image_of_any_size_becomes_a_few_numbers_and_an_image_again(size_px: int) -> None:
    numbers = ConvEncoder(size_px, width=2, values=5)(torch.rand(1, 3, size_px, size_px))
    assert numbers.shape == (1, 5)
    image = ConvDecoder(size_px, width=2, latent=5)(numbers)
    assert image.shape == (1, 3, size_px, size_px)
    assert image.abs().max() <= 1


def test_in_training_too_an_image_is_coded_as_if_it_were_alone() -> None:
    encoder, decoder = ConvEncoder(32, width=8, values=4).train(), ConvDecoder(32, width=8, latent=4).train()
    images = torch.rand(3, 3, 32, 32)
    torch.testing.assert_close(encoder(images)[1:2], encoder(images[1:2]))
    numbers = torch.randn(3, 4)
    torch.testing.assert_close(decoder(numbers)[1:2], decoder(numbers[1:2]))


def test_channels_double_down_to_4_places_and_up_to_a_bound() -> None:
    assert halved_channels(8, 3, most=8) == [3]
    assert halved_channels(64, 64, most=8) == [64, 128, 256, 512]
    assert halved_channels(512, 32, most=4) == [32, 64, 128, 128, 128, 128, 128]


@pytest.mark.parametrize("size_px", [4, 96])
def test_sizes_that_cannot_be_halved_are_refused(size_px: int) -> None:
    with pytest.raises(ValueError, match=f"{size_px} pixels cannot be halved down to 4"):
        ConvEncoder(size_px, width=2)
