// What only a browser can do: the clipboard, and the choice of light or dark.
const LOOK = "speciation-look";

function dressed(look) {
  if (look) document.documentElement.dataset.look = look;
}
dressed(localStorage.getItem(LOOK));

// A point has its id; those of splinters are in a row, and four corners are counted of each.
function idOf(point, figure) {
  if (point.customdata) return point.customdata;
  const place = 32 * Math.floor(point.pointNumber / 4);
  return figure.data[point.curveNumber].meta.slice(place, place + 32);
}

// Puts a text on the clipboard; what then is to be said.
const copied = (text, said) =>
  navigator.clipboard.writeText(text).then(
    () => said,
    () => "The browser did not allow the clipboard; the id is " + text.split("\n")[0]
  );
const copiedId = (id) => copied(id, `${id} copied`);

window.dash_clientside = Object.assign({}, window.dash_clientside, {
  lab: {
    look: function (clicks) {
      if (!clicks) return window.dash_clientside.no_update;
      const dark = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
      const now = document.documentElement.dataset.look || dark;
      const next = now === "dark" ? "light" : "dark";
      localStorage.setItem(LOOK, next);
      dressed(next);
      return next;
    },
    // Where the camera stands is part of the address, but no step of "back".
    turned: function (moved) {
      const camera = moved && moved["scene.camera"], query = new URLSearchParams(location.search);
      if (!camera) return window.dash_clientside.no_update;
      const parts = [camera.eye, camera.center, camera.up].flatMap((p) => [p.x, p.y, p.z]);
      query.set("camera", parts.map((own) => own.toFixed(2)).join());
      goTo("?" + query.toString().replaceAll("%2C", ","), true);
      return window.dash_clientside.no_update;
    },
    // What is zoomed and hidden is part of the address, but no step of "back"; see seen.py.
    viewed: function (...told) {
      const [id, what] = dash_clientside.callback_context.triggered[0].prop_id.split(".");
      const event = dash_clientside.callback_context.triggered[0].value;
      const query = new URLSearchParams(location.search);
      const parts = (key) => (query.get(key) || "").split(",").filter(Boolean);
      const zoom = new Map(parts("zoom").map((own) => [own.split(":")[0], own]));
      const hidden = new Set(parts("hidden"));
      if (what === "relayoutData")
        for (const axis of ["xaxis", "yaxis", "yaxis2"]) {
          const [from, to] = [0, 1].map((i) =>
            event?.[`${axis}.range[${i}]`] ?? event?.[`${axis}.range`]?.[i]);
          if (event?.[`${axis}.autorange`]) zoom.delete(`${id}.${axis}`);
          else if (Number.isFinite(from) && Number.isFinite(to))
            zoom.set(`${id}.${axis}`, [`${id}.${axis}`, +from.toPrecision(6), +to.toPrecision(6)].join(":"));
        }
      else if (event?.[0]?.visible) {
        const figure = told[id === "fitness" ? 4 : 5], seen = [event[0].visible].flat();
        event[1].forEach((trace, i) => {
          const name = `${id}.${figure.data[trace].name}`;
          if ((seen[i] ?? seen[0]) === "legendonly") hidden.add(name);
          else hidden.delete(name);
        });
      } else return window.dash_clientside.no_update;
      for (const [key, list] of [["zoom", [...zoom.values()]], ["hidden", [...hidden]]])
        if (list.length) query.set(key, list.join());
        else query.delete(key);
      const search = "?" + query.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
      if (search !== location.search) goTo(search, true);
      return window.dash_clientside.no_update;
    },
    // Rows of the population that are new, between those that stay; see evolution_news.py.
    rows: function (news, figure) {
      const [own] = figure.data, {meta, yaxis} = figure.layout;
      if (!news) return window.dash_clientside.no_update;
      const wide = news.shown.reduce((n, g) => Math.max(n, news.rows[g]?.z.length ?? 0), own.z[0].length);
      const nobody = {z: Array(wide).fill([0, 0, 0, 0]), customdata: Array(wide).fill(Array(5).fill(""))};
      const made = (key) => own.z.map((_, place) => {
        const g = news.shown[place], old = meta.indexOf(g);
        const row = g === undefined ? [] : news.rows[g]?.[key] ?? own[key][old];
        return [...row, ...nobody[key].slice(row.length)];
      });
      return {
        data: [{...own, z: made("z"), customdata: made("customdata")}],
        layout: {...figure.layout, meta: news.shown, yaxis: {...yaxis, ticktext: news.ticktext}},
      };
    },
    // The genome of a point that was clicked, for the page to show its ancestors.
    clicked: (click, figure) =>
      click ? idOf(click.points[0], figure) : window.dash_clientside.no_update,
    copied: (list) => (list ? copied(list.text, list.said) : window.dash_clientside.no_update),
    copy: function (click, list, figure) {
      const by = window.dash_clientside.callback_context.triggered[0].prop_id;
      if (!by.startsWith("space")) return list ? copied(list.text, list.said) : window.dash_clientside.no_update;
      return click ? copiedId(idOf(click.points[0], figure)) : window.dash_clientside.no_update;
    },
    copyId: (clicks, id) => (clicks && id ? copiedId(id) : window.dash_clientside.no_update),
  },
});
