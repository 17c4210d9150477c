"""Where a diffusion model lies: a folder, or what a publisher's name stands for; what to fetch where it is missing."""

import shutil
import sys
from pathlib import Path

import huggingface_hub.constants
import pytest

from pipeline.errors import UserError
from pipeline.methods.published_base import BASES, find_base
from tests.methods.tiny_stable_diffusion import tiny_base

NAME = "stable-diffusion-v1-5"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the published model would lie, which is not there."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    repository = BASES[NAME].repository.replace("/", "--")
    return tmp_path / f"models--{repository}" / "snapshots" / BASES[NAME].revision


def test_a_folder_is_taken_as_it_is() -> None:
    assert find_base(str(tiny_base())) == tiny_base()


def test_a_name_stands_for_one_revision_of_what_was_fetched_before(cache: Path) -> None:
    shutil.copytree(tiny_base(), cache)
    assert find_base(NAME) == cache


def test_a_name_that_was_never_fetched_says_what_to_run(cache: Path) -> None:
    fetch = f"run hf download {BASES[NAME].repository} --revision {BASES[NAME].revision} unet/config.json .*licence"
    with pytest.raises(UserError, match=f"base: {NAME} is not on this machine; {fetch}"):
        find_base(NAME)
    shutil.copytree(tiny_base(), cache)
    (cache / "vae/config.json").unlink()
    with pytest.raises(UserError, match=r"base: .*vae/config\.json is missing; run hf download"):
        find_base(NAME)


def test_what_is_neither_a_folder_nor_a_name_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is neither a folder nor one of stable-diffusion-v1-5"):
        find_base(str(tmp_path / "nowhere"))


def test_a_folder_without_safetensors_is_refused(tmp_path: Path) -> None:
    shutil.copytree(tiny_base(), tmp_path / "base")
    weights = tmp_path / "base/unet/diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(
        UserError, match=r"unet/diffusion_pytorch_model\.safetensors is missing; .* with safetensors"
    ):
        find_base(str(tmp_path / "base"))


def test_weights_in_several_files_are_weights(tmp_path: Path) -> None:
    shutil.copytree(tiny_base(), tmp_path / "base")
    weights = tmp_path / "base/unet/diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_name("diffusion_pytorch_model-00001-of-00001.safetensors"))
    assert find_base(str(tmp_path / "base")) == tmp_path / "base"


@pytest.mark.parametrize("package", ["diffusers", "peft", "transformers"])
def test_a_missing_package_says_how_to_install_the_extra(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=rf"needs the package {package}; run pip install .*\[diffusion\]"):
        find_base(NAME)
