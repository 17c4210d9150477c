"""The claims of the documents, one by one, and what runs each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.claims import cartoons, faithful, memory, near_infrared, occlusions, surgery
from pipeline.claims.lab import Lab
from pipeline.claims.verdicts import Finding


@dataclass(frozen=True)
class Claim:
    """What a document claims, in one sentence, and the experiment that asks whether it is so."""

    id: str
    document: str
    claim: str
    run: Callable[[Lab], list[Finding]]


CLAIMS = (
    Claim(
        "000-lambda",
        "000",
        "λ of the way back 10 instead of 1: a more faithful reconstruction, a less free change.",
        faithful.lambda_cycle,
    ),
    Claim(
        "000-match",
        "000",
        "Domains that are alike in pose and scale are learnt better than domains that are not.",
        faithful.matched,
    ),
    Claim(
        "001-occlusions",
        "001",
        "GET-GAN takes away what hides a face, which CycleGAN and U-GAT-IT keep.",
        occlusions.removed,
    ),
    Claim(
        "002-autoencoder",
        "002",
        "The autoencoder keeps the shape of a face and changes little.",
        surgery.autoencoder,
    ),
    Claim(
        "002-pix2pix",
        "002",
        "pix2pix changes the colour of hair and turns faces into paintings.",
        surgery.painterly,
    ),
    Claim(
        "002-cyclegan",
        "002",
        "CycleGAN changes the colour of lips and skin, and hardly anything else.",
        surgery.lips_and_skin,
    ),
    Claim("002-stargan", "002", "StarGAN changes the shape of faces much.", surgery.face_shape),
    Claim(
        "002-attention",
        "002",
        "Attention distorts StarGAN's faces, several heads change too much, a raised λ of the way back is no help.",
        surgery.attention,
    ),
    Claim(
        "002-gan",
        "002",
        "The basic GAN is worst in SSIM, PSNR, FID and LPIPS.",
        surgery.worst,
    ),
    Claim("002-style-transfer", "002", "Style transfer changes details too little.", surgery.style_transfer),
    Claim(
        "002-starganv2",
        "002",
        "StarGAN v2 follows the tone of the skin and changes of contour.",
        surgery.tone_and_contour,
    ),
    Claim(
        "003-generators",
        "003",
        "Near-infrared faces of generator A (aligned) are worse than B's (equalised), and these than C's (perceptual).",
        near_infrared.generators,
    ),
    Claim(
        "003-recognition",
        "003",
        "Generated near-infrared images among the training images help to recognise people.",
        near_infrared.recognition,
    ),
    Claim(
        "004-landmarks",
        "004",
        "Told the landmarks, a translation distorts faces less.",
        cartoons.landmarks,
    ),
    Claim("004-colors", "004", "Told the colours, pix2pix follows them.", cartoons.colors),
    Claim(
        "004-memorisation",
        "004",
        "pix2pix from landmarks and colours remembers its training faces; de-duplication and randomness cure it.",
        memory.memorised,
    ),
    Claim(
        "004-plane-default",
        "004",
        "Landmarks as 1 on planes of 0 make the weights explode; on planes of 127 they do not.",
        cartoons.plane_default,
    ),
    Claim("004-batch", "004", "Batches of 1 learn better images than larger ones.", cartoons.batch_size),
    Claim(
        "004-color-distribution",
        "004",
        "An unpaired translation takes its colours from the target's distribution.",
        cartoons.color_distribution,
    ),
)
