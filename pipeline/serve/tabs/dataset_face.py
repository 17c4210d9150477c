"""One face of the dataset looked at closely: its picture, what is known of it, and what people may say of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from pipeline.errors import UserError
from pipeline.serve.browsing import Browser
from pipeline.serve.catalogued import ORIGINAL_PX, crop_of, is_taken_down, picture_of, reduced, with_face
from pipeline.serve.reviewing import (
    Marks,
    Reviews,
    What,
    correct_eyes,
    has_eyes,
    mark_bad,
    preview,
    remove_for_good,
    unmark,
    withdraw_eyes,
)
from pipeline.serve.scratch import forget_drawn
from pipeline.serve.studio import Studio
from pipeline.serve.told import told

# What a visitor looked at is forgotten so long after the page was closed (s).
FORGET_S = 3600
_NEXT = "It counts with the next run: type `dvc repro`."
Row = dict[str, Any]
Update = dict[Any, Any]


class DatasetFace:
    """The components and what they do; all that belongs to a visitor is in `gr.State`."""

    def __init__(self, studio: Studio, browser: Browser, may_write: bool) -> None:
        self._studio = studio
        self._browser = browser
        self._may_write = may_write
        self._chosen = gr.State(None, time_to_live=FORGET_S)
        self._clicked = gr.State([], time_to_live=FORGET_S)
        with gr.Row(visible=False) as self._closer:
            with gr.Column(scale=3, min_width=320):
                self._original = gr.Image(
                    label="The picture: box, landmarks, eyes",
                    format="jpeg",
                    interactive=False,
                    buttons=["fullscreen"],
                    elem_id="ds-original",
                )
                with gr.Row():
                    self._crop = gr.Image(
                        label="Aligned crop",
                        interactive=False,
                        buttons=[],
                        height=220,
                        min_width=140,
                        elem_id="ds-crop",
                    )
                    self._preview = gr.Image(
                        label="Crop with these eyes",
                        interactive=False,
                        buttons=[],
                        height=220,
                        min_width=140,
                        visible=False,
                        elem_id="ds-eyes-preview",
                    )
                self._said = gr.HTML("", elem_id="ds-said")
                self._lay_out_actions()
            with gr.Column(scale=2, min_width=320):
                self._details = gr.HTML("", elem_id="ds-details")

    def _lay_out_actions(self) -> None:
        self._marks = gr.HTML("", elem_id="ds-marks")
        if not self._may_write:
            gr.Markdown(
                "Faces can be marked only where the application is bound to this machine alone.",
                elem_id="ds-read-only",
            )
        with gr.Column(visible=False) as self._actions:
            with gr.Group():
                self._bad_reason = gr.Textbox(
                    label="What is bad about this face", max_length=200, elem_id="ds-bad-reason"
                )
                with gr.Row():
                    self._bad = gr.Button("Mark as bad", elem_id="ds-bad")
                    self._unmark = gr.Button("Withdraw the mark", visible=False, elem_id="ds-unmark")
            with gr.Group(visible=False) as self._eyes:
                gr.Markdown(
                    "**Eyes by hand**: click the left eye on the picture, then the right one, as you see them.",
                    padding=True,
                )
                with gr.Row():
                    self._save = gr.Button("Save the eyes", interactive=False, elem_id="ds-eyes-save")
                    self._again = gr.Button("Click anew", interactive=False, elem_id="ds-eyes-again")
                    self._withdraw = gr.Button("Withdraw the eyes", visible=False, elem_id="ds-eyes-withdraw")
        with gr.Column(visible=False) as self._going:
            self._takedown = gr.Button("Take down…", variant="stop", elem_id="ds-takedown")
            with gr.Group(visible=False, elem_id="ds-takedown-panel") as self._panel:
                gr.Markdown(
                    "What you choose leaves this workspace at once and for good, and is never fetched again.",
                    padding=True,
                )
                self._what = gr.Radio(
                    [("this picture", "image")],
                    value="image",
                    label="What goes",
                    elem_id="ds-takedown-what",
                )
                self._why = gr.Textbox(
                    label="Why; it is written down", max_length=200, elem_id="ds-takedown-reason"
                )
                with gr.Row():
                    self._confirm = gr.Button("Yes, for good", variant="stop", elem_id="ds-takedown-confirm")
                    self._cancel = gr.Button("No", elem_id="ds-takedown-cancel")

    def wire(self, gallery: gr.Gallery, shown: gr.State, then: Callable[[Any], object]) -> None:
        """Show what is chosen in a gallery of `shown` rows, and do what is asked; `then` is given each such event."""
        closer = [
            *(self._said, self._chosen, self._clicked, self._closer, self._original, self._crop),
            *(self._preview, self._details, self._marks, self._actions, self._eyes, self._going),
            *(self._panel, self._what, self._unmark, self._bad, self._save, self._again, self._withdraw),
            *(self._bad_reason, self._why),
        ]
        gallery.select(self._choose, shown, closer, show_progress="minimal")
        if not self._may_write:
            return
        eyes = [self._said, self._clicked, self._original, self._preview, self._save, self._again]
        self._original.select(self._click, [self._chosen, self._clicked], eyes, show_progress="hidden")
        self._again.click(self._click_anew, self._chosen, eyes, show_progress="hidden")
        acts = (
            (self._bad, self._mark, [self._chosen, self._bad_reason]),
            (self._unmark, self._unmark_face, [self._chosen]),
            (self._save, self._save_eyes, [self._chosen, self._clicked]),
            (self._withdraw, self._withdraw_eyes, [self._chosen]),
            (self._confirm, self._take_down, [self._chosen, self._what, self._why]),
        )
        for button, act, given in acts:
            then(
                button.click(
                    act, given, closer, show_progress="minimal", concurrency_limit=1, api_visibility="private"
                )
            )
        self._takedown.click(lambda: gr.Group(visible=True), None, self._panel, show_progress="hidden")
        self._cancel.click(lambda: gr.Group(visible=False), None, self._panel, show_progress="hidden")

    def _choose(self, shown: list[Row], event: gr.SelectData) -> Update:
        if not isinstance(event.index, int) or event.index >= len(shown):
            return {self._said: ""}
        chosen = shown[event.index]
        return {
            self._closer: gr.Row(visible=True),
            **self._guarded(lambda: self._closer_look(chosen, "")),
        }

    def _mark(self, chosen: Row | None, reason: str) -> Update:
        return self._acted(chosen, lambda row: mark_bad(row, reason), f"Marked as bad. {_NEXT}")

    def _unmark_face(self, chosen: Row | None) -> Update:
        return self._acted(chosen, unmark, f"The mark is withdrawn. {_NEXT}")

    def _save_eyes(self, chosen: Row | None, clicked: list[list[float]]) -> Update:
        return self._acted(
            chosen, lambda row: correct_eyes(row, clicked), f"Saved in corrected_eyes.csv. {_NEXT}"
        )

    def _withdraw_eyes(self, chosen: Row | None) -> Update:
        return self._acted(chosen, withdraw_eyes, f"The eyes are withdrawn. {_NEXT}")

    def _take_down(self, chosen: Row | None, what: What, reason: str) -> Update:
        done: list[str] = []

        def remove(row: Row) -> None:
            done.append(remove_for_good(row, what, reason))
            forget_drawn(Path(get_upload_folder()))

        return self._acted(
            chosen,
            remove,
            lambda: (
                f"Taken down: {done[0]}. Type `dvc repro`, which removes it from all that follows; "
                "then `python -m pipeline takedown verify`."
            ),
        )

    def _acted(
        self, chosen: Row | None, act: Callable[[Row], object], said: str | Callable[[], str]
    ) -> Update:
        """Do something with the chosen face, and show how it stands then."""

        def done() -> Update:
            if chosen is None:
                raise UserError("choose a face first")
            act(self._row(chosen))
            return self._closer_look(chosen, said if isinstance(said, str) else said())

        return self._guarded(done)

    def _click(self, chosen: Row | None, clicked: list[list[float]], event: gr.SelectData) -> Update:
        """Take a click on the picture for an eye; after the second, show what would be cut out."""
        if chosen is None or not chosen["has_eyes"]:
            return {self._said: ""}
        point = [float(side) / chosen["scale"] for side in event.index]
        return self._guarded(
            lambda: self._with_clicks(chosen, [*clicked, point] if len(clicked) < 2 else [point])
        )

    def _click_anew(self, chosen: Row | None) -> Update:
        return self._guarded(lambda: {self._said: ""} if chosen is None else self._with_clicks(chosen, []))

    def _with_clicks(self, chosen: Row, clicked: list[list[float]]) -> Update:
        row, crop, said = self._row(chosen), None, ""
        rgb = None if is_taken_down(row, self._studio.takedowns()) else picture_of(row)
        if rgb is None:
            raise UserError("the picture is not here any more")
        if len(clicked) == 2:
            try:
                crop = preview(row, rgb, clicked, self._studio.params)
            except UserError as problem:
                said = _html(str(problem))
        small, scale = reduced(rgb, ORIGINAL_PX)
        return {
            self._said: said or ("Now the right eye." if len(clicked) == 1 else ""),
            self._clicked: clicked,
            self._original: with_face(small, row, scale, clicked),
            self._preview: gr.Image(crop, visible=crop is not None),
            self._save: gr.Button(interactive=len(clicked) == 2),
            self._again: gr.Button(interactive=bool(clicked)),
        }

    def _closer_look(self, chosen: Row, said: str) -> Update:
        """Return all that is shown of one row."""
        row = self._row(chosen)
        gone = is_taken_down(row, self._studio.takedowns())
        rgb = None if gone else picture_of(row)
        small, scale = (None, 1.0) if rgb is None else reduced(rgb, ORIGINAL_PX)
        crop = None if gone else crop_of(row)
        marks = Reviews().of(row)
        eyes = rgb is not None and has_eyes(row, self._studio.params)
        subject = row.get("subject")
        whats = [("this picture", "image"), *([(f"all pictures of {subject}", "subject")] if subject else [])]
        return {
            self._said: _html(said),
            self._chosen: name_of(row) | {"place": chosen["place"], "scale": scale, "has_eyes": eyes},
            self._clicked: [],
            self._original: gr.Image(
                None if small is None else with_face(small, row, scale, marks.by_hand() or ()),
                visible=small is not None,
            ),
            self._crop: gr.Image(crop, visible=crop is not None),
            self._preview: gr.Image(None, visible=False),
            self._details: "<p>This picture was taken down.</p>" if gone else told(row),
            self._marks: _marked(marks),
            self._actions: gr.Column(visible=self._may_write and bool(row.get("face_id")) and not gone),
            self._eyes: gr.Group(visible=self._may_write and eyes),
            self._going: gr.Column(visible=self._may_write and bool(row["image_id"]) and not gone),
            self._panel: gr.Group(visible=False),
            self._what: gr.Radio(whats, value="image"),
            self._bad: gr.Button(visible=not marks.bad),
            self._unmark: gr.Button(visible=bool(marks.bad)),
            self._withdraw: gr.Button(visible=bool(marks.eyes)),
            self._save: gr.Button(interactive=False),
            self._again: gr.Button(interactive=False),
            self._bad_reason: "",
            self._why: "",
        }

    def _row(self, chosen: Row) -> Row:
        """Return all that the catalogue has of a row; `UserError` where another catalogue was written meanwhile."""
        index = self._browser.index()
        row = index.rows([chosen["place"]])[0] if chosen["place"] < len(index) else {}
        if not row or any(row[name] != chosen[name] for name in ("image_id", "face_id", "url")):
            raise UserError("a run has written the catalogue anew; load this page again")
        return row

    def _guarded(self, act: Callable[[], Update]) -> Update:
        """Do something, or say why it cannot be done."""
        try:
            return act()
        except (UserError, FileNotFoundError) as problem:
            return {self._said: _html(f"⚠ {problem}")}


def name_of(row: Row) -> Row:
    """Return what tells a row from others, should the catalogue have been written anew."""
    return {name: row.get(name) for name in ("place", "image_id", "face_id", "url")}


def _marked(marks: Marks) -> str:
    """Return what people said of a face so far."""
    said = [f"Marked as bad on {line.date}: {line.reason}" for line in marks.bad]
    said += [f"Eyes shown by hand on {line.date}" for line in marks.eyes]
    return "".join(f"<p><strong>{escape(line)}</strong></p>" for line in said)


def _html(text: str) -> str:
    """Return a message as HTML; what stands between backticks is a command."""
    said = re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))
    return f'<p role="status">{said}</p>' if said else ""
