// The figures of a validation, with the switches of its page: built when arms or figures change,
// and else given other numbers, so that a zoom and what was hidden stay.
let live = null, built = null;

window.dash_clientside = Object.assign({}, window.dash_clientside, {
  stress: {
    draw: async function (told) {
      const place = document.getElementById("charts");
      if (!told || !place) return window.dash_clientside.no_update;
      await window.Plotly;  // see early.js
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
