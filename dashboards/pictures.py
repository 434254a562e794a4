"""Saving the figures of a page as SVG and PNG, in the page itself.

Opened with ``#export=svg`` or ``#export=png`` a page draws every figure once more as a picture
and writes all of them into itself, for a program that reads them (``export.py``).
"""

from __future__ import annotations

STYLE = """
.saves{display:flex;gap:.4rem;justify-content:flex-end;margin:.3rem 0}
.saves button,.keys button{font:inherit;color:var(--ink);cursor:pointer}
.saves button{font-size:.8125rem;padding:.15rem .6rem;border:1px solid var(--line);
  border-radius:5px;background:var(--raised)}
.saves button:hover{border-color:var(--accent)}
.saves button:focus-visible,.keys button:focus-visible{outline:2px solid var(--accent);
  outline-offset:1px}
@media print{.saves{display:none}}
"""

SCRIPT = r"""
function button(text, press) {
  const own = document.createElement("button");
  own.type = "button"; own.textContent = text;
  own.addEventListener("click", press);
  return own;
}
const picture = {width: 900, scale: 3};
function image(plot, format) {
  const layout = {...plot.layout, paper_bgcolor: "#ffffff", plot_bgcolor: "#ffffff"};
  const figure = {data: plot.data.filter((trace) => trace.visible !== false), layout};
  const height = plot.layout.height ?? plot._fullLayout.height;
  const scale = format === "png" ? picture.scale : 1;
  return Plotly.toImage(figure, {format, width: picture.width, height, scale});
}
function download(plot, format, name = plot.id) {
  return image(plot, format).then((data) => {
    const link = document.createElement("a");
    link.href = data; link.download = name + "." + format; link.click();
  });
}
const exporting = /^#export=(svg|png)$/.exec(location.hash);
async function written(plots) {
  const found = {};
  for (const plot of plots) found[plot.id] = await image(plot, exporting[1]);
  const out = document.createElement("script");
  out.type = "application/json"; out.id = "exported";
  out.textContent = JSON.stringify(found).replaceAll("<", "\\u003c");
  document.body.append(out);
}
"""
"""Needs Plotly. ``download(plot, format)`` saves a figure; ``written(plots)`` writes all of
them into the page."""
