"""The tab of the dataset: the catalogue's faces and what was left out, looked through and put right by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr
import numpy as np

from pipeline.errors import UserError
from pipeline.serve.browsing import Browser, Index
from pipeline.serve.catalogued import COLUMNS, is_taken_down, thumbnail
from pipeline.serve.reviewing import Reviews
from pipeline.serve.studio import Studio
from pipeline.serve.tabs.dataset_face import FORGET_S, DatasetFace, name_of
from pipeline.serve.tabs.dataset_filters import DatasetFilters, filter_of
from pipeline.takedowns import Takedowns

PAGE_SIZE = 24
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


def dataset_tab(studio: Studio, may_write: bool = True) -> None:
    """Lay out the tab; without `may_write` it shows and changes nothing."""
    _Page(studio, may_write)


class _Page:
    """The filters, the faces they find page by page, and one of them closely."""

    def __init__(self, studio: Studio, may_write: bool) -> None:
        self._studio = studio
        self._browser = Browser()
        gr.HTML(_STYLE, padding=False)
        self._shown = gr.State([], time_to_live=FORGET_S)
        with gr.Row():
            with gr.Column(scale=1, min_width=260):
                self._filters = DatasetFilters()
            with gr.Column(scale=3, min_width=320):
                self._lay_out_gallery()
        self._face = DatasetFace(studio, self._browser, may_write)
        self._connect()

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

    def _connect(self) -> None:
        filters = self._filters.inputs()
        found = [self._count, self._gallery, self._number, self._shown]
        gr.on(None, self._offers, None, self._filters.offering(), show_progress="hidden").then(
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
        self._face.wire(
            self._gallery,
            self._shown,
            lambda event: event.then(self._turn, [self._number, *filters], found, show_progress="hidden"),
        )

    def _offers(self) -> list[Any]:
        try:
            return self._filters.offers(self._browser.index())
        except UserError:
            return [gr.skip() for _ in self._filters.offering()]

    def _first(self, *filters: Any) -> Update:
        return self._turn(1, *filters)

    def _turn(self, number: float | None, *filters: Any) -> Update:
        """Show a page of what the filters find, the last one where there are fewer."""
        try:
            index = self._browser.index()
            reviews = Reviews()
            places = index.find(filter_of(reviews, *filters))
            pages = max(-(-len(places) // PAGE_SIZE), 1)
            page = min(max(int(number or 1), 1), pages)
            rows = _rows(index, places[(page - 1) * PAGE_SIZE : page * PAGE_SIZE])
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
            self._shown: [name_of(row) for row in rows],
        }


def _turned(step: int) -> Callable[[float | None], int]:
    return lambda number: max(int(number or 1) + step, 1)


def _rows(index: Index, places: np.ndarray) -> list[Row]:
    found = index.rows(places.tolist(), COLUMNS)
    return [row | {"place": place} for row, place in zip(found, places.tolist(), strict=True)]


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
