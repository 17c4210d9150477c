"""The vocabulary of rejections: every reason why an image or a face goes no further, and what it means."""

REASONS = {
    # crawl
    "disallowed_by_robots": "the site's robots.txt, opt-out header or robots meta tag forbids it",
    "taken_down": "it is listed in takedowns.csv",
    "no_file": "the site knows of the image but does not give it out",
    "not_found": "the server has no such image",
    "no_image": "the item on the page shows no image",
    "unreadable": "the file on this machine cannot be read",
    "http_error": "the server answered with an error",
    "unreachable": "no answer in time, or the connection broke",
    "address_refused": "the address is private, or the redirects lead nowhere",
    "too_large": "more bytes than allowed",
    "not_an_image": "the bytes are no image",
    "too_many_pixels": "more pixels than allowed",
    "duplicate": "the same bytes are there already",
    "licence_excluded": "its licence is not one of those asked for",
    "unsafe": "the source's screen found it not safe for work",
    "apparent_minor": "the source's screen found what may be a minor",
    # detect (and taken_down)
    "no_domain": "the source's entry names no domain for its role",
    "undecodable": "the image is broken",
    "too_small": "too few pixels",
    "no_face": "the detector found nothing",
    "not_a_face": "what the detector found does not look like a face to the check",
    # landmarks
    "eye_missing": "the detector did not see both eyes",
    "bad_landmarks": "the landmarks contradict each other or the detector",  # and align
    # align
    "degenerate_eyes": "the eyes lie on one spot",
    # catalogue
    "marked_bad": "somebody looked at it and listed it in bad_faces.csv",
    "profile": "turned too far to the side",  # and landmarks
    "nodding": "turned too far up or down",
    "too_dark": "too little light on the face",
    "too_bright": "too much light on the face",
    "occluded": "something seems to hide part of the face",
    "blurred": "too blurred",
    "cropped": "too much of the face lies outside the picture",
    # any stage
    "worker_crashed": "the worker process died on it",
    "failed": "the stage's code raised an error",
}

DECODE_REASONS = ("undecodable", "too_small", "not_an_image", "too_many_pixels")
