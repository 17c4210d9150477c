"""What the model card says of using the files: inputs, outputs, how faces are prepared, and an example."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.exporting.channels import Channels
from pipeline.exporting.exported import Exported
from pipeline.exporting.markdown import bullets, table
from pipeline.exporting.onnx_file import IMAGES, INPUTS, OPSET
from pipeline.exporting.trained import Trained
from pipeline.params import Align, Domain, Params


def usage(trained: Trained, exported: Sequence[Exported], params: Params) -> str:
    """Return what goes into the files and what comes out of them, how faces are prepared, and an example."""
    first = exported[0]
    shape = "×".join(["B", *map(str, first.shape)])
    size = trained.experiment.size_px
    spans = _spans(first.channels)
    same = "" if len(exported) == 1 else " Every file takes the same."
    return "\n\n".join(
        [
            f"ONNX, opset {OPSET}. Input `{INPUTS}`: float32 {shape}, for any number B of faces, each independent of "
            f"the others.{same} Output `{IMAGES}`: float32 B×3×{size}×{size} RGB, from -1 (black) to 1 (clip what is "
            "beyond).",
            table(("channels", f"what `{INPUTS}` holds"), spans),
            bullets(_preparation(trained, exported, params)),
            f"```python\n{_example(first, size)}```",
        ]
    )


def _spans(channels: Sequence[Channels]) -> Iterator[tuple[str, str]]:
    start = 0
    for each in channels:
        last = start + each.count - 1
        yield f"{start}" if each.count == 1 else f"{start} to {last}", each.meaning
        start = last + 1


def _preparation(trained: Trained, exported: Sequence[Exported], params: Params) -> Iterator[str]:
    """Yield how the faces of each domain that is translated from were cut out and prepared."""
    for name in dict.fromkeys(each.way.of for each in exported):
        domain = params.domains.get(name)
        if domain is None:
            continue
        done = trained.experiment.preprocess.get(name)
        equalized = done.equalize if done and done.equalize != "none" else domain.equalize
        yield (
            f"{name}: {_cut(domain, params.align)}"
            + (f"; its histogram is equalised ({equalized})" if equalized != "none" else "")
            + ("; it is grey" if done and done.grey else "")
        )


def _cut(domain: Domain, align: Align) -> str:
    method = domain.align or align.method
    if domain.faces == "whole" or method == "as_is":
        return "the picture's central square"
    if method == "ffhq":
        return "a square crop of one face, cut as FFHQ's"
    eyes = f"the eyes' centres level, {align.eye_distance:g} of the side apart and {align.eye_y:g} of it from the top"
    if method == "landmarks":
        return f"a square crop of one face, its 68 landmarks on those of a mean face with {eyes}"
    return f"a square crop of one face, {eyes}"


def _example(exported: Exported, size: int) -> str:
    channels, *others = exported.shape
    run = (
        f'session = onnxruntime.InferenceSession("{exported.file.name}")\n'
        f'(images,) = session.run(["{IMAGES}"], {{"{INPUTS}": inputs}})\n'
        'pixels = ((images[0].clip(-1, 1) + 1) * 127.5).round().astype("uint8").transpose(1, 2, 0)\n'
        'Image.fromarray(pixels).save("made.png")\n'
    )
    imports = "import numpy as np\nimport onnxruntime\nfrom PIL import Image\n\n"
    if not others:
        return (
            f'{imports}inputs = np.random.default_rng(0).standard_normal((1, {channels}), "float32")\n{run}'
        )
    start = ""
    if exported.channels[0].count == 3:
        start = (
            f'face = np.asarray(Image.open("face.png").convert("RGB").resize(({size}, {size})), "float32")\n'
            "image = (face / 127.5 - 1).transpose(2, 0, 1)[None]\n"
        )
    if channels == 3 and start:
        return f"{imports}{start}inputs = image\n{run}"
    planes = channels - 3 if start else channels
    told = f'planes = np.zeros((1, {planes}, {size}, {size}), "float32")  # fill in as the table says\n'
    joined = "inputs = np.concatenate([image, planes], axis=1)\n" if start else "inputs = planes\n"
    return f"{imports}{start}{told}{joined}{run}"
