"""The closer look at one model's answer: before and after, its controls and maps, and what may be taken along."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
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
from pipeline.serve.asking import chosen_of, inputs_of
from pipeline.serve.controls import Chosen
from pipeline.serve.heat import heat_over
from pipeline.serve.offers import pasted_png, result_png, sheet_png
from pipeline.serve.studio import Studio
from pipeline.serve.tabs.widgets import widget
from pipeline.serve.uploads import read_upload
from pipeline.serve.visit import Visit
from pipeline.serve.zoo import Answer

# Sliders show at most so many pixels along a side; what is downloaded has all of them.
_SLIDER_PX = 1280
_SEPARATOR = "|"
_SHEET = "comparison.png"
Updates = dict[Any, Any]  # new values by component; the others stay as they are


@dataclass(frozen=True, eq=False)
class AskedAgain:
    """What a model answered when it was asked again, and the name of the visit; each is another, for Gradio too."""

    visit: str
    answer: Answer


@dataclass(frozen=True)
class Closer:
    """The part of the page for one answer.

    `begun` changes with the first answer to a picture; `opened` says which answer is looked at whose model may be asked
    again: none before all have answered, whose answers would overwrite the new one. `asked` is an `AskedAgain`.

    Which answer is looked at first is decided here and told to `model`: a page that gets many updates of a dropdown at
    once may end with none chosen.
    """

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
    begun: gr.State
    opened: gr.State
    asked: gr.State

    def offered(self) -> list[Any]:
        """Return the components that say which answers there are."""
        return [self.group, self.model, self.begun, self.opened]

    def nothing(self) -> Updates:
        """Return updates of `offered` for no answer."""
        return {
            self.group: gr.update(visible=False),
            self.model: gr.update(choices=[], value=None),
            self.opened: None,
        }

    def choices(self, visit: Visit) -> Updates:
        """Return updates of `offered` for the answers of a visit."""
        choices = [(f"{answer.experiment}, to {answer.to}", _key(answer)) for answer in visit.worked]
        offered = {self.group: gr.update(visible=bool(choices)), self.model: gr.update(choices=choices)}
        is_first = len(choices) == 1 and not visit.is_answered
        return offered | ({self.begun: visit.name} if is_first else {})

    def open_after(self, event: Any) -> None:
        """Look at the answer that is chosen, with all the others beside it, once an event is over."""
        event.then(self.look, self._asked(), self.shown(), **self._how())

    def wire(self) -> None:
        """Look at an answer when the first is there and when another is chosen, and mark it or not."""
        self.begun.change(self.look_early, self._asked(), self.shown(), **self._how())
        self.model.input(self.look, self._asked(), self.shown(), **self._how())
        self.visible_mark.input(self.marked, self._asked(), self.shown(), **self._how())
        self.asked.change(self.taken, [self.asked, *self._asked()], self.shown(), **self._how())

    def shown(self) -> list[Any]:
        """Return the components that show an answer."""
        return [
            *(self.visit, self.model, self.before_after, self.pasted, self.maps, self.problem),
            *(self.result, self.pasted_result, self.sheet, self.answers, self.opened),
        ]

    def look_early(self, visit: Visit | None, key: str | None, mark: bool) -> Iterator[Updates]:
        """Show the first answer while other models are at work; once they are done `open_after` shows it."""
        if visit is None or visit.is_answered:
            yield self._as_it_is()
        else:
            yield from self.look(visit, key, mark)

    def look(self, visit: Visit | None, key: str | None, mark: bool) -> Iterator[Updates]:
        """Show an answer, with maps where its model has them."""
        found = self._found(visit, key)
        if visit is None or isinstance(found, str):
            yield {self.problem: fragments.text_html(found) if isinstance(found, str) else ""}
            return
        answer = found
        if self.studio.zoo.has_maps(answer.experiment, answer.to) and not answer.maps:
            answer = self._asked_again(visit, answer, Chosen())
        # What a visitor chose stays chosen: another look may have begun since.
        chosen: Updates = {self.model: gr.update(value=_key(answer))} if key is None else {}
        opened = {self.opened: _key(answer)} if visit.is_answered else {}
        yield chosen | opened | self._first(visit, answer, mark) | self._maps(visit, answer)
        yield self._rest(visit, answer, mark)

    def again(self, visit: Visit | None, key: str | None, chosen: Chosen) -> Updates:
        """Let a model answer once more, as chosen."""
        found = self._found(visit, key)
        answer = found if visit is None or isinstance(found, str) else self._asked_again(visit, found, chosen)
        if visit is None or isinstance(answer, str) or answer.image is None:
            text = answer if isinstance(answer, str) else answer.problem or "no answer"
            return {self.problem: fragments.text_html(text)}
        return {self.asked: AskedAgain(visit.name, answer), self.problem: ""}

    def taken(self, asked: AskedAgain, visit: Visit | None, key: str | None, mark: bool) -> Iterator[Updates]:
        """Take the answer of a model that was asked again; while it was at work the visitor may have gone on."""
        answer = asked.answer
        if visit is None or visit.name != asked.visit:
            yield self._as_it_is()
            return
        visit = visit.answered_again(answer)
        changed: Updates = {self.visit: visit, self.answers: fragments.answers_html(visit.answers)}
        if key != _key(answer):
            yield changed
            return
        yield changed | self._first(visit, answer, mark) | self._maps(visit, answer)
        yield self._rest(visit, answer, mark)

    def marked(self, visit: Visit | None, key: str | None, mark: bool) -> Iterator[Updates]:
        """Show what is shown with the visible mark, or without."""
        found = self._found(visit, key)
        if visit is None or isinstance(found, str):
            yield self._as_it_is()
            return
        yield self._first(visit, found, mark)
        yield self._rest(visit, found, mark)

    def _asked(self) -> list[Any]:
        return [self.visit, self.model, self.visible_mark]

    def _how(self) -> dict[str, Any]:
        return {"show_progress_on": [self.before_after], "api_visibility": "private"}

    def _as_it_is(self) -> Updates:
        """Return updates of nothing: Gradio empties every output of a generator that ends without a word."""
        return {self.problem: gr.skip()}

    def _found(self, visit: Visit | None, key: str | None) -> Answer | str:
        """Return the answer that is chosen, or the first that worked, or why there is none."""
        if visit is None:
            return ""
        if key is None:
            return next(iter(visit.worked), "")
        try:
            return visit.answer(*key.split(_SEPARATOR))
        except UserError as error:
            return str(error)

    def _asked_again(self, visit: Visit, answer: Answer, chosen: Chosen) -> Answer:
        assert visit.face is not None
        name, to = answer.experiment, answer.to
        return self.studio.zoo.translate(name, visit.face, visit.domain, to, chosen, with_maps=True)

    def _first(self, visit: Visit, answer: Answer, mark: bool) -> Updates:
        """Show the answer at once; what takes longer comes later."""
        if answer.image is None:
            return {self.problem: fragments.text_html(answer.problem or "no answer")}
        crop = _crop(visit)
        name = f"{answer.experiment}-to-{answer.to}.png"
        return {
            self.before_after: gr.update(value=_slider(crop, answer.image, answer.experiment, mark)),
            self.pasted: gr.update(value=None),
            self.problem: "",
            self.result: gr.update(value=_offered(result_png(answer, mark), name), interactive=True),
            self.pasted_result: gr.update(value=None, interactive=False),
            self.sheet: gr.update(value=_offered(sheet_png(visit, mark), _SHEET), interactive=True),
        }

    def _maps(self, visit: Visit, answer: Answer) -> Updates:
        crop = _crop(visit)
        shown = [(each.name, each.explanation, heat_over(crop, each.values)) for each in answer.maps]
        return {self.maps: fragments.maps_html(shown)}

    def _rest(self, visit: Visit, answer: Answer, mark: bool) -> Updates:
        """Show the photograph with the answer in it."""
        try:
            png = pasted_png(self.studio, visit, answer, mark)
        except Exception as error:  # the answer itself is there all the same
            text = f"The photograph with this result: {type(error).__name__}: {error}"
            return {self.problem: fragments.text_html(text)}
        if png is None:
            return {self.pasted: gr.skip()}
        slider = _slider(visit.rgb(), images.decode(png), answer.experiment, False)
        name = f"{answer.experiment}-to-{answer.to}-pasted.png"
        return {
            self.pasted: gr.update(value=slider),
            self.pasted_result: gr.update(value=_offered(png, name), interactive=True),
        }


def closer_look(studio: Studio, visit: gr.State, answers: gr.HTML) -> Closer:
    """Lay out the closer look and wire what happens in it."""
    begun, opened, asked = gr.State(None), gr.State(None), gr.State(None)
    with gr.Column(visible=False, elem_id="closer") as group:
        gr.Markdown("## A closer look")
        with gr.Row():
            model = gr.Dropdown(label="Answer", choices=[], filterable=False, min_width=260, elem_id="model")
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
        begun=begun,
        opened=opened,
        asked=asked,
    )
    closer.wire()
    with controls:
        _render_controls(closer)
    return closer


def _render_controls(closer: Closer) -> None:
    """Show the controls of the model that is looked at, and nothing where it has none."""

    @gr.render([closer.visit, closer.opened], triggers=[closer.opened.change], show_progress="hidden")
    def controls(visit: Visit | None, key: str | None) -> None:
        if visit is None or key is None or visit.face is None or not visit.is_answered:
            return
        experiment, to = key.split(_SEPARATOR)
        inputs = inputs_of(closer.studio.zoo.controls(experiment, to), visit.face)
        if not inputs:
            return
        with gr.Row(equal_height=False):
            widgets = [widget(each) for each in inputs]
        again = gr.Button("Translate again", variant="primary", size="sm", elem_id="again")

        def ask(visit: Visit, key: str, *values: Any) -> Updates:
            try:
                chosen = chosen_of(inputs, values, lambda path: _style_crop(closer.studio, path, to))
            except UserError as error:
                return {closer.problem: fragments.text_html(str(error))}
            return closer.again(visit, key, chosen)

        again.click(
            ask,
            [closer.visit, closer.opened, *widgets],
            [closer.asked, closer.problem],
            show_progress_on=[closer.before_after],
            api_visibility="private",
        )


def _crop(visit: Visit) -> np.ndarray:
    face = visit.face
    assert face is not None
    assert face.crop is not None
    return face.crop


def _style_crop(studio: Studio, path: str, domain: str) -> np.ndarray:
    """Return the aligned crop of the first face in an uploaded picture of a domain; `UserError` without one."""
    picture = studio.look(read_upload(Path(path), studio.limits.upload_bytes), domain)
    for face in picture.faces:
        if face.crop is not None:
            return face.crop
    advice = picture.advice or next((face.advice for face in picture.faces), None)
    raise UserError(f"style_image: no face of the domain {domain} is found in it; {advice}")


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
    path = Path(get_upload_folder(), processing_utils.hash_bytes(data), name)
    if not path.exists():  # another visitor may be getting it
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(data)
        Path(file.name).replace(path)
    return str(path)


def _key(answer: Answer) -> str:
    return f"{answer.experiment}{_SEPARATOR}{answer.to}"
