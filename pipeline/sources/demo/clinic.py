"""A small clinic's site with a page for each case: the patient before and after, and what was done."""

import html
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from . import surgery
from .plan import case_kind, procedures
from .surgery import Role, Sittings
from .truth import Face, Picture
from .web import (
    HTML,
    LICENCE,
    LICENCE_URL,
    KeptImages,
    Response,
    answer,
    jpeg,
    not_found,
    page,
    page_number,
    robots_txt,
)

PAGE_SIZE = 12
ROLES: tuple[Role, Role] = ("before", "after")
_CLINIC = "Likeness Demo Clinic"


@dataclass(frozen=True, eq=False)
class Case:
    """One patient; `kind` is pair, private or unfinished, whose page shows no picture after the operation yet."""

    index: int
    kind: str
    procedures: tuple[str, ...]
    page_path: str
    title: str
    _clinic: "ClinicSite" = field(repr=False)

    @property
    def roles(self) -> tuple[Role, ...]:
        """Which of its two pictures the page shows."""
        return ROLES[:1] if self.kind == "unfinished" else ROLES

    def image_path(self, role: Role) -> str:
        """Where a picture of the case lies."""
        return f"/images/{self.index}-{role}.jpg"

    def picture(self, role: Role) -> Picture:
        """A picture of the case as it is before it is compressed; drawn anew on every call."""
        clinic = self._clinic
        return surgery.draw(clinic.seed, self.index, role, clinic.sittings)

    def face(self, role: Role) -> Face:
        """The true face of a picture; drawn anew on every call."""
        (face,) = self.picture(role).faces
        return face


class ClinicSite:
    """A clinic of `count` cases: a pure function of count, seed and sittings (see `surgery.draw`).

    A count of 17 or more holds every kind of case.
    """

    def __init__(self, count: int, seed: int, sittings: Sittings) -> None:
        self.count = count
        self.seed = seed
        self.sittings: Sittings = sittings
        self.cases: tuple[Case, ...] = tuple(self._case(index) for index in range(count))
        self._by_page = {case.page_path: case for case in self.cases}
        self._by_image = {case.image_path(role): (case, role) for case in self.cases for role in case.roles}
        self._images = KeptImages()

    @property
    def pages(self) -> int:
        """The number of list pages."""
        return -(-self.count // PAGE_SIZE)

    def respond(self, path: str) -> Response:
        """The answer to GET `path`."""
        parts = urlsplit(path)
        if parts.path == "/robots.txt":
            return robots_txt()
        if parts.path in ("/", "/cases/"):
            number = page_number(parse_qs(parts.query), self.pages)
            return self._list_page(number) if number else not_found()
        if case := self._by_page.get(parts.path):
            return answer(HTML, _case_page(case))
        if found := self._by_image.get(parts.path):
            return answer("image/jpeg", self._images.get(parts.path, lambda: _image(*found)))
        return not_found()

    def _case(self, index: int) -> Case:
        kind = case_kind(index)
        folder = "private" if kind == "private" else "cases"
        title = f"Case no. {index}"
        return Case(index, kind, procedures(index), f"/{folder}/{index}.html", title, self)

    def _list_page(self, number: int) -> Response:
        shown = self.cases[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
        cards = "\n".join(
            f'<div class="case-card"><a class="case-link" href="{case.page_path}">{html.escape(case.title)}</a></div>'
            for case in shown
        )
        following = f'<a rel="next" href="?page={number + 1}">Next page</a>' if number < self.pages else ""
        return answer(HTML, page(f"Cases, page {number}", f"{cards}\n{following}"))


def _case_page(case: Case) -> bytes:
    figures = "\n".join(
        f'<figure class="{role}"><img src="{case.image_path(role)}" alt="{role} surgery"></figure>'
        for role in case.roles
    )
    done = "".join(f'<li class="procedure">{html.escape(name)}</li>' for name in case.procedures)
    terms = f'<p>By <span class="author">{_CLINIC}</span>, <a rel="license" href="{LICENCE_URL}">{LICENCE}</a></p>'
    return page(case.title, f"{figures}\n<ul>{done}</ul>\n{terms}")


def _image(case: Case, role: Role) -> bytes:
    return jpeg(case.picture(role).pixels, 90)
