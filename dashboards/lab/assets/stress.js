// The figures of a validation, with the switches of its page: built when arms or figures change,
// and else given other numbers, so that a zoom and what was hidden stay.
const PLOTLY = "/_dash-component-suites/plotly/package_data/plotly.min.js";
let live = null, built = null;

function plotly() {
  if (window.Plotly) return Promise.resolve();
  return new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = PLOTLY;
    script.onload = done;
    script.onerror = failed;
    document.head.append(script);
  });
}

window.dash_clientside = Object.assign({}, window.dash_clientside, {
  stress: {
    draw: async function (told) {
      const place = document.getElementById("charts");
      if (!told || !place) return window.dash_clientside.no_update;
      await plotly();
      const fresh = document.createElement("template");
      fresh.innerHTML = told.html || "";
      if (!told.key) {
        place.replaceChildren(told.said || "");
        live = built = null;
      } else if (live && built === told.key && document.getElementById("panel")) {
        document.getElementById("every").replaceWith(fresh.content.querySelector("#every"));
        for (const data of fresh.content.querySelectorAll("[id$='-data']"))
          live.update(data.id.replace(/-data$/, ""), JSON.parse(data.textContent));
      } else {
        if (live) live.purge();
        place.replaceChildren(fresh.content);
        live = window.liveControls();
        built = told.key;
      }
      return "";
    },
  },
});
