"""Showing, hiding and exporting the figures of a validation, in the page itself.

Above the figures stand arms and their groups, below each figure its layers: every switch works
for itself. What is hidden is not in the legend either, so a picture or a table that is saved
holds what was chosen and nothing else. The choice stands in the page's address, so a link
carries it, and a page that is saved from here opens with it.
"""

from __future__ import annotations

from dashboards import pictures

STYLE = """
.panel{position:sticky;top:0;z-index:5;background:var(--paper);padding:.6rem 0;
  border-bottom:1px solid var(--line);margin-top:2rem}
.panel .row,.switches{display:flex;flex-wrap:wrap;gap:.2rem .9rem;align-items:center;
  font-size:.8125rem}
.panel .arms{max-height:9.5rem;overflow-y:auto;margin-top:.35rem}
.panel label,.switches label{display:inline-flex;align-items:center;gap:.35em;cursor:pointer}
.panel input[type=search]{font:inherit;padding:.2rem .5rem;border:1px solid var(--line);
  border-radius:5px;background:var(--raised);color:var(--ink)}
.mark{width:.75em;height:.75em;border-radius:50%;background:var(--mark)}
button{font:inherit;padding:.15rem .6rem;border:1px solid var(--line);border-radius:5px;
  background:var(--raised);color:var(--ink);cursor:pointer}
button:hover{border-color:var(--accent)}
button:focus-visible,input:focus-visible{outline:2px solid var(--accent);outline-offset:1px}
.switches{margin:.5rem 0 .2rem;justify-content:space-between}
.switches>span{display:flex;flex-wrap:wrap;gap:.2rem .9rem}
.plot.bare{height:0!important}
.plot.bare+.switches::before{content:"Nothing that is shown is in this figure.";
  flex-basis:100%;color:var(--muted)}
.said{max-width:42rem;padding-left:1.1rem;font-size:.9375rem}
.many td,.many th{white-space:nowrap;padding-right:1.1rem}
.scroll:has(>.many){max-height:38rem;overflow:auto}
.many thead th{position:sticky;top:0;background:var(--paper)}
@media print{.panel,.switches{display:none}.scroll:has(>.many){max-height:none}}
"""

CONTROLS = r"""
const plots = [...document.querySelectorAll(".plot")];
const told = JSON.parse(document.getElementById("arms").textContent);
const off = new Set(told.hidden), offGroups = new Set(told.groups);
const offLayers = new Set(told.layers);
const coarse = matchMedia("(pointer: coarse)").matches;
const groupOf = Object.fromEntries(told.arms.map((arm) => [arm.name, arm.group]));

function shown(plot, trace) {
  const {arm, layer} = trace.meta;
  return !(arm !== null && (off.has(arm) || offGroups.has(groupOf[arm]))) &&
    !offLayers.has(plot.id + "/" + layer);
}
function remember() {
  const state = {arms: [...off], groups: [...offGroups], layers: [...offLayers]};
  history.replaceState(null, "", "#" + encodeURIComponent(JSON.stringify(state)));
  dispatchEvent(new PopStateEvent("popstate"));  // for whoever follows the address
}
function recall() {
  try {
    const state = JSON.parse(decodeURIComponent(location.hash.slice(1)));
    off.clear(); offGroups.clear(); offLayers.clear();
    state.arms.forEach((name) => off.add(name));
    state.groups.forEach((name) => offGroups.add(name));
    state.layers.forEach((name) => offLayers.add(name));
  } catch (error) { /* no choice in the address: the page's own stands */ }
}
// Of the traces of an arm that are shown one stands in the legend: the one that is meant to, if
// it is shown, and else the first.
function apply(data, plot) {
  const named = new Map();
  for (const trace of data) {
    trace.visible = shown(plot, trace);
    if (trace.meta.arm === null) continue;
    trace.showlegend = false;
    const {key, legend} = trace.meta;
    if (trace.visible && (legend ? !named.get(key)?.meta.legend : !named.has(key)))
      named.set(key, trace);
  }
  named.forEach((trace) => { trace.showlegend = true; });
  return named.size;
}
const mostInLegend = 24;  // more would leave no place for the figure; the panel names them all
// Arms that are shown move together, so that hidden ones leave no holes.
function arrange(data, layout, plot) {
  if (!layout.meta?.rows) return;
  const {rows, base, each} = layout.meta;
  const here = new Set(data.filter((trace) => trace.visible).map((trace) => trace.meta.arm));
  const names = rows.filter((name) => here.has(name));
  const place = new Map(rows.map((name, i) => [name, i]));
  const now = new Map(names.map((name, i) => [name, i]));
  for (const trace of data) {
    const {arm} = trace.meta;
    if (!now.has(arm)) continue;
    trace.meta.first ??= Array.from(trace.y);
    trace.y = trace.meta.first.map((value) => value - place.get(arm) + now.get(arm));
  }
  const own = layout.yaxis;
  own.range = [Math.max(names.length, 1) - 0.4, -0.6];
  own.autorange = false;
  own.uirevision = names.join();  // a zoom is of these rows
  own.tickmode = "array";
  own.tickvals = names.map((_, i) => i);
  own.ticktext = names.map((name) => name.replaceAll("&", "&amp;").replaceAll("<", "&lt;"));
  layout.height = base + each * Math.max(names.length, 1);
  plot.style.height = layout.height + "px";
}
function settle(plot, data, layout) {
  const named = apply(data, plot);
  if (named) layout.showlegend = named <= mostInLegend;
  arrange(data, layout, plot);
  const own = data.filter((trace) => trace.meta.arm !== null);
  plot.classList.toggle("bare", !(own.length ? own : data).some((trace) => trace.visible));
}
function redraw(only) {
  for (const plot of only ? [only] : plots) {
    settle(plot, plot.data, plot.layout);
    Plotly.react(plot, plot.data, plot.layout);
  }
}
function choose(set, key, on, only) {
  if (on) set.delete(key); else set.add(key);
  remember();
  redraw(only);
}
function box(text, on, change, colour) {
  const label = document.createElement("label"), input = document.createElement("input");
  input.type = "checkbox"; input.checked = on;
  input.addEventListener("change", () => change(input.checked));
  label.append(input);
  if (colour) {
    const mark = document.createElement("span");
    mark.className = "mark"; mark.style.setProperty("--mark", colour);
    label.append(mark);
  }
  label.append(text);
  return label;
}
function save(name, text, type = "text/csv") {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], {type}));
  link.download = name; link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
function cell(value) {
  const text = value === null || value === undefined ? "" : String(value);
  const safe = /^[=+@-]/.test(text) && isNaN(text) ? "'" + text : text;
  return /[",\n]/.test(safe) ? '"' + safe.replaceAll('"', '""') + '"' : safe;
}
// What an axis measures, where a figure has several.
function measure(plot, trace) {
  if (!plot.layout.yaxis2?.title?.text || plot.layout.yaxis2.matches) return "";
  return " of " + plot.layout["yaxis" + (trace.yaxis ?? "y").slice(1)].title.text;
}
// The numbers of what is shown, a line each.
function table(plot) {
  const lines = ["arm,layer,x,y"];
  plot.data.forEach((trace, i) => {
    if (trace.visible === false) return;
    const full = plot._fullData[i], {arm} = trace.meta;
    const layer = trace.meta.layer + measure(plot, trace);
    if (full.type === "box") {
      for (const key of ["lowerfence", "q1", "median", "mean", "q3", "upperfence"])
        lines.push([arm, layer + " " + key, full[key][0], ""].map(cell).join(","));
    } else {
      const error = full.error_y && full.error_y.visible ? full.error_y :
        full.error_x && full.error_x.visible ? full.error_x : null;
      const across = error === full.error_x, middle = across ? full.x : full.y;
      Array.from(full.x).forEach((x, k) => {
        lines.push([arm ?? full.name, layer, x, full.y[k]].map(cell).join(","));
        if (error) for (const [end, sign] of [["low", -1], ["high", 1]]) {
          const far = sign < 0 ? error.arrayminus ?? error.array : error.array;
          const bound = Number(middle[k]) + sign * far[k];
          lines.push([arm ?? full.name, layer + " " + end, across ? bound : x,
            across ? full.y[k] : bound].map(cell).join(","));
        }
      });
    }
  });
  return lines.join("\n") + "\n";
}
function switches(plot) {
  const row = document.createElement("div"), layers = document.createElement("span");
  row.className = "switches";
  for (const layer of new Set(plot.data.map((trace) => trace.meta.layer))) {
    const key = plot.id + "/" + layer;
    layers.append(box(layer, !offLayers.has(key), (on) => choose(offLayers, key, on, plot)));
  }
  const keep = document.createElement("span");
  for (const format of ["svg", "png"])
    keep.append(button(format.toUpperCase(), () => download(plot, format)));
  keep.append(button("CSV", () => save(plot.id + ".csv", table(plot))));
  row.append(layers, keep);
  plot.after(row);
}
function panel() {
  const own = document.getElementById("panel"), arms = document.createElement("div");
  arms.className = "row arms";
  const boxes = told.arms.map((arm) => {
    const label = box(arm.name, !off.has(arm.name),
      (on) => choose(off, arm.name, on), arm.colour);
    label.dataset.name = arm.name;
    arms.append(label);
    return label;
  });
  const every = (on) => {
    for (const label of boxes) {
      if (label.hidden) continue;
      label.querySelector("input").checked = on;
      if (on) off.delete(label.dataset.name); else off.add(label.dataset.name);
    }
    remember(); redraw();
  };
  const top = document.createElement("div");
  top.className = "row";
  top.append(button("all", () => every(true)), button("none", () => every(false)));
  if (typeof savePage === "function") top.append(button("save page", savePage));
  if (boxes.length > 12) {
    const search = document.createElement("input");
    search.type = "search"; search.placeholder = "find an arm";
    search.setAttribute("aria-label", "find an arm");
    search.addEventListener("input", () => boxes.forEach((label) => {
      label.hidden = !label.dataset.name.toLowerCase().includes(search.value.toLowerCase());
    }));
    top.append(search);
  }
  for (const group of new Set(told.arms.map((arm) => arm.group)))
    if (group) top.append(box("group " + group, !offGroups.has(group),
      (on) => choose(offGroups, group, on)));
  own.append(top, arms);
}
if (!exporting) recall();
panel();
const drawn = plots.map((plot) => {
  const figure = JSON.parse(document.getElementById(plot.id + "-data").textContent);
  figure.layout.dragmode = coarse ? false : "zoom";
  figure.layout.uirevision = "kept";
  settle(plot, figure.data, figure.layout);
  return Plotly.newPlot(plot, figure.data, figure.layout,
    {responsive: true, displayModeBar: false}).then(() => {
    switches(plot);
    plot.on("plotly_legendclick", (event) => {
      const {arm, key} = event.data[event.curveNumber].meta;
      if (arm === null || key !== arm) return false;
      const label = [...document.querySelectorAll(".arms label")].find(
        (own) => own.dataset.name === arm);
      label.querySelector("input").click();
      return false;
    });
  });
});
"""

_ALONE = r"""
// The page as a file that opens with what is chosen now: as it came, but for the choice.
function savePage() {
  const copy = document.documentElement.cloneNode(true);
  for (const own of copy.querySelectorAll(".switches, style[id^=plotly]")) own.remove();
  for (const plot of copy.querySelectorAll(".plot")) {
    plot.replaceChildren();
    plot.className = "plot";
  }
  copy.querySelector("#panel").replaceChildren();
  const chosen = {hidden: [...off], groups: [...offGroups], layers: [...offLayers]};
  copy.querySelector("#arms").textContent =
    JSON.stringify({...told, ...chosen}).replaceAll("<", "\\u003c");
  save("validation.html", "<!doctype html>\n" + copy.outerHTML, "text/html");
}
addEventListener("beforeprint", () => plots.forEach((plot) =>
  Plotly.relayout(plot, {width: 670})));  // A4 less its margins
addEventListener("afterprint", () => plots.forEach((plot) =>
  Plotly.relayout(plot, {width: null, autosize: true})));
if (exporting) Promise.all(drawn).then(() => written(plots));
"""

SCRIPT = pictures.SCRIPT + CONTROLS + _ALONE
"""Of a page that stands alone: it can be printed, and be drawn by a program."""

LIVE = f"""window.savePicture = (() => {{{pictures.SCRIPT} return download; }})();
window.liveControls = () => {{{pictures.SCRIPT}{CONTROLS}
return {{
  // A figure with other numbers: what is hidden stays hidden, and a zoom stays.
  update(id, figure) {{
    const plot = plots.find((own) => own.id === id);
    figure.layout.dragmode = plot.layout.dragmode;
    figure.layout.uirevision = "kept";
    settle(plot, figure.data, figure.layout);
    Plotly.react(plot, figure.data, figure.layout);
  }},
  purge() {{ plots.forEach((plot) => Plotly.purge(plot)); }},
}};
}};"""
"""Of a page whose numbers change while it is open: ``liveControls()`` is called once its markup
is there, and gives what updates a figure."""
