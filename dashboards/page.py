"""From sections to one HTML file that needs nothing else.

Everything is inside: the style, the figures' data, and ``plotly.js`` once. A content policy
names the page's own scripts by their hashes and forbids the rest, requests included: markup
that got in by a mistake of ours could neither run nor call home.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from dashboards import pictures
from dashboards.markup import Html, join, tag
from dashboards.theme import css_variables

ANCHORS = {
    "champion": "Champion",
    "evolution": "Evolution",
    "learning": "How it learned",
    "hall": "Hall of Fame",
    "trials": "Trials",
    "run": "The run",
}
"""The parts of the page and their titles, in order."""

STYLE = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.6 var(--sans)}
.band{height:10px}
header,main,footer{max-width:60rem;margin:0 auto;padding:0 1.5rem}
header{padding-top:3.5rem}
.eyebrow{margin:0;color:var(--muted);font-size:.875rem;letter-spacing:.01em}
.eyebrow b{color:var(--ink);font-weight:600}
h1{font:500 clamp(1.9rem,5.2vw,3.1rem)/1.14 var(--serif);letter-spacing:-.015em;
  margin:.7rem 0 1.1rem;text-wrap:balance;max-width:22em}
h2{font:500 1.65rem/1.25 var(--serif);letter-spacing:-.01em;margin:0 0 .4rem}
h3{font-size:1rem;font-weight:600;margin:2.2rem 0 .3rem}
p{margin:0 0 1rem;max-width:42rem}
.lead{font-size:1.075rem;color:var(--muted)}
a{color:var(--accent)}
nav{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;margin:2rem 0 0;padding:.8rem 0;
  border-block:1px solid var(--line);font-size:.875rem}
nav a{text-decoration:none}
nav a:hover{text-decoration:underline}
section{padding:3.4rem 0 0}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:1.4rem 2rem;
  margin:2rem 0 0;padding:0}
.tiles div{border-top:2px solid var(--ink);padding-top:.55rem}
.tiles dt{color:var(--muted);font-size:.8125rem}
.tiles dd{margin:0;font-size:1.35rem;line-height:1.3;font-variant-numeric:tabular-nums}
small,.tiles small{display:block;color:var(--muted);font-size:.8125rem;line-height:1.4;
  font-weight:400}
figure{margin:1.4rem 0 0;min-width:0}
.keys+figure{margin-top:0}
table+p{margin-top:.6rem}
figcaption{color:var(--muted);font-size:.875rem;line-height:1.5;max-width:42rem;
  margin-top:.3rem}
.plot{width:100%;min-width:0;overflow:hidden}
.keys{display:flex;flex-wrap:wrap;gap:.1rem 1.1rem;margin:.2rem 0 .4rem;padding:0;
  list-style:none;font-size:.875rem}
.key::before,.keys li::before{content:"";display:inline-block;width:.8em;height:.8em;
  border-radius:50%;background:var(--mark);margin-right:.45em;vertical-align:-.05em}
.keys button{border:0;background:none;padding:0}
.keys li:has([aria-pressed=false]){opacity:.45;text-decoration:line-through}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.9375rem}
th{text-align:left;font-weight:500}
th,td{padding:.5rem .9rem .5rem 0;border-bottom:1px solid var(--line);vertical-align:top}
thead th{color:var(--muted);font-size:.8125rem}
td .figure{font-size:1.15rem}
.versus{max-width:42rem;margin-top:1.2rem}
.versus th[scope=row]{width:34%}
.groups{columns:24rem 2;column-gap:3.5rem}
.genes{break-inside:avoid;margin-bottom:1.6rem}
.genes caption{text-align:left;color:var(--muted);font:italic 500 1rem var(--serif);
  padding-top:.4rem}
.genes td:nth-child(2){white-space:nowrap;text-align:right;width:6.5rem}
.genes td:nth-child(3){width:28%;padding-right:6px}
.range{position:relative;display:block;height:1.5em}
.range::before{content:"";position:absolute;inset:calc(50% - 1px) 0 auto;height:2px;
  background:var(--line)}
.range i{position:absolute;top:50%;width:11px;height:11px;margin:-5px 0 0 -5px;
  border-radius:50%;background:var(--accent)}
.facts{max-width:34rem;margin-top:1.4rem;overflow-wrap:anywhere}
.facts td{text-align:right;padding-right:0}
.scroll{overflow-x:auto}
.hall td{white-space:nowrap}
.swatch{display:inline-block;width:.95em;height:.95em;border-radius:3px;margin-right:.5em;
  vertical-align:-.1em;border:1px solid var(--line)}
code{font:.9em var(--mono);overflow-wrap:anywhere}
dl.run{display:grid;grid-template-columns:minmax(6.5rem,9rem) 1fr;gap:.45rem 1.2rem;
  font-size:.9375rem;margin:1.2rem 0}
dl.run dt{color:var(--muted)}
dl.run dd{margin:0;overflow-wrap:anywhere}
details{margin:1.4rem 0}
summary{cursor:pointer;color:var(--accent)}
pre{overflow:auto;background:var(--raised);border:1px solid var(--line);border-radius:6px;
  padding:1rem;font-size:.8125rem;line-height:1.45}
.note{border-left:3px solid var(--warn);padding:.1rem 0 .1rem .9rem;margin:1.2rem 0}
.faint{color:var(--muted)}
footer{padding-block:4rem 3rem;color:var(--muted);font-size:.8125rem}
.plot .main-svg text{fill:var(--muted)!important}
.plot .gridlayer path,.plot .zerolinelayer path{stroke:var(--line)!important}
.plot .hoverlayer .hovertext path,.plot .hoverlayer rect.bg{fill:var(--raised)!important;
  fill-opacity:1!important;stroke:var(--line)!important}
.plot .hoverlayer line{stroke:var(--line)!important}
.plot .hoverlayer text{fill:var(--ink)!important}
#population .shapelayer path{stroke:var(--paper)!important}
#population .imagelayer image{image-rendering:pixelated}
@media (max-width:40rem){
  body{font-size:15px}
  header,main,footer{padding-inline:1.1rem}
  header{padding-top:2.2rem}
  section{padding-top:2.6rem}
  dl.run{grid-template-columns:1fr;gap:0}
  dl.run dd{margin-bottom:.7rem}
}
@media print{
  @page{margin:14mm}
  :root{--paper:#fff}
  body{font-size:10.5pt}
  .groups{columns:15rem 2}
  nav,summary{display:none}
  header,main,footer{max-width:none;padding-inline:0}
  section{padding-top:1.6rem}
  figure,tr,.tiles,.keys{break-inside:avoid}
  h2,h3,.keys{break-after:avoid}
  *{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
"""

DRAW = (
    pictures.SCRIPT
    + r"""
const plots = [...document.querySelectorAll(".plot")];
const coarse = matchMedia("(pointer: coarse)").matches;
const drawn = plots.map((plot) => {
  const figure = JSON.parse(plot.nextElementSibling.textContent);
  figure.layout.dragmode = coarse ? false : "zoom";  // a finger scrolls the page
  const saves = document.createElement("div");
  saves.className = "saves";
  for (const form of ["svg", "png"])
    saves.append(button(form.toUpperCase(), () => download(plot, form)));
  plot.parentElement.append(saves);
  return Plotly.newPlot(plot, figure.data, figure.layout,
    {responsive: true, displayModeBar: false});
});
// A key shows and hides what is drawn under its name, if the figure below has such a thing.
function figureBelow(keys) {
  let own = keys.nextElementSibling;
  while (own && own.tagName === "P") own = own.nextElementSibling;
  return own && own.tagName === "FIGURE" ? own.querySelector(".plot") : null;
}
function traces(plot, name) {
  const told = name.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return plot.data.flatMap((trace, i) => (trace.name === told ? [i] : []));
}
function asSwitches(keys) {
  const plot = figureBelow(keys);
  for (const key of plot ? keys.children : []) {
    const name = key.textContent, own = traces(plot, name);
    if (!own.length) continue;
    const change = button(name, () => {
      const on = change.getAttribute("aria-pressed") !== "true";
      change.setAttribute("aria-pressed", on);
      Plotly.restyle(plot, {visible: on}, own);
    });
    change.setAttribute("aria-pressed", "true");
    key.replaceChildren(change);
  }
}
Promise.all(drawn).then(() => document.querySelectorAll(".keys").forEach(asSwitches));
addEventListener("beforeprint", () => plots.forEach((plot) =>
  Plotly.relayout(plot, {width: 670})));  // A4 less its margins
addEventListener("afterprint", () => plots.forEach((plot) =>
  Plotly.relayout(plot, {width: null, autosize: true})));
if (exporting) Promise.all(drawn).then(() => written(plots));
"""
)


def page(title: str, *body: object, style: str = "", script: str | None = DRAW) -> bytes:
    """A page, complete.

    Args:
        title: Of the window.
        body: Markup, in order.
        style: What is added to the style of every page.
        script: Draws the figures; None where there are none.
    """
    scripts = [] if script is None else [Html(get_plotlyjs()), Html(script)]
    allowed = " ".join(map(_hash, scripts)) or "'none'"
    policy = (
        "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
        f"script-src {allowed}; base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Html(css_variables() + STYLE + pictures.STYLE + style)),
    )
    # A number stays with its unit.
    words = Html(join(*body).replace(" %", "\u00a0%"))
    content = tag("body", words, *(tag("script", script) for script in scripts))
    whole = join(Html("<!doctype html>\n"), tag("html", head, content, lang="en"))
    # Half of a surrogate pair has no UTF-8, and JSON can hold one.
    return whole.encode("utf-8", errors="replace")


def top(
    eyebrow: object,
    title: object,
    glance: dict[str, tuple[str, str]] | None = None,
    lead: object = None,
) -> Html:
    """The top of a page: what it is of, its headline, a sentence, numbers at a glance."""
    return tag(
        "header",
        tag("p", eyebrow, class_="eyebrow"),
        tag("h1", title),
        tag("p", lead, class_="lead") if lead else None,
        tiles(glance) if glance else None,
    )


def section(anchor: str, *content: object) -> Html:
    """A part of the page, under its title in :data:`ANCHORS`."""
    return tag("section", tag("h2", ANCHORS[anchor]), *content, id=anchor)


def plot(figure: go.Figure, name: str, label: str, caption: object) -> Html:
    """A figure with the sentence that says how to read it.

    Args:
        figure: What to draw.
        name: Its id in the page.
        label: What it shows, for those who cannot see it.
        caption: Under it.
    """
    # No "<" may stand in a script element's text; in JSON it may be written otherwise. Plotly
    # writes it so today, but does not promise to.
    data = Html(figure.to_json().replace("<", "\\u003c"))
    style = f"height:{figure.layout.height:.0f}px"
    return tag(
        "figure",
        tag("div", class_="plot", id=name, role="img", aria_label=label, style=style),
        tag("script", data, type="application/json"),
        tag("figcaption", caption),
    )


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> Html:
    """A table that scrolls by itself where it is wider than the page."""
    head = tag("tr", *(tag("th", name, scope="col") for name in header))
    body = [tag("tr", *(tag("td", cell) for cell in row)) for row in rows]
    whole = tag("table", tag("thead", head), tag("tbody", *body), class_="hall")
    return tag("div", whole, class_="scroll")


def keys(colours: dict[str, str]) -> Html:
    """A legend: words with their colours."""
    marks = (tag("li", name, style=f"--mark:{colour}") for name, colour in colours.items())
    return tag("ul", *marks, class_="keys")


def tiles(facts: dict[str, tuple[str, str]]) -> Html:
    """Numbers at a glance: name → the number, and what it is of."""
    return tag(
        "dl",
        *(
            tag("div", tag("dt", name), tag("dd", number, tag("small", of)))
            for name, (number, of) in facts.items()
        ),
        class_="tiles",
    )


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
