"""The closer look at one model's answer: before and after, its controls and maps, and what may be taken along."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import gradio as gr
import numpy as np
from gradio import processing_utils
from gradio.utils import get_upload_folder

from pipeline import images
from pipeline.errors import UserError
from pipeline.serve import fragments
from pipeline.serve.asking import Input, chosen_of, inputs_of
from pipeline.serve.controls import Chosen
from pipeline.serve.heat import heat_over
from pipeline.serve.offers import pasted_png, result_png, sheet_png
from pipeline.serve.studio import Studio
from pipeline.serve.uploads import read_upload
from pipeline.serve.visit import Visit
from pipeline.serve.zoo import Answer

# Sliders show at most so many pixels along a side; what is downloaded has all of them.
_SLIDER_PX = 1280
_SEPARATOR = "|"
_SHEET = "comparison.png"
Updates = tuple[Any, ...]


@dataclass(frozen=True)
class Closer:
    """The part of the page for one answer; `opened` changes whenever another one is looked at."""

    studio: Studio
    visit: gr.State
    group: gr.Column
    model: gr.Dropdown
    visible_mark: gr.Checkbox
    before_after: gr.ImageSlider
    pasted: gr.ImageSlider
    maps: gr.HTML
    problem: gr.HTML
    result: gr.DownloadButton
    pasted_result: gr.DownloadButton
    sheet: gr.DownloadButton
    answers: gr.HTML
    opened: gr.State

    def offered(self) -> list[Any]:
        """Return the components that say which answers there are."""
        return [self.group, self.model]

    def nothing(self) -> Updates:
        """Return updates of `offered` for no answer."""
        return gr.update(visible=False), gr.update(choices=[], value=None)

    def unchanged(self) -> Updates:
        """Return updates of `offered` that change nothing."""
        return gr.skip(), gr.skip()

    def choices(self, visit: Visit) -> Updates:
        """Return updates of `offered` for the answers of a visit; the first one that worked is looked at."""
        worked = [answer for answer in visit.answers if answer.image is not None]
        choices = [(f"{answer.experiment}, to {answer.to}", _key(answer)) for answer in worked]
        value = choices[0][1] if choices else None
        return gr.update(visible=bool(choices)), gr.update(choices=choices, value=value)

    def open_after(self, event: Any) -> None:
        """Look at the answer that is chosen once an event is over."""
        inputs = [self.visit, self.model, self.visible_mark]
        how = {"show_progress_on": [self.before_after], "api_visibility": "private"}
        event.then(self.look, inputs, self.shown(), **how)

    def shown(self) -> list[Any]:
        """Return the components that show an answer, in the order of `look`."""
        return [
            *(self.visit, self.before_after, self.pasted, self.maps, self.problem),
            *(self.result, self.pasted_result, self.sheet, self.answers, self.opened),
        ]

    def look(self, visit: Visit | None, key: str | None, mark: bool) -> Iterator[Updates]:
        """Show an answer, with maps where its model has them."""
        yield from self._looked_at(visit, key, mark, None)

    def again(self, visit: Visit | None, key: str | None, mark: bool, chosen: Chosen) -> Iterator[Updates]:
        """Let a model answer once more, as chosen, and show that."""
        yield from self._looked_at(visit, key, mark, chosen)

    def marked(self, visit: Visit | None, key: str | None, mark: bool) -> Iterator[Updates]:
        """Show what is shown with the visible mark, or without."""
        for updates in self._looked_at(visit, key, mark, None):
            yield (*updates[:-2], gr.skip(), gr.skip())

    def _looked_at(
        self, visit: Visit | None, key: str | None, mark: bool, chosen: Chosen | None
    ) -> Iterator[Updates]:
        if visit is None or key is None or visit.face is None or visit.face.crop is None:
            yield tuple([gr.skip()] * len(self.shown()))
            return
        try:
            answer = visit.answer(*key.split(_SEPARATOR))
        except UserError as error:
            yield _only_problem(str(error))
            return
        answers_html = gr.skip()
        if chosen is not None or (not answer.maps and self.studio.zoo.has_maps(answer.experiment, answer.to)):
            answer = self.studio.zoo.translate(
                answer.experiment, visit.face, visit.domain, answer.to, chosen or Chosen(), with_maps=True
            )
            if answer.image is None:
                yield _only_problem(answer.problem or "no answer")
                return
            visit = visit.answered_again(answer)
            answers_html = fragments.answers_html(visit.answers)
        opened = gr.skip() if chosen is not None else secrets.token_hex(8)
        yield self._first(visit, answer, mark, answers_html, opened)
        yield self._rest(visit, answer, mark)

    def _first(self, visit: Visit, answer: Answer, mark: bool, answers_html: Any, opened: Any) -> Updates:
        """Show the answer at once; what takes longer comes later."""
        face = visit.face
        assert face is not None
        assert face.crop is not None
        assert answer.image is not None
        name = f"{answer.experiment}-to-{answer.to}.png"
        png = result_png(answer, mark)
        shown = [(each.name, each.explanation, heat_over(face.crop, each.values)) for each in answer.maps]
        return (
            visit,
            gr.update(value=_slider(face.crop, answer.image, answer.experiment, mark)),
            gr.update(value=None),
            fragments.maps_html(shown),
            "",
            gr.update(value=_offered(png, name), interactive=True),
            gr.update(value=None, interactive=False),
            gr.update(value=_offered(sheet_png(visit, mark), _SHEET), interactive=True),
            answers_html,
            opened,
        )

    def _rest(self, visit: Visit, answer: Answer, mark: bool) -> Updates:
        """Show the photograph with the answer in it."""
        skip = gr.skip()
        try:
            png = pasted_png(self.studio, visit, answer, mark)
        except Exception as error:  # the answer itself is there all the same
            text = fragments.text_html(f"The photograph with this result: {type(error).__name__}: {error}")
            return skip, skip, skip, skip, text, skip, skip, skip, skip, skip
        if png is None:
            return tuple([skip] * len(self.shown()))
        after = images.decode(png)
        name = f"{answer.experiment}-to-{answer.to}-pasted.png"
        slider = _slider(visit.rgb(), after, answer.experiment, False)
        button = gr.update(value=_offered(png, name), interactive=True)
        return skip, gr.skip(), gr.update(value=slider), skip, skip, skip, button, skip, skip, skip


def closer_look(studio: Studio, visit: gr.State, answers: gr.HTML) -> Closer:
    """Lay out the closer look and wire what happens in it."""
    opened = gr.State(None)
    with gr.Column(visible=False, elem_id="closer") as group:
        gr.Markdown("## A closer look")
        with gr.Row():
            model = gr.Dropdown(label="Answer", choices=[], filterable=False, elem_id="model")
            mark = gr.Checkbox(
                label='Write "generated" on what is shown and downloaded', elem_id="visible-mark"
            )
        problem = gr.HTML(elem_id="closer-problem")
        controls = gr.Column(elem_id="controls")
        with gr.Row():
            before_after = _slider_of("The face before and after", "before-after")
            pasted = _slider_of("The photograph before and after", "pasted")
        maps = gr.HTML(elem_id="maps")
        with gr.Row(elem_id="downloads"):
            result, pasted_result, sheet = (
                gr.DownloadButton(label, size="sm", min_width=160, interactive=False, elem_id=elem_id)
                for label, elem_id in (
                    ("Download the result", "download-result"),
                    ("Download the photograph with it", "download-pasted"),
                    ("Download the comparison sheet", "download-sheet"),
                )
            )
    closer = Closer(
        studio=studio,
        visit=visit,
        group=group,
        model=model,
        visible_mark=mark,
        before_after=before_after,
        pasted=pasted,
        maps=maps,
        problem=problem,
        result=result,
        pasted_result=pasted_result,
        sheet=sheet,
        answers=answers,
        opened=opened,
    )
    inputs = [visit, model, mark]
    how: dict[str, Any] = {"show_progress_on": [before_after], "api_visibility": "private"}
    model.input(closer.look, inputs, closer.shown(), **how)
    mark.input(closer.marked, inputs, closer.shown(), **how)
    with controls:
        _render_controls(closer)
    return closer


def _render_controls(closer: Closer) -> None:
    """Show the controls of the model that is looked at, and nothing where it has none."""

    @gr.render([closer.visit, closer.model], triggers=[closer.opened.change], show_progress="hidden")
    def controls(visit: Visit | None, key: str | None) -> None:
        if visit is None or key is None or visit.face is None:
            return
        experiment, to = key.split(_SEPARATOR)
        inputs = inputs_of(closer.studio.zoo.controls(experiment, to), visit.face)
        if not inputs:
            return
        with gr.Row(equal_height=False):
            widgets = [_WIDGETS[each.control.kind](each) for each in inputs]
        again = gr.Button("Translate again", variant="primary", size="sm", elem_id="again")

        def ask(visit: Visit, key: str, mark: bool, *values: Any) -> Iterator[Updates]:
            try:
                chosen = chosen_of(inputs, values, lambda path: _style_crop(closer.studio, path, to))
            except UserError as error:
                yield _only_problem(str(error))
                return
            yield from closer.again(visit, key, mark, chosen)

        again.click(
            ask,
            [closer.visit, closer.model, closer.visible_mark, *widgets],
            closer.shown(),
            show_progress_on=[closer.before_after],
            api_visibility="private",
        )


def _style_crop(studio: Studio, path: str, domain: str) -> np.ndarray:
    """Return the aligned crop of the first face in an uploaded picture of a domain; `UserError` without one."""
    picture = studio.look(read_upload(Path(path), studio.limits.upload_bytes), domain)
    for face in picture.faces:
        if face.crop is not None:
            return face.crop
    advice = picture.advice or next((face.advice for face in picture.faces), None)
    raise UserError(f"style_image: no face of the domain {domain} is found in it; {advice}")


def _common(each: Input) -> dict[str, Any]:
    suffix = "" if each.part is None else f"-{each.part}"
    return {
        "label": each.label,
        "value": each.start,
        "min_width": 160,
        "elem_id": f"control-{each.control.field.replace('_', '-')}{suffix}",
    }


def _number(each: Input, **how: Any) -> Any:
    return gr.Number(
        **_common(each), info=each.control.hint, minimum=each.control.low, maximum=each.control.high, **how
    )


def _file(each: Input) -> Any:
    return gr.File(
        **_common(each) | {"label": f"{each.label}. {each.control.hint}"}, type="filepath", height=140
    )


_WIDGETS: dict[str, Callable[[Input], Any]] = {
    "colors": lambda each: gr.ColorPicker(**_common(each)),
    "seed": lambda each: _number(each, precision=0),
    "switch": lambda each: gr.Checkbox(**_common(each), info=each.control.hint),
    "image": _file,
    "labels": lambda each: gr.CheckboxGroup(
        **_common(each), choices=list(each.control.choices), info=each.control.hint
    ),
    "number": lambda each: gr.Slider(
        each.control.low or 0.0, each.control.high or 0.0, info=each.control.hint, **_common(each)
    ),
}


def _slider_of(label: str, elem_id: str) -> gr.ImageSlider:
    return gr.ImageSlider(
        label=label,
        interactive=False,
        type="filepath",
        buttons=["fullscreen"],
        max_height=480,
        min_width=260,
        elem_id=elem_id,
    )


def _slider(
    before: np.ndarray, after: np.ndarray, experiment: str, mark: bool
) -> tuple[str | None, str | None]:
    """Return two files of one size, the second marked as generated."""
    height, width = before.shape[:2]
    factor = min(1.0, _SLIDER_PX / max(height, width))
    size = round(width * factor), round(height * factor)
    answer = Answer(experiment, "", _fitted(after, size), 0.0)
    first = _offered(images.encode(_fitted(before, size), "png"), "before.png")
    return first, _offered(result_png(answer, mark), "after.png")


def _fitted(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    smaller = size[0] < rgb.shape[1]
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)


def _offered(data: bytes | None, name: str) -> str | None:
    """Return a file for the page, in the folder of the process; None where there is nothing."""
    if data is None:
        return None
    return processing_utils.save_bytes_to_cache(data, name, get_upload_folder())


def _only_problem(message: str) -> Updates:
    skip = gr.skip()
    return skip, skip, skip, skip, fragments.text_html(message), skip, skip, skip, skip, skip


def _key(answer: Answer) -> str:
    return f"{answer.experiment}{_SEPARATOR}{answer.to}"
