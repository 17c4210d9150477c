"""What the kinds that ask a site's programming interface share: its pages, and the types of options and answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Generic, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from pipeline.crawl.failures import FetchProblem, HttpError
from pipeline.crawl.references import Refusal
from pipeline.crawl.session import Session, with_query
from pipeline.errors import UserError

AnswerT = TypeVar("AnswerT")


def _text(value: Any) -> str | None:
    if not isinstance(value, str) or not value.strip():
        return None
    return value.strip().encode(errors="replace").decode()  # JSON can hold half a character, a table cannot


Address = Annotated[str, StringConstraints(pattern=r"^https?://[^/\s]+")]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Queries = Annotated[
    tuple[Words, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    Field(min_length=1),
]
Text = Annotated[str | None, BeforeValidator(_text)]


class Said(BaseModel):
    """A piece of a site's answer: what is not declared is ignored, and a text that is none is None."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Listing(Generic[AnswerT]):
    """The pages of one listing, asked for one after the other.

    `parse` turns JSON into an answer; it raises `FetchProblem` or `ValidationError` where it is none. `option` is
    the key of the entry that is wrong where the first page cannot be read, and `hints` say, by HTTP status, what
    the user can do about it. `secrets`, and `auth`, a name and a password, are sent with every request and shown
    nowhere. `api` says that the interface is a documented one; robots.txt holds for any other.
    """

    def __init__(
        self,
        session: Session,
        url: str,
        parse: Callable[[Any], AnswerT],
        option: str,
        hints: Mapping[int, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        api: bool = True,
    ) -> None:
        self._session = session
        self._url = url
        self._parse = parse
        self._option = option
        self._hints = hints or {}
        self._secrets = secrets
        self._auth = auth
        self._api = api
        self._asked: set[str] = set()
        self._begun = False

    def read(self, params: Mapping[str, Any]) -> AnswerT | Refusal:
        """Return the answer to one request; raise `UserError` where the first fails, refuse a later one."""
        address = with_query(self._url, params)
        try:
            answer = self._ask(address)
        except FetchProblem as problem:
            if not self._begun:
                raise UserError(self._explain(problem)) from None
            return Refusal(address, problem.reason, problem.detail, retry_after_s=problem.retry_after_s)
        self._begun = True
        return answer

    def _ask(self, address: str) -> AnswerT:
        if address in self._asked:
            raise HttpError(200, "the listing leads in a circle")
        self._asked.add(address)
        try:
            return self._parse(
                self._session.get_json(address, api=self._api, secrets=self._secrets, auth=self._auth)
            )
        except ValidationError:
            raise HttpError(200, "the answer is not what the interface documents") from None

    def _explain(self, problem: FetchProblem) -> str:
        hint = self._hints.get(problem.status) if isinstance(problem, HttpError) else None
        return f"{self._option}: {self._url} cannot be read: {problem}" + (f"; {hint}" if hint else "")
