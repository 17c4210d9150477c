"""Where the diffusion model lies that a method begins from: by the name it is published under, or by its folder."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from pipeline.errors import UserError

PACKAGES = ("diffusers", "peft", "transformers")


@dataclass(frozen=True)
class Published:
    """A model as its publisher has it: repository and revision at huggingface.co, and its licence."""

    repository: str
    revision: str
    licence: str


BASES = {
    "stable-diffusion-v1-5": Published(
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        "451f4fe16113bff5a5d2269ed5ad43b0592e9a14",
        "CreativeML OpenRAIL-M",
    )
}
FILES = (
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "tokenizer/merges.txt",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
    "scheduler/scheduler_config.json",
)


def find_base(base: str) -> Path:
    """Return the folder of a model: one as diffusers writes it, or that of a name in `BASES`.

    Nothing is downloaded. `UserError` with what to fetch, and where from, where it is not on this machine.
    """
    for package in PACKAGES:
        if find_spec(package) is None:
            raise UserError(
                f"method diffusion needs the package {package}; run pip install --editable '.[diffusion]' "
                "in the project's folder (likeness[diffusion])"
            )
    if base in BASES:
        return _find_published(base, BASES[base])
    if not Path(base).is_dir():
        raise UserError(
            f"base: {base} is neither a folder nor one of {', '.join(BASES)}; correct the path, or name one of those"
        )
    if missing := _missing(Path(base)):
        raise UserError(
            f"base: {missing} is missing; base must be a folder as diffusers writes it, with safetensors"
        )
    return Path(base)


def _find_published(name: str, published: Published) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    fetch = f"hf download {published.repository} --revision {published.revision} {' '.join(FILES)}"
    remedy = (
        f"run {fetch} on a machine with a network (licence {published.licence}), with --local-dir FOLDER to carry it "
        "here and set base to FOLDER"
    )
    try:
        folder = Path(
            snapshot_download(published.repository, revision=published.revision, local_files_only=True)
        )
    except LocalEntryNotFoundError:
        raise UserError(f"base: {name} is not on this machine; {remedy}") from None
    if missing := _missing(folder):
        raise UserError(f"base: {missing} is missing; {remedy}")
    return folder


def _missing(folder: Path) -> Path | None:
    """Return the first file that a model lacks; its weights may be in several files."""
    for name in FILES:
        path = folder / name
        found = path.parent.glob("*.safetensors*") if path.suffix == ".safetensors" else [path]
        if not any(each.exists() for each in found):
            return path
    return None
