"""How the page's own pieces of HTML look: one column on a phone, light or dark as the visitor's system is."""

STYLE = """
.gradio-container {width: 100% !important; max-width: 1280px !important; margin: 0 auto !important}
.gradio-container {overflow-wrap: anywhere}
.notice {border-left: 4px solid #d29922; padding: .5em .8em; margin: 0}
.problem {border-left: 4px solid #db6d28; padding: .3em .8em; margin: .4em 0}
.quiet {opacity: .75}
.face {display: flex; flex-wrap: wrap; gap: 1em; align-items: flex-start}
.face figure {margin: 0; flex: 0 1 320px}
.face img {width: 100%; height: auto; display: block; border-radius: 6px}
.face > div {flex: 1 1 220px}
.face dl {display: grid; grid-template-columns: auto 1fr; gap: .1em .8em; margin: .8em 0 0}
.face dd {margin: 0}
.swatches {list-style: none; padding: 0; margin: 0}
.swatches li {display: flex; align-items: center; gap: .5em; margin: .25em 0}
.swatch {flex: none; width: 1.6em; height: 1.6em; border-radius: 4px; border: 1px solid #8888}
.swatch.none {background: repeating-linear-gradient(45deg, #8884 0 4px, transparent 4px 8px)}
.answers {display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: .8em}
.answer {margin: 0; min-width: 0}
.answer img, .answer .blank {width: 100%; aspect-ratio: 1; object-fit: contain; display: block; border-radius: 6px}
.answer .blank {display: grid; place-items: center; padding: .5em; box-sizing: border-box; overflow: auto;
  border: 1px dashed #8888; font-size: .85em; text-align: center}
.answer.failed .blank {border-color: #db6d28}
#test-faces, #test-faces * {min-width: 0}
#visible-mark {min-width: min(260px, 100%) !important}
.answer figcaption {display: flex; flex-direction: column; font-size: .85em; line-height: 1.3; margin-top: .3em}
"""
# Beside Gradio's own page, whose rules it does not let `css` change.
HEAD = "<style>@media (max-width: 600px) {.main.app.fillable {padding: 12px 8px !important}}</style>"
