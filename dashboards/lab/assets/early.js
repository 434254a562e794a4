// Plotly is large, so it comes while the rest is read and the server is asked what to show.
// Until then a promise of it has its name, for whoever wants to draw to wait for.
if (!window.Plotly)
  window.Plotly = new Promise((done, failed) => {
    const script = document.getElementById("plotly");
    script.onload = done;
    script.onerror = failed;
  });
