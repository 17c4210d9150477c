"""The pieces of HTML that the page shows; whatever comes from data, files or errors is escaped in them."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

from pipeline import images
from pipeline.reasons import REASONS
from pipeline.serve.answers import Waiting
from pipeline.serve.drawing import shown_crop
from pipeline.serve.looking import Face, Picture
from pipeline.serve.marks import marked_png
from pipeline.serve.zoo import Answer

NOTICE = (
    "What you see here is generated. The results are not photographs of anyone, and they are not medical predictions. "
    "Nothing that you give is kept."
)
_SWATCHES = (("skin", "skin"), ("hair", "hair"), ("left_eye", "left eye"), ("right_eye", "right eye"))
_PATH = re.compile(r"(?<![\w:/.<])/(?:[^\s/'\"<>:]+/)+")
_EMPTY = '<p class="quiet">Give a picture to begin.</p>'


def notice_html() -> str:
    """Return what is said of all results."""
    return f'<p class="notice" role="note">{html.escape(NOTICE)}</p>'


def text_html(text: str, kind: str = "problem") -> str:
    """Return a message; paths of the machine in it are cut down to their last part."""
    return f'<p class="{kind}" role="status">{_safe(text)}</p>'


def found_html(picture: Picture) -> str:
    """Return what was found in a picture, why the pipeline would leave faces out, and what to change."""
    if not picture.faces:
        reason = _reason_html("This picture", picture.reason or "no_face", picture.detail, picture.advice)
        return f'<div role="status">{reason}</div>'
    count = len(picture.faces)
    lines = [f"<p>{'One face' if count == 1 else f'{count} faces'} found.</p>"]
    lines += [
        _reason_html(f"Face {face.number + 1}", face.reason, face.detail, face.advice)
        for face in picture.faces
        if face.reason is not None
    ]
    return f'<div role="status">{"".join(lines)}</div>'


def face_html(face: Face) -> str:
    """Return a face's aligned crop with its landmarks, and its colours as swatches; nothing where it has no crop."""
    if face.crop is None:
        return ""
    crop = _image_html(
        _jpeg(shown_crop(face)), "The face as the models get it, with its landmarks", "image/jpeg"
    )
    swatches = "".join(_swatch_html(face, name, label) for name, label in _SWATCHES)
    measured = "".join(
        f"<dt>{label}</dt><dd>{round(face.row[name])} {unit}</dd>"
        for name, label, unit in (
            ("yaw_deg", "turned", "°"),
            ("pitch_deg", "nodding", "°"),
            ("roll_deg", "tilted", "°"),
            ("eye_distance_px", "between the eyes", "px"),
            ("sharpness", "sharpness", ""),
        )
        if face.row.get(name) is not None
    )
    return (
        f'<div class="face"><figure>{crop}</figure><div><ul class="swatches">{swatches}</ul>'
        f"<dl>{measured}</dl></div></div>"
    )


def answers_html(answers: Sequence[Answer | Waiting], visible_mark: bool = False) -> str:
    """Return all models' answers side by side, those that are waited for too."""
    if not answers:
        return text_html("No trained model translates from what this picture shows.", "quiet")
    return f'<div class="answers">{"".join(_answer_html(each, visible_mark) for each in answers)}</div>'


def maps_html(maps: Iterable[tuple[str, str, np.ndarray]]) -> str:
    """Return heat maps, each a name, an explanation and HxWx3 uint8 RGB."""
    figures = "".join(
        f'<figure class="answer">{_image_html(images.encode(rgb, "png"), name)}'
        f"<figcaption><b>{html.escape(name)}</b><span>{html.escape(explanation)}</span></figcaption></figure>"
        for name, explanation, rgb in maps
    )
    return f'<div class="answers">{figures}</div>' if figures else ""


def empty_html() -> str:
    """Return what stands where a picture's results will be."""
    return _EMPTY


def no_answers_html(face: Face | None = None) -> str:
    """Return what stands in place of the answers where there is no face, or one that was left out before its crop."""
    if face is None:
        return '<p class="quiet">The models answer as soon as there is a face.</p>'
    return text_html(
        f"No model is asked: face {face.number + 1} is left out before it is aligned, for the reason above.",
        "quiet",
    )


def no_models_html() -> str:
    """Return what to do where nothing is trained."""
    return (
        '<p class="problem" role="status">No model is trained yet, so nothing can be translated. '
        "Train one: enter an experiment in params.yaml (<code>python -m pipeline enable</code> lists ready ones), "
        "then type <code>dvc repro</code>; start this page again afterwards.</p>"
    )


def _answer_html(answer: Answer | Waiting, visible_mark: bool) -> str:
    name = html.escape(answer.experiment, quote=True)
    if isinstance(answer, Waiting):
        inside, state, below = '<div class="blank">…</div>', "waiting", "waiting"
    elif answer.image is None:
        inside = f'<div class="blank">{_safe(answer.problem or "no answer")}</div>'
        state, below = "failed", f"to {html.escape(answer.to)}" if answer.to else ""
    else:
        png = marked_png(answer.image, answer.experiment, visible_mark)
        inside, state = _image_html(png, f"{answer.experiment}, generated"), "done"
        below = f"to {html.escape(answer.to)}, {answer.seconds:.2f} s"
    return (
        f'<figure class="answer {state}" data-model="{name}" data-state="{state}">{inside}'
        f"<figcaption><b>{name}</b><span>{below}</span></figcaption></figure>"
    )


def _reason_html(who: str, reason: str, detail: str | None, advice: str | None) -> str:
    why = html.escape(REASONS.get(reason, reason.replace("_", " ")))
    more = f' <span class="quiet">({_safe(detail)})</span>' if detail else ""
    do = f"<br><b>What to change:</b> {html.escape(advice)}." if advice else ""
    return (
        f'<p class="problem" data-reason="{html.escape(reason, quote=True)}">'
        f"<b>{who}</b> would be left out: {why}{more}.{do}</p>"
    )


def _swatch_html(face: Face, name: str, label: str) -> str:
    rgb = face.row.get(f"{name}_rgb")
    if rgb is None:
        return f'<li><span class="swatch none"></span>{label}: not seen</li>'
    color = "#{:02x}{:02x}{:02x}".format(*rgb)
    called = html.escape(str(face.row.get(f"{name}_name") or ""))
    sure = face.row.get(f"{name}_confidence")
    said = f", {sure:.0%} sure" if sure is not None else ""
    return f'<li><span class="swatch" style="background:{color}"></span>{label}: {called} {color}{said}</li>'


def _image_html(data: bytes, alt: str, kind: str = "image/png") -> str:
    shown = base64.b64encode(data).decode()
    return f'<img alt="{html.escape(alt, quote=True)}" src="data:{kind};base64,{shown}">'


def _jpeg(rgb: np.ndarray) -> bytes:
    """Encode HxWx3 uint8 RGB for the eye alone; it takes a fiftieth of the time that a PNG takes."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _safe(text: str) -> str:
    """Return a text of an error for the page, without the folders of the machine's paths."""
    return html.escape(_PATH.sub("", text))
