"""The tab of one picture: its faces, every model's answer, and a closer look at one of them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from pipeline.errors import UserError
from pipeline.serve import fragments
from pipeline.serve.answers import answers
from pipeline.serve.drawing import face_at, shown, square_between, with_corner
from pipeline.serve.studio import Studio, shows
from pipeline.serve.tabs.closer import Closer, closer_look
from pipeline.serve.tabs.held_out import held_out_gallery
from pipeline.serve.uploads import read_upload
from pipeline.serve.visit import Visit, arrive
from pipeline.serve.zoo import Answer

# So long after a visitor's page was closed (s) what is known of the picture goes.
STATE_AGE_S = 600
Updates = dict[Any, Any]  # new values by component; the others stay as they are


@dataclass(frozen=True)
class _Page:
    """The components that a new picture changes; `turn` changes where the models shall answer."""

    visit: gr.State
    turn: gr.State
    picture: gr.Image
    advice: gr.HTML
    face_choice: gr.Radio
    whole: gr.Row
    face: gr.HTML
    answers: gr.HTML

    def outputs(self) -> list[Any]:
        return [*vars(self).values()]


def translating_tab(studio: Studio) -> None:
    """Lay out the tab: what the picture shows, three ways to give one, its faces, the answers, and a closer look."""
    domains = studio.domains()
    gr.HTML(fragments.notice_html(), elem_id="notice")
    if not domains:
        gr.HTML(fragments.no_models_html(), elem_id="no-models")
        return
    most = f"A picture of at most {studio.limits.upload_bytes / 2**20:g} MB"
    visit, turn = gr.State(None, time_to_live=STATE_AGE_S), gr.State(None)
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            domain = gr.Radio(
                [(shows(each), each) for each in domains],
                value=domains[0],
                label="What the picture shows",
                elem_id="domain",
            )
            with gr.Tabs():
                with gr.Tab("Upload", elem_id="give-upload"):
                    upload = gr.File(label=most, type="filepath", height=160, elem_id="upload")
                with gr.Tab("Camera, paste", elem_id="give-paste"):
                    paste = gr.Image(
                        label="A picture",
                        sources=["clipboard", "webcam"],
                        type="filepath",
                        image_mode=None,  # the file as it is
                        elem_id="paste",
                    )
                with gr.Tab("Test faces", elem_id="give-test-face"):
                    held_out = held_out_gallery(studio, domain)
        with gr.Column(scale=3, min_width=300):
            picture = gr.Image(
                label="Faces found",
                interactive=False,
                buttons=["fullscreen"],
                format="jpeg",
                elem_id="picture",
            )
            advice = gr.HTML(fragments.empty_html(), elem_id="advice")
            with gr.Row(visible=False) as whole:
                gr.HTML(
                    "<p>The picture is taken to be the face. Click two opposite corners of the face to mark it.</p>",
                    elem_id="mark-hint",
                )
                unmark = gr.Button("Take the whole picture", size="sm", elem_id="unmark")
            face_choice = gr.Radio(label="Which face", visible=False, elem_id="face-choice")
            face = gr.HTML(elem_id="face")
    gr.Markdown("## What the models make of it")
    answered = gr.HTML(fragments.no_answers_html(), elem_id="answers")
    page = _Page(visit, turn, picture, advice, face_choice, whole, face, answered)
    closer = closer_look(studio, visit, answered)
    translating = _wire_answers(studio, page, closer)
    given = _Given(studio, page)
    again: dict[str, Any] = {
        "outputs": page.outputs(),
        "cancels": [translating],
        "show_progress_on": [picture],
        "api_visibility": "private",
    }
    looked_at = upload.upload(given.file, [upload, domain], **again)
    # The file is soon deleted, so it is not offered back.
    looked_at.then(lambda: None, None, upload, api_visibility="private")
    paste.change(given.file, [paste, domain], **again)
    domain.input(given.domain, [visit, domain], **again)
    held_out.chosen.change(given.held_out, [held_out.chosen, domain], **again)
    face_choice.input(given.choice, [visit, face_choice], **again)
    picture.select(given.click, [visit], **again)
    unmark.click(given.unmarked, [visit], **again)


def _wire_answers(studio: Studio, page: _Page, closer: Closer) -> Any:
    """Let the models answer whenever it is their turn; return the event, so that it can be cancelled."""

    def translate(visit: Visit | None) -> Iterator[Updates]:
        if visit is None or visit.face is None or visit.face.crop is None:
            face = None if visit is None else visit.face
            yield {page.answers: fragments.no_answers_html(face), **closer.nothing()}
            return
        yield {page.answers: fragments.answers_html([]), **closer.nothing()}
        for done in answers(studio, visit.face, visit.domain):
            given = [each for each in done if isinstance(each, Answer)]
            answered = visit.answered(given, is_answered=len(given) == len(done))
            yield {
                page.visit: answered,
                page.answers: fragments.answers_html(done),
                **closer.choices(answered),
            }

    event = page.turn.change(
        translate,
        [page.visit],
        [page.visit, page.answers, *closer.offered()],
        show_progress="hidden",
        api_visibility="private",
    )
    closer.open_after(event)
    return event


class _Given:
    """What the page shows when a visitor gives a picture or chooses a face."""

    def __init__(self, studio: Studio, page: _Page) -> None:
        self._studio = studio
        self._page = page

    def file(self, path: str | None, domain: str) -> Updates:
        """Look at a file that was uploaded, pasted or taken."""
        if path is None:
            return self._nothing_new()
        try:
            data = read_upload(Path(path), self._studio.limits.upload_bytes)
        except UserError as error:
            return self._refused(str(error))
        return self._arrived(data, domain)

    def domain(self, visit: Visit | None, domain: str) -> Updates:
        """Look at the same picture as another domain's."""
        return self._nothing_new() if visit is None else self._arrived(visit.data, domain)

    def held_out(self, chosen: tuple[bytes, int] | None, domain: str) -> Updates:
        """Look at a picture of the test split, and choose the face that was picked."""
        return self._nothing_new() if chosen is None else self._arrived(chosen[0], domain, chosen[1])

    def unmarked(self, visit: Visit | None) -> Updates:
        """Take the whole picture for the face again."""
        return self._nothing_new() if visit is None else self._arrived(visit.data, visit.domain)

    def choice(self, visit: Visit | None, number: int | None) -> Updates:
        """Choose a face by its number."""
        if visit is None or number is None or number == visit.chosen:
            return self._nothing_new()
        visit = visit.choosing(number)
        return self._updates(visit, shown(visit.rgb(), visit.picture.faces, number).pixels)

    def click(self, visit: Visit | None, event: gr.SelectData) -> Updates:
        """Choose the face that was clicked on; where the picture is the face, mark it by two corners."""
        if visit is None:
            return self._nothing_new()
        x, y = event.index
        at = visit.to_picture(x, y)
        if not self._studio.is_whole(visit.domain):
            return self.choice(visit, face_at(visit.picture.faces, at))
        if visit.corner is None:
            pixels = with_corner(shown(visit.rgb(), (), None).pixels, (x, y))
            return {self._page.visit: visit.with_corner(at), self._page.picture: gr.update(value=pixels)}
        height, width = visit.rgb().shape[:2]
        square = square_between(visit.corner, at, width, height)
        return self._arrived(visit.data, visit.domain, square=square)

    def _arrived(self, data: bytes, domain: str, number: int | None = None, **how: Any) -> Updates:
        try:
            visit, drawn = arrive(self._studio, data, domain, number, **how)
        except UserError as error:
            return self._refused(str(error))
        return self._updates(visit, None if drawn is None else drawn.pixels)

    def _updates(self, visit: Visit, pixels: Any) -> Updates:
        faces, page = visit.picture.faces, self._page
        choices = [(f"Face {face.number + 1}", face.number) for face in faces]
        return {
            page.visit: visit,
            page.turn: secrets.token_hex(8),
            page.picture: gr.update(value=pixels),
            page.advice: fragments.found_html(visit.picture),
            page.face_choice: gr.update(choices=choices, value=visit.chosen, visible=len(faces) > 1),
            page.whole: gr.update(visible=self._studio.is_whole(visit.domain)),
            page.face: "" if visit.face is None else fragments.face_html(visit.face),
            page.answers: "",
        }

    def _refused(self, message: str) -> Updates:
        """Show why a picture was not looked at, and nothing of an earlier one."""
        page = self._page
        return {
            page.visit: None,
            page.turn: secrets.token_hex(8),
            page.picture: gr.update(value=None),
            page.advice: fragments.text_html(message),
            page.face_choice: gr.update(choices=[], value=None, visible=False),
            page.whole: gr.update(visible=False),
            page.face: "",
            page.answers: "",
        }

    def _nothing_new(self) -> Updates:
        return {self._page.visit: gr.skip()}
