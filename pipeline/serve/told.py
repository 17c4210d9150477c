"""What the catalogue knows of a face or of an image without one, as HTML; whatever a site said is escaped."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any
from urllib.parse import urlsplit

from pipeline.reasons import REASONS
from pipeline.serve.advice import ADVICE

Row = dict[str, Any]
_LINKED = ("http", "https")
_MEASURES = (
    ("yaw_deg", "turned to the side", "°"),
    ("pitch_deg", "turned up or down", "°"),
    ("roll_deg", "tilted", "°"),
    ("eye_distance_px", "between the eyes", " px"),
    ("eye_size", "size of the eyes", ""),
    ("landmark_quality", "landmarks agree", ""),
    ("sharpness", "sharpness", ""),
    ("exposure", "light on the face", ""),
    ("occlusion", "hidden, perhaps", ""),
    ("padded", "outside the picture", ""),
    ("score", "the detector's score", ""),
)
_FACTS = (
    ("domain", "domain"),
    ("split", "split"),
    ("source", "source"),
    ("role", "role"),
    ("subject", "subject"),
    ("pair_id", "pair"),
    ("group", "group"),
    ("detector", "found by"),
    ("model", "landmarks by"),
    ("cluster", "near-duplicates of"),
    ("fetched_at", "fetched"),
    ("face_id", "face"),
    ("image_id", "image"),
    ("part", "part"),
    ("extra", "more"),
)
_COLORED = (("skin", "skin"), ("hair", "hair"), ("left_eye", "left eye"), ("right_eye", "right eye"))


def told(row: Row) -> str:
    """Return a table of all that is known of a row of the catalogue."""
    lines = "".join(f"<tr><th>{escape(name)}</th><td>{value}</td></tr>" for name, value in _lines(row))
    return f'<div class="ds-told"><p>{_verdict(row)}</p><p>{_origin(row)}</p><table>{lines}</table></div>'


def link(url: str | None, text: str) -> str:
    """Return a link that tells the site nothing, or the bare text where the URL leads to no website."""
    if not is_website(url):
        return escape(text)
    return f'<a href="{escape(url or "")}" target="_blank" rel="noopener noreferrer">{escape(text)}</a>'


def is_website(url: str | None) -> bool:
    """Say whether a URL leads to a site: files of this machine, scripts and other schemes do not."""
    try:
        split = urlsplit(url or "")
        return split.scheme in _LINKED and bool(split.hostname)
    except ValueError:
        return False


def _verdict(row: Row) -> str:
    """Say whether a face is kept, or why not, what was measured, and what to change."""
    reason = row.get("reason")
    if reason is None:
        return "<strong>kept</strong>"
    said = f"<strong>{escape(reason)}</strong> (at the stage {escape(row['stage'])}): {escape(REASONS.get(reason, ''))}"
    detail = f"<br>{escape(row['detail'])}" if row.get("detail") else ""
    advice = f"<br>What to change: {escape(ADVICE[reason])}" if reason in ADVICE else ""
    return f"{said}{detail}{advice}"


def _origin(row: Row) -> str:
    """Say where a picture comes from, whose it is and under which licence."""
    page = row.get("page_url")
    title = row.get("title") or (page if is_website(page) else None) or "the page it came from"
    shown = link(page, title) if is_website(page) else f"{escape(title)} (no page on the web)"
    author = f", by {escape(row['author'])}" if row.get("author") else ""
    licence = row.get("licence")
    terms = f"<br>Licence: {link(row.get('licence_url'), licence)}" if licence else "<br>Licence: none said"
    image = f"<br>{link(row.get('url'), 'the picture at its source')}" if is_website(row.get("url")) else ""
    return f"{shown}{author}{terms if 'licence' in row else ''}{image}"


def _lines(row: Row) -> Iterator[tuple[str, str]]:
    for name, said, unit in _MEASURES:
        if row.get(name) is not None:
            yield said, f"{row[name]:.2f}{unit}"
    for name, said in _COLORED:
        if row.get(f"{name}_rgb") is not None:
            yield said, _color(row[f"{name}_rgb"], row[f"{name}_name"], row[f"{name}_confidence"])
    if row.get("tags"):
        yield "tags", escape(", ".join(row["tags"]))
    for name, said in _FACTS:
        of_itself = name == "cluster" and row.get(name) == row.get("face_id")
        if row.get(name) is not None and not of_itself:
            yield said, escape(str(row[name]))


def _color(rgb: list[int], name: str | None, confidence: float | None) -> str:
    swatch = f'<span class="ds-swatch" style="background: rgb({rgb[0]}, {rgb[1]}, {rgb[2]})"></span>'
    sure = "" if confidence is None else f", confidence {confidence:.2f}"
    return f"{swatch} {escape(name or '')}{sure}"
