// A slider of the forge is followed at once by its box and by the child on the radar; the server
// hears of it when the hand rests.
document.addEventListener("input", (event) => {
  const cell = event.target.type === "range" && event.target.closest(".splice");
  if (!cell) return;
  const said = JSON.parse(cell.dataset.said), box = cell.querySelector("input[type=text]");
  box.value = said[Number(event.target.value)];
  const radar = document.querySelector("#radar .js-plotly-plot");
  if (!radar || !radar._fullData) return;
  const k = Number(cell.dataset.place), r = [...radar._fullData[1].r];
  r[k] = Number(event.target.value) / (said.length - 1);
  if (k === 0) r[r.length - 1] = r[0];  // the outline is closed
  window.Plotly.restyle(radar, {r: [r]}, [1]);
});

// Dash puts the caret back after every change, and a slider has none.
document.addEventListener("focusin", (event) => {
  if (event.target.type === "range") event.target.setSelectionRange = () => {};
});

// What was done and has no answer yet. Parts that are drawn anew all call at once: no hand does.
window.dash_clientside = Object.assign({}, window.dash_clientside, {
  forge: {
    noted: function (clicks, slides, values, acts, bench) {
      const touched = window.dash_clientside.callback_context.triggered;
      if (touched.length !== 1 || touched[0].value === null || touched[0].value === undefined)
        return window.dash_clientside.no_update;
      const {prop_id, value} = touched[0], answered = bench.count || 0;
      const by = JSON.parse(prop_id.slice(0, prop_id.lastIndexOf(".")));
      const kept = acts.filter((act) => act.count > answered);
      const count = Math.max(answered, ...acts.map((act) => act.count)) + 1;
      return [...kept, {count, by, value}];
    },
  },
});
