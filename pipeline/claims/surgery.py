"""Document 002: what each of its models did to faces before surgery, asked of rendered patients.

Each patient is portrayed before and after a known operation, months apart, so that light and pose differ a little too.
Landmarks of both pictures are known; those of outputs are dlib's, in the box where aligned faces are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.claims.arms import Arm, Trained, measured
from pipeline.claims.cutting import aligned, dataset, in_splits
from pipeline.claims.judges import find_lpips, why_not
from pipeline.claims.lab import Lab
from pipeline.claims.marking import marked, usual_box
from pipeline.claims.options import cyclegan, pix2pix, small
from pipeline.claims.rendered import Style, render
from pipeline.claims.verdicts import Expected, Finding, compare, missing
from pipeline.datasets.arrays import DomainArrays
from pipeline.faces import embedding
from pipeline.faces.quality import sharpness
from pipeline.metrics.color_consistency import color_consistency
from pipeline.metrics.kid import kid
from pipeline.metrics.landmark_consistency import landmark_errors
from pipeline.metrics.points import eye_distance
from pipeline.metrics.psnr import psnr_per_image
from pipeline.metrics.regional_change import REGIONS, changes, region_map
from pipeline.metrics.ssim import ssim_per_image
from pipeline.networks.lpips import Lpips, lpips_per_image
from pipeline.sources.demo.plan import procedures

_DOMAINS: tuple[Style, Style] = ("before", "after")
_TEST = 0.2
_KNOWN = ("skin", "hair", "left_eye", "right_eye")
_OPERATIONS = ("eyes", "nose", "chin")
_CONTOUR = slice(0, 17)
_OPERATED = ("eyes", "nose", "jaw")
_LIPS_AND_SKIN = ("mouth", "cheeks")
_VGG = "vgg19"
# Of CycleGAN's steps, how many times as many each has: those whose steps cost less have more, and StarGAN v2, whose
# generator is told least and which begins far from a copy.
_PAIRED_ROUNDS, _STAR_ROUNDS, _STYLE_ROUNDS = 3, 5, 3
_RAISED = 100.0

Numbers = dict[str, list[float]]


def autoencoder(lab: Lab) -> list[Finding]:
    """Ask whether the autoencoder keeps shapes, better than the basic GAN, and makes less than the true change."""
    own, gan = _numbers(lab, "autoencoder"), _numbers(lab, "GAN")
    truth = [1.0] * len(own["followed"])
    return [
        _compare("error of the outputs' landmarks", "below 0", "landmarks", autoencoder=own, GAN=gan),
        compare(
            "share of the true change that is made of eyes, nose and jaw, minus all of it",
            "below 0",
            autoencoder=own["followed"],
            truth=truth,
        ),
    ]


def painterly(lab: Lab) -> list[Finding]:
    """Ask whether pix2pix changes the colour of hair more than the operation does, and smooths like a painter."""
    own = _numbers(lab, "pix2pix")
    return [
        compare(
            "ΔE00 of the hair's region to the input, output minus truth",
            "above 0",
            **{"pix2pix": own["hair changed"], "truth": own["hair truly changed"]},
        ),
        compare(
            "sharpness (variance of the Laplacian), output minus truth",
            "below 0",
            **{"pix2pix": own["sharpness"], "truth": own["true sharpness"]},
        ),
    ]


def lips_and_skin(lab: Lab) -> list[Finding]:
    """Ask whether CycleGAN changes lips and skin more than the parts that are operated on, and little of these."""
    own = _numbers(lab, "CycleGAN")
    return [
        compare(
            "ΔE00 to the input, mouth and cheeks minus eyes, nose and jaw",
            "above 0",
            **{"mouth and cheeks": own["lips and skin changed"], "eyes, nose, jaw": own["operated changed"]},
        )
    ]


def face_shape(lab: Lab) -> list[Finding]:
    """Ask whether StarGAN moves a face's landmarks more than CycleGAN and pix2pix do."""
    own = _numbers(lab, "StarGAN")
    return [
        _compare(
            "distance of the outputs' landmarks from the input's", "above 0", "moved", StarGAN=own, **other
        )
        for other in ({"CycleGAN": _numbers(lab, "CycleGAN")}, {"pix2pix": _numbers(lab, "pix2pix")})
    ]


def attention(lab: Lab) -> list[Finding]:
    """Ask whether attention distorts StarGAN's faces, several heads change more, and a larger λ is no help."""
    plain, one, many, raised = (
        _numbers(lab, name)
        for name in (
            "StarGAN",
            "StarGAN with attention",
            "StarGAN with 8 heads",
            "StarGAN with attention, λ 100",
        )
    )
    return [
        _compare(
            "error of the outputs' landmarks",
            "above 0",
            "landmarks",
            **{"with attention": one, "plain": plain},
        ),
        _compare(
            "change of the whole face (0 to 255)", "above 0", "changed", **{"8 heads": many, "1 head": one}
        ),
        _compare("SSIM to the truth", "below 0", "ssim", **{"λ 100": raised, "λ 10": one}),
    ]


def worst(lab: Lab) -> list[Finding]:
    """Ask whether the basic GAN is further from the truth than the worst of the other models."""
    own = _numbers(lab, "GAN")
    others = [_numbers(lab, name) for name in ("autoencoder", "pix2pix", "CycleGAN", "StarGAN")]
    findings = [
        _against("SSIM to the truth", "below 0", "ssim", own, others),
        _against("PSNR to the truth", "below 0", "psnr", own, others),
        _against(f"KID ({embedding.NAME}) to faces after surgery", "above 0", "kid", own, others),
    ]
    _, reason = find_lpips()
    measure = "LPIPS (AlexNet) to the truth"
    last = missing(measure, reason) if reason else _against(measure, "above 0", "lpips", own, others)
    return [*findings, last]


def style_transfer(lab: Lab) -> list[Finding]:
    """Ask whether style transfer makes less of the true change than pix2pix."""
    measure = "share of the true change that is made of eyes, nose and jaw"
    if reason := why_not(_VGG):
        return [missing(measure, reason)]
    own, other = _numbers(lab, "style transfer"), _numbers(lab, "pix2pix")
    return [_compare(measure, "below 0", "followed", **{"style transfer": own, "pix2pix": other})]


def tone_and_contour(lab: Lab) -> list[Finding]:
    """Ask whether StarGAN v2 is nearer to the true skin and the true contour than StarGAN."""
    own, other = _numbers(lab, "StarGAN v2"), _numbers(lab, "StarGAN")
    sides = {"StarGAN v2": own, "StarGAN": other}
    return [
        _compare("ΔE00 of the skin to the truth", "below 0", "skin", **sides),
        _compare("error of the contour's landmarks", "below 0", "contour", **sides),
    ]


def _compare(measure: str, expected: Expected, number: str, **sides: Numbers) -> Finding:
    """Return the finding on one number of two arms; a part that is not seen on the outputs has none."""
    names = " minus ".join(sides)
    if not all(number in of for of in sides.values()):
        return missing(f"{measure}, {names}", "it cannot be seen on the outputs")
    return compare(f"{measure}, {names}", expected, **{name: of[number] for name, of in sides.items()})


def _against(
    measure: str, expected: Expected, number: str, own: Numbers, others: Sequence[Numbers]
) -> Finding:
    """Return the finding on the basic GAN and, seed by seed, the worst of the others."""
    choose = min if expected == "below 0" else max
    worst_of = [choose(values) for values in zip(*(other[number] for other in others), strict=True)]
    return compare(
        f"{measure}, basic GAN minus the worst of the others",
        expected,
        **{"basic GAN": own[number], "worst other": worst_of},
    )


def _numbers(lab: Lab, name: str) -> Numbers:
    network, _ = find_lpips()
    measure = "against the truth" if network is None else "against the truth, with LPIPS"
    return measured(
        lab, Arm(patients(lab), _options(lab)[name]), measure, lambda one: _against_the_truth(one, network)
    )


def patients(lab: Lab) -> Path:
    """Write rendered patients before and after surgery, aligned, as pairs; those of the test split are others."""
    size_px = lab.effort.large_px
    told = [[int(part in procedures(case)) for part in _OPERATIONS] for case in range(lab.effort.pictures)]
    before, after = (
        in_splits(aligned(render(lab, role), size_px).with_rows(labels=told), _TEST)[0] for role in _DOMAINS
    )
    return dataset(lab, "patients", paired=True, before=before, after=after)


def _options(lab: Lab) -> dict[str, dict[str, Any]]:
    """Return each arm's options: document 002's models, as small as the effort has them."""
    effort, size_px = lab.effort, lab.effort.large_px
    width, pairs = effort.width, {"pairing": "pair_id"}
    star = {
        **small(effort, "stargan", _DOMAINS, size_px, _STAR_ROUNDS),
        **pairs,
        "batch_size": 2,
        "labels": {name: [name] for name in _OPERATIONS},
        "generator": {"width": width, "blocks": effort.blocks},
        "discriminator": {"width": width, "layers": 5},
    }
    attended = {**star, "attention": "generator"}
    told = pix2pix(effort, _DOMAINS, size_px, _PAIRED_ROUNDS, conditions=["image"], **pairs)
    plain = small(effort, "autoencoder", _DOMAINS, size_px, _PAIRED_ROUNDS)
    return {
        "autoencoder": {**plain, **pairs, "batch_size": 4, "width": width, "learning_rate": 1e-3},
        "GAN": {
            **small(effort, "gan", _DOMAINS, size_px, _PAIRED_ROUNDS),
            **pairs,
            "batch_size": 8,
            "width": width,
        },
        "pix2pix": told,
        "CycleGAN": cyclegan(effort, _DOMAINS, size_px, **pairs),
        "StarGAN": star,
        "StarGAN with attention": attended,
        "StarGAN with 8 heads": {**attended, "heads": 8},
        "StarGAN with attention, λ 100": {**attended, "lambda_rec": _RAISED},
        "StarGAN v2": {
            **small(effort, "starganv2", _DOMAINS, size_px, _STYLE_ROUNDS),
            **pairs,
            "batch_size": 2,
            "width": width / 256,
            "learning_rate": 5e-4,
            "ema": 0.99,  # the authors' 0.999 is still the first weights' mean after so few steps
            "ds_steps": _STYLE_ROUNDS * effort.steps_at(size_px),
        },
        "style transfer": {
            **small(effort, "style-transfer", _DOMAINS, size_px, 1),
            **pairs,
            "perceptual_weights": _VGG,
        },
    }


def _against_the_truth(one: Trained, network: Lpips | None) -> Mapping[str, float]:
    """Return how what a model makes of test patients differs from what they were and from what they became."""
    before, after = (one.dataset.domains[name] for name in _DOMAINS)
    test = before.indices("test")
    inputs, truth = (np.array(domain.images[test]) for domain in (before, after))
    outputs = one.outputs(*_DOMAINS)
    return {
        "ssim": float(ssim_per_image(outputs, truth).mean()),
        "psnr": float(psnr_per_image(outputs, truth).mean()),
        "kid": kid(embedding.embed(outputs), embedding.embed(truth)),
        "changed": float(np.abs(outputs.astype(np.float64) - inputs).mean()),
        "followed": _followed(inputs, outputs, truth, before.points[test]),
        "sharpness": float(np.mean([sharpness(image) for image in outputs])),
        "true sharpness": float(np.mean([sharpness(image) for image in truth])),
        **_regions(inputs, outputs, truth, before.points[test]),
        **_shapes(outputs, before, after, test),
        **_skin(outputs, after, test),
    } | ({} if network is None else {"lpips": float(lpips_per_image(outputs, truth, network).mean())})


def _followed(inputs: np.ndarray, outputs: np.ndarray, truth: np.ndarray, points: np.ndarray) -> float:
    """Return which part of the true change of the operated parts was made: 0 none, 1 all of it.

    The projection of the outputs' change on the truth's.
    """
    places = [REGIONS.index(name) for name in _OPERATED]
    operated = np.stack([np.isin(region_map(inputs.shape[1], own), places) for own in points])
    made, true = ((images.astype(np.float64) - inputs)[operated] for images in (outputs, truth))
    return float((made * true).sum() / (true**2).sum())


def _regions(
    inputs: np.ndarray, outputs: np.ndarray, truth: np.ndarray, points: np.ndarray
) -> dict[str, float]:
    made, true = (changes(inputs, images, list(points)).delta_e for images in (outputs, truth))
    return {
        "hair changed": _mean(made, ("hair",)),
        "hair truly changed": _mean(true, ("hair",)),
        "lips and skin changed": _mean(made, _LIPS_AND_SKIN),
        "operated changed": _mean(made, _OPERATED),
    }


def _mean(table: np.ndarray, regions: Sequence[str]) -> float:
    return float(np.nanmean(table[:, [REGIONS.index(name) for name in regions]]))


def _shapes(
    outputs: np.ndarray, before: DomainArrays, after: DomainArrays, test: np.ndarray
) -> dict[str, float]:
    """Return how far landmarks lie from the true ones, and moved, in distances between the eyes."""
    box = usual_box(after)
    found = [marked(image, box) for image in outputs]
    # What moved is seen by the same eyes: dlib's on the inputs too.
    at_first = [marked(image, box) for image in np.array(before.images[test])]
    true = list(after.points[test])
    return {
        "landmarks": _median(landmark_errors(found, true)),
        "moved": _median(landmark_errors(found, at_first)),
        "contour": _median([_contour_error(*pair) for pair in zip(found, true, strict=True)]),
    }


def _contour_error(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.linalg.norm(found[_CONTOUR] - wanted[_CONTOUR], axis=1).mean() / eye_distance(wanted))


def _median(errors: Sequence[float | None]) -> float:
    return float(np.median([error for error in errors if error is not None]))


def _skin(outputs: np.ndarray, after: DomainArrays, test: np.ndarray) -> dict[str, float]:
    """Return the median ΔE00 to the true skin, where it can be seen."""
    asked = [
        {part: tuple(row[f"{part}_rgb"]) for part in _KNOWN} for row in after.rows.take(test).to_pylist()
    ]
    found = color_consistency(outputs, asked, list(after.points[test]), drawn=False, seed=0)["skin"]["value"]
    return {} if found is None else {"skin": found}
