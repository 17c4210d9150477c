"""The tab of the dataset: the catalogue's faces and what was left out, looked through and put right by hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import gradio as gr
import numpy as np

from pipeline.errors import UserError
from pipeline.serve.browsing import PARTS_OF_FACE, Browser, Filter, Index, Near, Range
from pipeline.serve.catalogued import (
    COLUMNS,
    ORIGINAL_PX,
    crop_of,
    is_taken_down,
    picture_of,
    reduced,
    thumbnail,
    with_face,
)
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
from pipeline.serve.studio import Studio
from pipeline.serve.told import told
from pipeline.takedowns import Takedowns

PAGE_SIZE = 24
MOST_TAGS = 500
_MOST_DEG = 90
_FORGET_S = 3600
_ANY = ""
_KEPT = {"all": None, "kept": True, "left out": False}
_MARKED = "with a mark"
_NEXT = "It counts with the next run: type `dvc repro`."
_RGB = re.compile(r"rgba?\(([\d.]+), *([\d.]+), *([\d.]+)")
_STYLE = """<style>
.ds-told table { width: 100%; table-layout: fixed; border-collapse: collapse; }
.ds-told th { text-align: left; width: 38%; font-weight: normal; opacity: .75; vertical-align: top; }
.ds-told th, .ds-told td { padding: .15em .4em; overflow-wrap: anywhere; }
.ds-told p { overflow-wrap: anywhere; }
.ds-told a { text-decoration: underline; }
.ds-swatch { display: inline-block; width: 1em; height: 1em; border: 1px solid #888; vertical-align: -.1em; }
#ds-said { min-height: 1.5em; }
#ds-gallery .grid-wrap { max-height: none; overflow: visible; }
@media (max-width: 640px) { #ds-gallery .grid-container { grid-template-columns: repeat(3, minmax(0, 1fr)); } }
</style>"""

Row = dict[str, Any]
Update = dict[Any, Any]


class _Page:
    """The components of the tab and what they do; all that belongs to a visitor is in `gr.State`."""

    def __init__(self, studio: Studio, may_write: bool) -> None:
        self._studio = studio
        self._may_write = may_write
        self._browser = Browser()
        self._lay_out()
        self._connect()

    # What is on the page.

    def _lay_out(self) -> None:
        gr.HTML(_STYLE, padding=False)
        self._shown = gr.State([], time_to_live=_FORGET_S)
        self._chosen = gr.State(None, time_to_live=_FORGET_S)
        self._clicked = gr.State([], time_to_live=_FORGET_S)
        with gr.Row():
            with gr.Column(scale=1, min_width=260):
                self._lay_out_filters()
            with gr.Column(scale=3, min_width=320):
                self._lay_out_gallery()
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

    def _lay_out_filters(self) -> None:
        self._kept = gr.Radio([*_KEPT, _MARKED], value="all", label="Faces and images", elem_id="ds-kept")
        self._source = _dropdown("Source", "ds-source")
        self._domain = _dropdown("Domain", "ds-domain")
        self._split = _dropdown("Split", "ds-split")
        self._reason = _dropdown("Left out because", "ds-reason")
        self._tag = gr.Dropdown(
            [("any", _ANY)], value=_ANY, label="Tag", allow_custom_value=True, elem_id="ds-tag"
        )
        with gr.Accordion("Pose and colour", open=False, elem_id="ds-more"):
            with gr.Group(elem_id="ds-yaw"):
                self._yaw_from = _angle("Yaw from (°)", "ds-yaw-from", -_MOST_DEG)
                self._yaw_to = _angle("to (°)", "ds-yaw-to", _MOST_DEG)
            with gr.Group(elem_id="ds-pitch"):
                self._pitch_from = _angle("Pitch from (°)", "ds-pitch-from", -_MOST_DEG)
                self._pitch_to = _angle("to (°)", "ds-pitch-to", _MOST_DEG)
            self._part = gr.Radio(
                ["any", *PARTS_OF_FACE], value="any", label="Colour of", elem_id="ds-color-part"
            )
            self._color = gr.ColorPicker(value="#8a5a3c", label="is near", elem_id="ds-color")
            self._within = gr.Slider(1, 50, 10, step=1, label="at most (ΔE 2000)", elem_id="ds-color-within")

    def _lay_out_gallery(self) -> None:
        self._count = gr.Markdown("Reading the catalogue…", elem_id="ds-count")
        self._gallery = gr.Gallery(
            label="Click a face for more",
            show_label=False,
            columns=6,
            height="auto",
            format="jpeg",
            object_fit="contain",
            allow_preview=False,
            interactive=False,
            buttons=[],
            elem_id="ds-gallery",
        )
        with gr.Row():
            self._previous = gr.Button("Previous", size="sm", min_width=80, elem_id="ds-previous")
            self._number = gr.Number(
                1,
                precision=0,
                minimum=1,
                show_label=False,
                container=False,
                min_width=80,
                elem_id="ds-page",
            )
            self._next = gr.Button("Next", size="sm", min_width=80, elem_id="ds-next")

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

    # What happens.

    def _connect(self) -> None:
        named = [self._kept, self._source, self._domain, self._split, self._reason, self._tag]
        angles = [self._yaw_from, self._yaw_to, self._pitch_from, self._pitch_to]
        filters: list[Any] = [*named, *angles, self._part, self._color, self._within]
        found = [self._count, self._gallery, self._number, self._shown]
        choices = [self._source, self._domain, self._split, self._reason, self._tag]
        gr.on(None, self._choices, None, choices, show_progress="hidden").then(
            self._first, filters, found, show_progress="minimal"
        )
        gr.on(
            [each.input for each in filters],
            self._first,
            filters,
            found,
            show_progress="minimal",
            trigger_mode="always_last",
        )
        for step, button in ((-1, self._previous), (1, self._next)):
            button.click(_turned(step), self._number, self._number, show_progress="hidden").then(
                self._turn, [self._number, *filters], found, show_progress="minimal"
            )
        self._number.submit(self._turn, [self._number, *filters], found, show_progress="minimal")
        closer = [
            *(
                self._said,
                self._chosen,
                self._clicked,
                self._closer,
                self._original,
                self._crop,
                self._preview,
            ),
            *(self._details, self._marks, self._actions, self._eyes, self._going, self._panel, self._what),
            *(self._unmark, self._bad, self._save, self._again, self._withdraw, self._bad_reason, self._why),
        ]
        self._gallery.select(self._choose, self._shown, closer, show_progress="minimal")
        if self._may_write:
            self._connect_actions(filters, found, closer)

    def _connect_actions(self, filters: list[Any], found: list[Any], closer: list[Any]) -> None:
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
            button.click(
                act, given, closer, show_progress="minimal", concurrency_limit=1, api_visibility="private"
            ).then(self._turn, [self._number, *filters], found, show_progress="hidden")
        self._takedown.click(lambda: gr.Group(visible=True), None, self._panel, show_progress="hidden")
        self._cancel.click(lambda: gr.Group(visible=False), None, self._panel, show_progress="hidden")

    def _choices(self) -> list[Any]:
        try:
            index = self._browser.index()
        except UserError:
            return [gr.skip()] * 5
        reasons = [
            (f"{reason} ({stage}): {count}", f"{stage}/{reason}")
            for (stage, reason), count in index.reasons().items()
        ]
        return [
            *(gr.Dropdown([("any", _ANY), *index.values(name)]) for name in ("source", "domain", "split")),
            gr.Dropdown([("whatever", _ANY), *reasons]),
            gr.Dropdown([("any", _ANY), *index.tags(MOST_TAGS)]),
        ]

    def _first(self, *filters: Any) -> Update:
        return self._turn(1, *filters)

    def _turn(self, number: float | None, *filters: Any) -> Update:
        """Show a page of what the filters find, the last one where there are fewer."""
        try:
            index = self._browser.index()
            reviews = Reviews()
            places = index.find(_filter(reviews, *filters))
            pages = max(-(-len(places) // PAGE_SIZE), 1)
            page = min(max(int(number or 1), 1), pages)
            rows = _rows(index, places[(page - 1) * PAGE_SIZE : page * PAGE_SIZE], COLUMNS)
            takedowns = self._studio.takedowns()
            gallery = [(thumbnail(row, takedowns), _caption(row, reviews, takedowns)) for row in rows]
        except (UserError, FileNotFoundError) as problem:
            return {self._count: f"⚠ {problem}", self._gallery: [], self._number: 1, self._shown: []}
        things = "face or image" if len(places) == 1 else "faces and images"
        said = f"**{len(places):,}** of {len(index):,} {things}; page {page:,} of {pages:,}"
        return {
            self._count: said,
            self._gallery: gr.Gallery(gallery, selected_index=None),
            self._number: page,
            self._shown: [_name(row) for row in rows],
        }

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
        return self._acted(
            chosen,
            lambda row: done.append(remove_for_good(row, what, reason)),
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
            self._chosen: _name(row) | {"place": chosen["place"], "scale": scale, "has_eyes": eyes},
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


def dataset_tab(studio: Studio, may_write: bool = True) -> None:
    """Lay out the tab; without `may_write` it shows and changes nothing."""
    _Page(studio, may_write)


def _dropdown(label: str, elem_id: str) -> gr.Dropdown:
    return gr.Dropdown([("any", _ANY)], value=_ANY, label=label, elem_id=elem_id)


def _angle(label: str, elem_id: str, value: int) -> gr.Slider:
    return gr.Slider(-_MOST_DEG, _MOST_DEG, value, step=1, label=label, elem_id=elem_id)


def _range(low: float, high: float) -> Range:
    """Return a range of angles; where a slider stands at its end, there is none."""
    return (low if low > -_MOST_DEG else None), (high if high < _MOST_DEG else None)


def _turned(step: int) -> Callable[[float | None], int]:
    return lambda number: max(int(number or 1) + step, 1)


def _filter(
    reviews: Reviews,
    kept: str,
    source: str,
    domain: str,
    split: str,
    reason: str,
    tag: str | None,
    yaw_from: float,
    yaw_to: float,
    pitch_from: float,
    pitch_to: float,
    part: str,
    color: str | None,
    within: float,
) -> Filter:
    """Return what the components ask for, in their order."""
    stage, _, why = reason.partition("/")
    return Filter(
        source=source or None,
        domain=domain or None,
        split=split or None,
        kept=_KEPT.get(kept),
        reason=(stage, why) if why else None,
        tag=(tag or "").strip() or None,
        yaw_deg=_range(yaw_from, yaw_to),
        pitch_deg=_range(pitch_from, pitch_to),
        near=Near(part, _rgb(color), within) if part in PARTS_OF_FACE and color else None,
        images=reviews.images() if kept == _MARKED else None,
    )


def _rgb(color: str) -> tuple[int, int, int]:
    """Return a colour picker's `#rrggbb` or `rgb(r, g, b)` as sRGB 0..255."""
    found = _RGB.match(color)
    values = (
        [round(float(value)) for value in found.groups()]
        if found
        else [int(color.lstrip("#")[place : place + 2], 16) for place in (0, 2, 4)]
    )
    red, green, blue = (min(value, 255) for value in values)
    return red, green, blue


def _rows(index: Index, places: np.ndarray, columns: Sequence[str]) -> list[Row]:
    found = index.rows(places.tolist(), columns)
    return [row | {"place": place} for row, place in zip(found, places.tolist(), strict=True)]


def _name(row: Row) -> Row:
    """Return what tells a row from others, should the catalogue have been written anew."""
    return {name: row.get(name) for name in ("place", "image_id", "face_id", "url")}


def _caption(row: Row, reviews: Reviews, takedowns: Takedowns) -> str:
    """Return what became of a face, and what people said of it since."""
    if is_taken_down(row, takedowns):
        return ""
    marks = reviews.of(row)
    said = [
        "marked bad" if marks.bad else None,
        "eyes by hand" if marks.eyes else None,
        row["reason"],
    ]
    return ", ".join(filter(None, said)) or "kept"


def _marked(marks: Marks) -> str:
    """Return what people said of a face so far."""
    said = [f"Marked as bad on {line.date}: {line.reason}" for line in marks.bad]
    said += [f"Eyes shown by hand on {line.date}" for line in marks.eyes]
    return "".join(f"<p><strong>{escape(line)}</strong></p>" for line in said)


def _html(text: str) -> str:
    """Return a message as HTML; what stands between backticks is a command."""
    said = re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))
    return f'<p role="status">{said}</p>' if said else ""
