import pytest
import torch

from pipeline.networks.generators import ResnetGenerator
from pipeline.networks.getgan import Branch, FeatureGate, SharedEncoder
from pipeline.networks.initialise import initialise


@pytest.mark.parametrize("blocks", [1, 6, 9])
@pytest.mark.parametrize("upsample", ["transposed", "resize"])
def test_encoder_and_branch_are_cyclegan_s_generator_bit_for_bit(blocks: int, upsample: str) -> None:
    whole = ResnetGenerator(width=4, blocks=blocks, upsample=upsample)
    initialise(whole, torch.Generator().manual_seed(5))
    encoder, branch = SharedEncoder(width=4, blocks=blocks), Branch(width=4, blocks=blocks, upsample=upsample)
    generator = torch.Generator().manual_seed(5)
    for part in (encoder, branch):
        initialise(part, generator)

    parts = [*encoder.parameters(), *branch.parameters()]
    for ours, theirs in zip(parts, whole.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    images = torch.rand(2, 3, 16, 24)
    assert torch.equal(branch(encoder(images)), whole(images))


def test_the_cut_comes_after_block_4_of_9() -> None:
    features = SharedEncoder(width=4)(torch.zeros(1, 3, 16, 16))
    assert features.shape == (1, 16, 4, 4)
    blocks = [len(list(part.layers)) for part in (SharedEncoder(width=4), Branch(width=4))]
    assert blocks == [10 + 4, 5 + 9]


@pytest.mark.parametrize(("one_map", "channels"), [(False, 16), (True, 1)])
def test_the_gate_starts_almost_open(one_map: bool, channels: int) -> None:
    gate = FeatureGate(16, one_map=one_map)
    initialise(gate, torch.Generator().manual_seed(5))
    opened = gate(torch.rand(2, 16, 4, 4))
    assert opened.shape == (2, channels, 4, 4)
    assert opened.mean().item() == pytest.approx(torch.sigmoid(torch.tensor(2.0)).item(), abs=0.02)
