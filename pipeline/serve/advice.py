"""What whoever took a picture can change, for each reason why the pipeline would reject it."""

ADVICE = {
    # crawl
    "disallowed_by_robots": "save the picture yourself, if you may, and give the file",
    "taken_down": "it was taken down on request and may not be used; choose another picture",
    "no_file": "the site does not give the picture out; choose another one",
    "not_found": "check the address or the file's name",
    "no_image": "give a page or a file that shows a picture",
    "unreadable": "check that the file is whole, not encrypted, and that you may read it",
    "http_error": "try again later, or save the picture and give the file",
    "unreachable": "try again later, or save the picture and give the file",
    "address_refused": "save the picture yourself and give the file",
    "too_large": "give a smaller file: save it as JPEG, or reduce the picture",
    "not_an_image": "give a picture: JPEG, PNG, WebP, GIF, BMP or TIFF, whatever the file is called",
    "too_many_pixels": "reduce the picture",
    "duplicate": "the same picture is there already",
    "licence_excluded": "choose a picture whose licence is one of those asked for",
    "unsafe": "choose another picture",
    "apparent_minor": "choose another picture",
    # detect
    "no_domain": "say what the picture shows: name one of the domains of params.yaml",
    "undecodable": "the file is damaged or cut short: save or send it again",
    "too_small": "come closer, or give a larger picture",
    "no_face": "show the whole face, upright, well lit and not too small",
    "not_a_face": "show a face that nothing hides, upright and from the front",
    # landmarks
    "eye_missing": "show both eyes: turn towards the camera, and move aside what hides them",
    "bad_landmarks": "turn towards the camera, and show eyes and mouth with nothing before them",
    # align
    "degenerate_eyes": "turn towards the camera, so that both eyes are seen side by side",
    # catalogue
    "marked_bad": "somebody marked this face as bad; choose another picture, or delete its line in bad_faces.csv",
    "profile": "turn towards the camera",
    "nodding": "hold the head level",
    "too_dark": "turn towards the light, or light up the face",
    "too_bright": "leave the glare: less light, or a shorter exposure",
    "occluded": "move hair, hands, glasses or whatever hides the face aside",
    "blurred": "hold still and focus on the face, or give a sharper picture",
    "cropped": "show the whole head, with some room around it",
    # any stage
    "worker_crashed": "try another picture; this one ended the program that looked at it",
    "failed": "try another picture; this one met an error in the program, which its detail names",
}
