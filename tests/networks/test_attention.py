import pytest
import torch

from pipeline.networks.attention import LandmarkAttention, SelfAttention
from pipeline.networks.initialise import initialise


@pytest.mark.parametrize("heads", [1, 2])
def test_attention_starts_as_the_features_themselves(heads: int) -> None:
    attention = SelfAttention(16, heads)
    initialise(attention, torch.Generator().manual_seed(1))
    features = torch.randn(2, 16, 5, 3)
    assert torch.equal(attention(features), features)


def test_attention_is_the_formula_of_the_paper() -> None:
    attention = SelfAttention(16)
    attention.gamma.data.fill_(0.7)
    features = torch.randn(2, 16, 3, 4)
    queries, keys, values = (
        layer(features).flatten(2) for layer in (attention.queries, attention.keys, attention.values)
    )
    weights = torch.einsum("bcq,bck->bqk", queries, keys).softmax(dim=2)
    gathered = torch.einsum("bqk,bck->bcq", weights, values).reshape(features.shape)
    torch.testing.assert_close(attention(features), 0.7 * gathered + features)


def test_each_head_gathers_its_own_channels() -> None:
    attention = SelfAttention(16, heads=2)
    attention.gamma.data.fill_(1)
    features = torch.randn(1, 16, 3, 4)
    before = attention(features)
    with torch.no_grad():
        attention.keys.weight[1] *= -2  # the second head's only key
    changed = (attention(features) != before).flatten(2).any(dim=2)[0]
    assert changed.tolist() == [False] * 8 + [True] * 8


def test_heads_must_share_the_channels() -> None:
    with pytest.raises(ValueError, match="3 heads"):
        SelfAttention(64, heads=3)


def test_landmarks_strengthen_what_lies_around_them() -> None:
    attention = LandmarkAttention()
    guide = torch.zeros(1, 1, 16, 16)
    guide[..., 8:12, 8:12] = 1
    with torch.no_grad():
        attention.soften.weight.fill_(1)
    strengthened = attention(torch.ones(1, 2, 4, 4), guide)
    around = torch.zeros(4, 4, dtype=torch.bool)
    around[1:, 1:] = True
    assert (strengthened[0, 0] > 1).equal(around)
    assert strengthened.max() < 2
