// The page that is open as one HTML file, and figures as pictures.
function saved(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

async function exported() {
  const said = document.getElementById("exporting"), query = new URLSearchParams(location.search);
  if (location.hash.length > 1) query.set("chosen", decodeURIComponent(location.hash.slice(1)));
  said.textContent = "Exporting …";
  try {
    const answer = await fetch(`/export${location.pathname}?${query}`);
    const named = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") || "");
    if (named) saved(await answer.blob(), named[1]);
    said.textContent = named ? `Saved ${named[1]}` : (await answer.text()).slice(0, 300);
  } catch (error) {
    said.textContent = "The Lab does not answer; start it again, then export.";
  }
}

document.addEventListener("click", (event) => {
  if (event.target.closest("#export")) exported();
  const save = event.target.closest("[data-save]");
  if (!save) return;
  const name = save.dataset.figure, plot = document.querySelector(`#${name} .js-plotly-plot`);
  if (plot) window.savePicture(plot, save.dataset.save, name);
});
