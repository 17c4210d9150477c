"""Running the table of claims: one after the other, what is finished read, what is new shown as it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.claims.effort import FULL, SMALL
from pipeline.claims.lab import Lab
from pipeline.claims.table import CLAIMS, Claim
from pipeline.claims.verdicts import Finding, NotMeasured, missing
from pipeline.errors import UserError
from pipeline.parts import atomic_path, write_json

CLAIMS_CACHE = Path(".cache/claims")
JSON_NAME, MARKDOWN_NAME = "claims.json", "claims.md"
_COLUMNS = ("document", "claim", "measure", "compared", "difference (95%)", "interval over", "verdict")


@dataclass(frozen=True)
class Result:
    """A claim and what was found of it, a finding per measure."""

    claim: Claim
    findings: list[Finding]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "id": self.claim.id,
            "document": self.claim.document,
            "claim": self.claim.claim,
            "findings": [finding.as_dict() for finding in self.findings],
        }


def chosen(ids: Sequence[str]) -> list[Claim]:
    """Return the claims with these ids, in the table's order; all where none is named; `UserError` for unknown ones."""
    known = [claim.id for claim in CLAIMS]
    if unknown := [name for name in ids if name not in known]:
        raise UserError(f"claims: {', '.join(unknown)} unknown; there are {', '.join(known)}")
    return [claim for claim in CLAIMS if not ids or claim.id in ids]


def run(ids: Sequence[str], full: bool, out: Path, show: Callable[[str], object]) -> list[Result]:
    """Run claims, show each one's findings as it ends, and write them all as JSON and Markdown into a folder.

    A run that is killed leaves nothing undone that it had finished, and writes its files claim by claim.
    """
    claims, lab = chosen(ids), Lab(CLAIMS_CACHE, FULL if full else SMALL)
    results: list[Result] = []
    for result in _results(claims, lab):
        results.append(result)
        show(describe(result))
        write_json(
            out / JSON_NAME, {"effort": lab.effort.name, "claims": [each.as_dict() for each in results]}
        )
        with atomic_path(out / MARKDOWN_NAME) as path:
            path.write_text(markdown(results), encoding="utf-8")
    return results


def _results(claims: Sequence[Claim], lab: Lab) -> Iterator[Result]:
    for claim in claims:
        try:
            findings = claim.run(lab)
        except NotMeasured as reason:
            findings = [missing("all of it", str(reason))]
        yield Result(claim, findings)


def describe(result: Result) -> str:
    """Return a claim and its findings as lines of text."""
    head = f"{result.claim.id}: {result.claim.claim}"
    lines = [f"  {finding.verdict:21} {finding.measure}: {_figures(finding)}" for finding in result.findings]
    return "\n".join([head, *lines])


def _figures(finding: Finding) -> str:
    if finding.figure is None:
        return finding.reason
    return f"{_difference(finding)} over {finding.over}; {_sides(finding)}"


def _difference(finding: Finding) -> str:
    if finding.figure is None:
        return ""
    value, low, high = finding.figure
    return f"{value:+.4g} ({low:+.4g} to {high:+.4g})"


def _sides(finding: Finding) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in (finding.sides or {}).items())


def markdown(results: Sequence[Result]) -> str:
    """Return the findings as a Markdown table."""
    lines = [f"| {' | '.join(_COLUMNS)} |", f"|{'---|' * len(_COLUMNS)}"]
    for result in results:
        for finding in result.findings:
            verdict = finding.verdict + (f": {finding.reason}" if finding.reason else "")
            cells = (
                result.claim.document,
                result.claim.claim,
                finding.measure,
                _sides(finding),
                _difference(finding),
                finding.over,
                verdict,
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
