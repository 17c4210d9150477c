import pytest
import torch
from torch import Tensor, nn

from pipeline.networks.blur import BlurDown, blur_up
from pipeline.networks.padding import ReflectionPad, padded, reflected_by_slices


@pytest.mark.parametrize("border_px", [1, 3])
def test_slices_mirror_as_pytorch_does_and_so_do_their_gradients(border_px: int) -> None:
    results, gradients = [], []
    weights = torch.rand(2, 3, 5 + 2 * border_px, 4 + 2 * border_px)
    for pad in (
        nn.ReflectionPad2d(border_px),
        ReflectionPad(border_px),
        lambda images: reflected_by_slices(images, border_px),
    ):
        images = torch.rand(2, 3, 5, 4, generator=torch.Generator().manual_seed(1), requires_grad=True)
        results.append(pad(images))
        (results[-1] * weights).sum().backward()
        gradients.append(images.grad)
    for result, gradient in zip(results[1:], gradients[1:], strict=True):
        assert torch.equal(result, results[0])
        torch.testing.assert_close(gradient, gradients[0])


@pytest.mark.parametrize("pad", [ReflectionPad(4), lambda images: reflected_by_slices(images, 4)])
def test_an_image_as_narrow_as_the_border_is_refused(pad) -> None:
    with pytest.raises((ValueError, RuntimeError), match="4"):
        pad(torch.zeros(1, 1, 8, 4))


@pytest.mark.parametrize("shape", [(16, 16), (13, 18), (1, 5), (3, 40)])
def test_an_image_padded_and_cropped_back_is_itself(shape: tuple[int, int]) -> None:
    images = torch.rand(2, 3, *shape)
    seen: list[Tensor] = []

    def network(given: Tensor) -> Tensor:
        seen.append(given)
        return 2 * given

    assert torch.equal(padded(network, images, multiple=16), 2 * images)
    assert all(side % 16 == 0 for side in seen[0].shape[-2:])


def test_padding_mirrors_where_it_can_and_else_repeats_the_edge() -> None:
    line = torch.arange(6.0).reshape(1, 1, 1, 6).expand(1, 1, 6, 6)
    assert _seen_row(line, multiple=8) == [1, 0, 1, 2, 3, 4, 5, 4]
    assert _seen_row(line[..., :2, :2], multiple=8) == [0, 0, 0, 0, 1, 1, 1, 1]


def _seen_row(images: Tensor, multiple: int) -> list[float]:
    seen: list[Tensor] = []

    def network(given: Tensor) -> Tensor:
        seen.append(given)
        return given

    padded(network, images, multiple)
    return seen[0][0, 0, 0].tolist()


def test_blurred_halving_keeps_the_mean_colour_and_rounds_odd_sides_up() -> None:
    assert torch.equal(BlurDown()(torch.full((1, 2, 7, 8), 0.5)), torch.full((1, 2, 4, 4), 0.5))
    row = BlurDown()(torch.tensor([0.0, 4, 0, 0]).expand(1, 1, 4, 4))[0, 0, 0]
    assert row.tolist() == [2, 1]


def test_blurred_doubling_is_zhang_s_filter() -> None:
    images = torch.rand(1, 1, 5, 6)
    line = torch.tensor([1.0, 3, 3, 1]) / 4
    repeated = nn.functional.pad(images, [1] * 4, mode="replicate")
    filtered = nn.functional.conv_transpose2d(repeated, torch.outer(line, line)[None, None], stride=2)
    torch.testing.assert_close(blur_up()(images), filtered[..., 3:-3, 3:-3])
