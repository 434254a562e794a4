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
