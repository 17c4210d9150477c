from pathlib import Path

import pytest
import torch

from pipeline.errors import UserError
from pipeline.networks.face_features import FaceFeatureGenerator, FaceTrunk
from pipeline.networks.inception_resnet_v1 import InceptionResnetV1, load_inception_resnet_v1
from pipeline.networks.initialise import initialise


@pytest.fixture(scope="module")
def encoder() -> InceptionResnetV1:
    torch.manual_seed(1)
    return InceptionResnetV1().eval()


def test_a_face_becomes_512_numbers_of_length_1(encoder: InceptionResnetV1) -> None:
    with torch.no_grad():
        embeddings = encoder(torch.rand(2, 3, 160, 160) * 2 - 1)
    assert embeddings.shape == (2, 512)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(2))


def test_a_published_file_is_read_without_its_classifier(encoder: InceptionResnetV1, tmp_path: Path) -> None:
    path = tmp_path / "vggface2.pt"
    published = {name: value for name, value in encoder.state_dict().items() if "num_batches" not in name}
    torch.save({**published, "logits.weight": torch.zeros(8631, 512), "logits.bias": torch.zeros(8631)}, path)
    loaded = load_inception_resnet_v1(path)
    assert not any(weights.requires_grad for weights in loaded.parameters())
    faces = torch.rand(1, 3, 160, 160)
    with torch.no_grad():
        assert torch.equal(loaded(faces), encoder(faces))


def test_a_file_without_the_embedding_is_refused(encoder: InceptionResnetV1, tmp_path: Path) -> None:
    path = tmp_path / "vggface2.pt"
    tensors = encoder.state_dict()
    del tensors["last_linear.weight"]
    torch.save(tensors, path)
    with pytest.raises(UserError, match=r"no tensor last_linear\.weight; give the path of facenet-pytorch's"):
        load_inception_resnet_v1(path)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 128), (256, 256)])
def test_the_trunk_has_one_place_for_8_by_8_pixels(
    encoder: InceptionResnetV1, height: int, width: int
) -> None:
    with torch.device("meta"):
        trunk = FaceTrunk(InceptionResnetV1(), trained=False)
        assert trunk(torch.zeros(1, 3, height, width)).shape == (1, 256, height // 8, width // 8)


def test_the_generator_keeps_the_size_and_refuses_what_it_cannot_halve(encoder: InceptionResnetV1) -> None:
    network = FaceFeatureGenerator(encoder, width=4, blocks=1)
    assert network(torch.zeros(1, 3, 64, 72)).shape == (1, 3, 64, 72)
    with pytest.raises(ValueError, match="64x70 pixels are no multiples of 8"):
        network(torch.zeros(1, 3, 64, 70))


@pytest.mark.parametrize("train_encoder", [False, True])
def test_the_encoder_keeps_what_it_has_learnt_and_learns_on_only_if_told(train_encoder: bool) -> None:
    network = FaceFeatureGenerator(InceptionResnetV1(), width=4, blocks=1, train_encoder=train_encoder)
    learnt = {name: value.clone() for name, value in network.trunk.state_dict().items()}
    initialise(network, torch.Generator().manual_seed(1))
    network.train()
    images = torch.rand(1, 3, 64, 64, requires_grad=True)
    network(images).sum().backward()
    assert all(torch.equal(value, learnt[name]) for name, value in network.trunk.state_dict().items())
    assert {weights.grad is not None for weights in network.trunk.parameters()} == {train_encoder}
    assert images.grad is not None
    assert all(weights.grad is not None for weights in network.decoder.parameters())
